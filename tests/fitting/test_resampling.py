import numpy as np

from predictor.fitting import make_draws

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
