import numpy as np
import pytest

from predictor.errors import InputError, UnknownNameError
from predictor.fitting import checkpoint_noise, make_draws, resample_items

RUN = np.array([0, 0, 0, 1, 1, 2])


def test_checkpoints_of_a_run_share_its_weight_and_runs_have_mean_one():
    weight = make_draws(RUN, ["a"], 500, 0, "test").weight
    assert (weight[:, 0] == weight[:, 2]).all()
    assert (weight[:, 3] == weight[:, 4]).all()
    np.testing.assert_allclose(weight[:, [0, 3, 5]].mean(axis=1), 1.0)
    # Dirichlet(1, 1, 1) times three: variance 9 · 2/36.
    np.testing.assert_allclose(weight[1:, 0].var(), 0.5, atol=0.1)


def test_the_first_draw_is_undisturbed():
    draws = make_draws(RUN, ["a", "b"], 10, 0, "test")
    assert (draws.weight[0] == 1).all()
    assert not draws.noise[:, 0].any()
    assert not draws.prior[:, 0].any()


def test_a_series_draws_do_not_depend_on_its_neighbours_and_do_on_the_seed():
    together = make_draws(RUN, ["a", "b"], 10, 0, "test")
    alone = make_draws(RUN, ["b"], 10, 0, "test")
    np.testing.assert_array_equal(together.noise[1], alone.noise[0])
    assert not np.array_equal(make_draws(RUN, ["b"], 10, 1, "test").noise, alone.noise)


def test_pairs_draw_whole_runs_with_replacement():
    weight = make_draws(RUN, ["a"], 400, 0, "test", by="pairs").weight
    assert (weight[:, 0] == weight[:, 2]).all()
    np.testing.assert_array_equal(weight[:, [0, 3, 5]].sum(axis=1), 3)
    assert set(np.unique(weight)) == {0, 1, 2, 3}


def test_wild_signs_turn_whole_runs_and_have_mean_zero_and_variance_one():
    few = make_draws(RUN, ["a"], 4000, 0, "test", by="wild")
    assert (few.sign[1:, 0] == few.sign[1:, 2]).all()
    assert not few.noise.any()
    assert np.unique(few.sign[1:]).size == 6
    many = make_draws(np.arange(20), ["a"], 4000, 0, "test", by="wild")
    assert set(np.unique(many.sign)) == {-1, 1}
    for draws in (few, many):
        assert (draws.sign[0] == 1).all()
        np.testing.assert_allclose(draws.sign[1:].mean(axis=0), 0.0, atol=0.06)
        np.testing.assert_allclose(draws.sign[1:].var(axis=0), 1.0, atol=0.06)


def test_more_parameters_leave_the_first_draws_as_they_were():
    few, many = (make_draws(RUN, ["a"], 5, 0, "test", parameters=size) for size in (8, 20))
    assert many.prior.shape[2] == 20
    np.testing.assert_array_equal(few.prior, many.prior[:, :, :8])
    np.testing.assert_array_equal(few.noise, many.noise)


def test_items_are_resampled_alike_for_all_checkpoints():
    items = np.array([[1, 1, 0, 0, 1], [1, 1, 0, 0, 1], [0, 0, 1, 1, 0]], float)
    drawn = resample_items(items, 300, np.random.default_rng(0))
    np.testing.assert_allclose(drawn[0], [0.6, 0.6, 0.4])
    np.testing.assert_allclose(drawn[:, 0], drawn[:, 1])
    np.testing.assert_allclose(drawn[:, 0] + drawn[:, 2], 1.0)
    # Binomial variance of a share of 0.6 among five.
    assert drawn[1:, 0].var() == pytest.approx(0.24 / 5, rel=0.2)
    with pytest.raises(InputError, match="cannot be resampled"):
        resample_items(np.zeros((3, 0)), 2, np.random.default_rng(0))


def test_the_noise_of_checkpoints_is_found_beside_their_trend_and_a_spike():
    generator = np.random.default_rng(1)
    run, tokens = np.repeat([0, 1, 2], 200), np.tile(np.geomspace(1e9, 1e12, 200), 3)
    values = 3 - 0.1 * np.log(tokens) + 0.5 * run + 0.02 * generator.standard_normal(600)
    values[17] += 5.0
    assert checkpoint_noise(values, run, tokens) == pytest.approx(0.02, rel=0.1)
    assert np.isnan(checkpoint_noise([1.0, 2.0], np.array([0, 0]), [1, 2]))


def test_an_unknown_kind_is_named():
    with pytest.raises(UnknownNameError, match="unknown kind of resampling 'jackknife'"):
        make_draws(RUN, ["a"], 2, 0, "test", by="jackknife")
