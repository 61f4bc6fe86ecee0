"""The published ways that ours are compared with forecast exactly what follows their own law exactly."""

import numpy as np
import pytest

from benchmarks.accuracy.published import PUBLISHED
from predictor.forecasting.panel import Benchmark, Panel

CHANCE = 0.25
PARAMS = np.repeat(np.geomspace(1e8, 3e9, 5), 3)
TOKENS = np.tile([10.0, 40.0, 160.0], 5) * PARAMS
TARGET = (np.array([7e9]), np.array([70e9]))


def over_training_loss(params, tokens):
    """Gadre et al. 2024, equation 4, with coefficients near theirs for C4."""
    compute, factor = 6 * params * tokens, tokens / params
    return 1.5 + (141 * factor**0.121 + 190 * factor**-0.121) * compute**-0.121


def chinchilla_loss(params, tokens):
    return 0.4 + 40 * params**-0.25 + 90 * tokens**-0.25


def compute_loss(params, tokens):
    return 0.4 + 300 * (6 * params * tokens) ** -0.12


def sigmoid(loss):
    return 0.25 + 0.6 / (1 + np.exp(5 * (loss - 1.1)))


# Way -> score of a model that follows its law, and the task's own loss.
LAWS = {
    "gadre": (lambda n, d: 1 - (0.9 - 2.5 * np.exp(-0.6 * over_training_loss(n, d))), compute_loss),
    "bhagia_two_step": (lambda n, d: sigmoid(chinchilla_loss(n, d)), chinchilla_loss),
    "bhagia_flops": (lambda n, d: sigmoid(compute_loss(n, d)), compute_loss),
    "direct_log_accuracy": (lambda n, d: CHANCE + (1 - CHANCE) * np.exp(-800 * (6 * n * d) ** -0.14), compute_loss),
    "linear_log_compute": (lambda n, d: -0.9 + 0.03 * np.log(6 * n * d), compute_loss),
}


def panel(score, task_loss):
    runs = PARAMS.size
    return Panel(
        family="drawn",
        runs=tuple(map(str, range(runs))),
        run=np.arange(runs),
        params=PARAMS,
        tokens=TOKENS,
        series=(Benchmark("task", "acc", 0, CHANCE, 1000),),
        score=score[None],
        stderr=np.full((1, runs), 0.01),
        task_loss=task_loss[None],
        heldout=("loss:c4_en",),
        heldout_loss=over_training_loss(PARAMS, TOKENS)[None],
    )


@pytest.mark.parametrize("name", LAWS)
def test_a_way_continues_its_own_law(name):
    score, loss = LAWS[name]
    answer = PUBLISHED[name](panel(score(PARAMS, TOKENS), loss(PARAMS, TOKENS)), *TARGET)
    assert answer[0] == pytest.approx(score(*TARGET), abs=0.002)


def test_a_way_through_a_loss_that_was_not_measured_gives_no_number():
    nothing = panel(LAWS["gadre"][0](PARAMS, TOKENS), np.full(PARAMS.size, np.nan))
    assert np.isnan(PUBLISHED["bhagia_two_step"](nothing, *TARGET)).all()
    assert np.isnan(PUBLISHED["bhagia_flops"](nothing, *TARGET)).all()
    assert np.isfinite(PUBLISHED["gadre"](nothing, *TARGET)).all()


def test_scores_at_chance_leave_nothing_to_fit_but_the_last_value():
    score = np.full(PARAMS.size, 0.24)
    assert PUBLISHED["direct_log_accuracy"](panel(score, score), *TARGET) == pytest.approx(0.24)
