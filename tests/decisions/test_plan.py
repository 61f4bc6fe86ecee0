import itertools

import numpy as np
import pytest

from predictor.decisions import plan, plan_first
from predictor.decisions.belief import Belief, Scale, kernel_of
from predictor.decisions.design import Limits, choose_runs, variance_after
from predictor.decisions.planning import believe_panel, believe_published
from predictor.errors import ForecastError, InputError, UnknownNameError
from predictor.forecasting.panel import build_panel

TARGET = (13e9, 520e9)


def drawn_belief(points=9, benchmarks=3, seed=0):
    generator = np.random.default_rng(seed)
    root = generator.standard_normal((benchmarks, points, 4)) * 0.05
    covariance = root @ root.transpose(0, 2, 1) + 1e-4 * np.eye(points)
    noise = 0.01 * (1 + generator.random((benchmarks, points)))
    return Belief(np.full((benchmarks, points), 0.5), covariance, noise), 1.0 + generator.random(points) * 4


def test_variance_after_runs_is_that_of_the_conditional_normal():
    belief, _ = drawn_belief()
    chosen = (2, 5, 5)
    # By information instead of covariance: the precision of the points and of each run's measurement add up.
    for row in range(3):
        precision = np.linalg.inv(belief.covariance[row])
        for point in chosen:
            precision[point, point] += 1 / belief.noise[row, point] ** 2
        assert variance_after(belief, chosen)[row] == pytest.approx(np.linalg.inv(precision)[0, 0])


@pytest.mark.parametrize("seed", range(5))
def test_the_design_comes_close_to_the_best_of_all(seed):
    belief, cost = drawn_belief(seed=seed)
    floor = np.full(3, 1e-5)
    budget = 6.0

    def width(chosen):
        return np.sqrt(variance_after(belief, chosen) + floor).mean()

    sets = (
        chosen
        for size in range(7)
        for chosen in itertools.combinations_with_replacement(range(1, 9), size)
        if cost[list(chosen)].sum() <= budget and max(map(chosen.count, chosen), default=0) <= 2
    )
    best = min(map(width, sets))
    design = choose_runs(belief, Limits(cost, budget, runs=12, seeds=2), floor)
    assert cost[list(design.chosen)].sum() <= budget
    assert max(map(design.chosen.count, design.chosen)) <= 2
    assert 0 not in design.chosen
    assert width(design.chosen) <= 1.02 * best


def test_what_a_law_leaves_out_is_known_where_it_was_seen():
    places = Scale(np.array([1e9, 1e9, 1e11]), np.array([2e10, 2e10, 2e12]))
    kernel = kernel_of(places)
    assert kernel[0, 1] == pytest.approx(1)
    assert kernel[0, 2] < 0.1
    assert np.linalg.eigvalsh(kernel).min() > -1e-12


def test_scores_narrow_what_is_believed_where_they_were_taken(draw_ladder, as_results):
    panel = build_panel(as_results(draw_ladder()), "drawn")
    belief = believe_panel(panel, Scale(np.array([13e9, 1.6e9]), np.array([520e9, 64e9])))
    deviation = np.sqrt(np.einsum("tpp->tp", belief.covariance))
    assert (deviation[:, 1] < 0.7 * deviation[:, 0]).all()
    inside = panel.score[:, list(panel.params).index(1.6e9)]
    assert np.abs(belief.mean[:, 1] - inside).max() < 0.03


def test_a_plan_keeps_to_its_budget_and_narrows_the_forecast(draw_ladder, as_results):
    results = as_results(draw_ladder())
    small = plan(results, *TARGET, 1e21, resamples=10)
    large = plan(results, *TARGET, 1e22, resamples=10)
    for answer, budget in ((small, 1e21), (large, 1e22)):
        assert 0 < answer.flops <= budget * (1 + 1e-9)
        assert answer.flops == pytest.approx(sum(6 * one.params * one.tokens * one.seeds for one in answer.runs))
        assert all(one.after <= one.before for one in answer.tasks)
        assert all(one.params <= TARGET[0] for one in answer.runs)
    assert sum(one.after for one in large.tasks) < sum(one.after for one in small.tasks)
    # Nothing beyond the ladder is worth as much as a run towards the target.
    assert max(one.params for one in large.runs) > 3.2e9


def test_the_noise_of_a_benchmark_is_known_from_its_errors_where_its_items_are_not(draw_ladder, as_results):
    ladder = draw_ladder(middles={"easy": 2.6, "hard": 2.2}, items=20000)
    scores = ladder["value"].where(ladder["metric"] == "acc")
    unknown = ladder.assign(stderr=np.sqrt(scores * (1 - scores) / 20000)).drop(columns="n_items")
    told, guessed = (plan(as_results(one), *TARGET, 1e22, resamples=10) for one in (ladder, unknown))
    assert [one.after for one in guessed.tasks] == pytest.approx([one.after for one in told.tasks], rel=0.05)


def test_sizes_and_lengths_that_are_named_are_kept_to(draw_ladder, as_results):
    answer = plan(as_results(draw_ladder()), *TARGET, 1e21, sizes=[2e9, 4e9], ratios=[10, 30], resamples=10)
    assert {one.params for one in answer.runs} <= {2e9, 4e9}
    assert all(round(one.tokens / one.params) in (10, 30) for one in answer.runs)


def test_a_first_ladder_spreads_over_sizes_and_gains_from_budget():
    answers = [plan_first(7e9, 140e9, budget) for budget in (1e19, 1e20, 1e21)]
    widths = [one.tasks[0].after for one in answers]
    assert widths == sorted(widths, reverse=True)
    for answer in answers:
        assert answer.flops <= answer.budget * (1 + 1e-9)
        assert len({one.params for one in answer.runs}) >= 3
        assert answer.basis == "besiroglu"
        assert "a prior, not a forecast" in answer.record["notes"][0]


def test_the_published_prior_passes_the_scores_it_is_said_to():
    belief = believe_published("besiroglu", Scale(np.array([7e9, 1e9]), np.array([3e11, 2e10])))
    np.testing.assert_allclose(belief.mean[0], [0.75, 0.45], atol=0.02)


def test_what_cannot_be_planned_is_refused(draw_ladder, as_results):
    results = as_results(draw_ladder())
    with pytest.raises(InputError, match="pays for the target itself"):
        plan(results, *TARGET, 1e24)
    with pytest.raises(InputError, match=r"pays for none of the \d+ runs"):
        plan(results, *TARGET, 1e12, resamples=4)
    with pytest.raises(InputError, match="a run of 10 parameters says nothing of a target of 13B; name --sizes from"):
        plan(results, *TARGET, 1e21, sizes=[10, 1e9])
    with pytest.raises(InputError, match="a run of 26B parameters says nothing"):
        plan_first(*TARGET, 1e21, sizes=[26e9])
    with pytest.raises(InputError, match="no run is trained on 1T tokens per parameter"):
        plan_first(*TARGET, 1e21, ratios=[20, 1e12])
    with pytest.raises(InputError, match=r"no model has 1e\+188T parameters"):
        plan_first(1e200, 1e11, 1e21)
    with pytest.raises(UnknownNameError, match="unknown published fit 'nobody'"):
        plan_first(7e9, 140e9, 1e20, published="nobody")
    flat = draw_ladder(middles={"never": 0.5})
    with pytest.raises(ForecastError, match="no benchmark of family drawn can be forecast"):
        plan(as_results(flat), *TARGET, 1e21, resamples=4)
