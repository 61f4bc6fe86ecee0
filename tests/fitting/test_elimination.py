import numpy as np
import pytest
from scipy.optimize import lsq_linear, nnls

from predictor.fitting.elimination import Elimination, affine_parts, bounded_least_squares
from predictor.laws import get_law

TRUTH = {"E": 1.8172, "A": 482.01, "alpha": 0.3478, "B": 2085.43, "beta": 0.3658}


@pytest.mark.parametrize("size", [1, 3, 6])
def test_a_batch_of_bounded_problems_is_solved_as_scipy_solves_each(size):
    generator = np.random.default_rng(size)
    columns = generator.standard_normal((60, 12, size)) @ (np.eye(size) + 0.9)
    target, weight = 2 * generator.standard_normal((60, 12)), generator.random((60, 12))
    lower, upper = -0.3 * generator.random((60, size)), 0.4 * generator.random((60, size))
    upper[:, 0] = np.inf
    found = bounded_least_squares(columns, target, weight, lower, upper)
    assert (found >= lower).all()
    assert (found <= upper).all()
    assert ((found == lower) | (found == upper)).any(), "no bound was reached, the test shows nothing"
    for row in range(60):
        root = np.sqrt(weight[row])
        matrix, seen = root[:, None] * columns[row], root * target[row]
        peer = lsq_linear(matrix, seen, (lower[row], upper[row]), method="bvls", tol=1e-14)
        assert 0.5 * np.sum((matrix @ found[row] - seen) ** 2) <= peer.cost * (1 + 1e-9)


def test_a_bound_at_zero_is_non_negative_least_squares():
    generator = np.random.default_rng(0)
    columns, target = generator.standard_normal((9, 4)), generator.standard_normal(9)
    found = bounded_least_squares(
        columns[None], target[None], np.ones((1, 9)), np.zeros((1, 4)), np.full((1, 4), np.inf)
    )
    np.testing.assert_allclose(found[0], nnls(columns, target)[0], atol=1e-9)


def test_a_law_splits_into_the_terms_of_its_linear_parameters():
    law = get_law("chinchilla")
    inputs = {"params": np.array([[1e8, 1e9]]), "tokens": np.array([[1e10, 2e10]])}
    values = np.array([[TRUTH[name] for name in law.parameter_names]])
    base, columns = affine_parts(law, inputs, values, [0, 1, 3])
    np.testing.assert_allclose(base, 0.0)
    np.testing.assert_allclose(columns[0, :, 0], 1.0)
    np.testing.assert_allclose(columns[0, :, 1], inputs["params"][0] ** -0.3478)
    np.testing.assert_allclose(columns[0, :, 2], inputs["tokens"][0] ** -0.3658)


@pytest.mark.parametrize("scale", ["log", "linear"])
def test_given_the_exponents_the_weights_come_back_from_nothing_outliers_or_not(scale):
    law = get_law("chinchilla")
    law = law if scale == "log" else type(law)(**{**vars(law), "fit_scale": "linear"})
    params = np.repeat(np.geomspace(5e7, 1e10, 8), 3)
    inputs = {"params": params[None], "tokens": (params * np.tile([5.0, 20.0, 80.0], 8))[None]}
    truth = np.array([[TRUTH[name] for name in law.parameter_names]])
    observed = law.predict(inputs, truth)
    observed[0, 5] *= 1.5
    seen = np.log(observed) if scale == "log" else observed
    unknown = law.inside(np.array([[1.0, 1.0, TRUTH["alpha"], 1.0, TRUTH["beta"]]]))
    box = np.full((1, 5), -20.0), np.full((1, 5), 20.0)
    eliminate = Elimination(law, inputs, seen, np.full(seen.shape, 1e-4), np.ones(seen.shape), *box, 1.345)
    found = eliminate.start(unknown)
    for _ in range(20):
        found = eliminate(found, np.array([0]))
    # The outlier pulls with no more than the corner of the Huber loss.
    np.testing.assert_allclose(law.outside(found)[0], truth[0], rtol=5e-3)
