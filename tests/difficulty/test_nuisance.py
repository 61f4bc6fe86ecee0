"""Taking out what checkpoints share beside ability."""

import numpy as np
import pytest

from predictor.difficulty.ability import estimate_ability
from predictor.difficulty.nuisance import estimate_nuisance

RUNS, PER_RUN, ITEMS = 6, 20, 300


@pytest.fixture(scope="module")
def jumping():
    """Losses that fall with ability, plus one shared direction that jumps from checkpoint to checkpoint."""
    generator = np.random.default_rng(0)
    run = np.repeat([f"r{i}" for i in range(RUNS)], PER_RUN)
    params = np.repeat(1e8 * 2.0 ** np.arange(RUNS), PER_RUN)
    tokens = np.tile(1e10 * np.linspace(1, 2, PER_RUN), RUNS)
    theta = np.log(params / 1e8) + 0.5 * np.log(tokens / 1e10)
    loading, shared = generator.uniform(0.05, 0.3, ITEMS), generator.uniform(0.5, 1.5, ITEMS)
    jumps = generator.standard_normal(run.size)
    own = 0.1 * generator.standard_normal((run.size, ITEMS))
    values = 4 - theta[:, None] * loading + 0.5 * jumps[:, None] * shared + own
    return values, run, params, tokens, theta, shared


def test_the_shared_direction_is_found(jumping):
    values, run, _, tokens, _, shared = jumping
    found = estimate_nuisance(values, run, tokens)
    cosine = abs(found.directions[0] @ shared) / np.linalg.norm(shared)
    assert cosine > 0.99
    assert found.share[0] > 0.8


def test_ability_follows_scale_where_the_mean_loss_follows_the_jumps(jumping):
    values, run, params, tokens, theta, _ = jumping
    ability = estimate_ability(values, run, params, tokens)
    assert np.corrcoef(ability.value, theta)[0, 1] < -0.995
    assert abs(np.corrcoef(values.mean(axis=1), theta)[0, 1]) < 0.7
    assert ability.of(values) == pytest.approx(ability.value)


def test_checkpoints_a_doubling_apart_are_progress_and_not_nuisance(jumping):
    values, run, _, _, _, _ = jumping
    tokens = np.tile(1e6 * 2.0 ** np.arange(PER_RUN), RUNS)
    assert estimate_nuisance(values, run, tokens).directions.shape[0] == 0


def test_without_neighbours_nothing_is_taken_out():
    values = np.random.default_rng(0).random((4, 10))
    found = estimate_nuisance(values, np.array(list("abcd")), np.full(4, 1e9))
    assert found.remove(values) == pytest.approx(values)


def test_one_checkpoint_has_the_ability_of_its_mean():
    values = np.array([[1.0, 3.0]])
    found = estimate_ability(values, np.array(["a"]), np.array([1e8]), np.array([1e9]))
    assert found.value == pytest.approx([2.0])
