import numpy as np
import pytest

from predictor.forecasting.methods import Resampling
from predictor.forecasting.methods.ability import Ability, AbilityHeldoutLoss
from predictor.forecasting.methods.curves import LINKS, curve, curve_slopes
from predictor.forecasting.panel import Benchmark, Panel

PARAMS = np.repeat([5e7, 1e8, 2e8, 4e8], 4)
TOKENS = np.tile([1e9, 2e9, 4e9, 8e9], 4)


def reducible(params, tokens):
    return 0.45 * (params / 1.4e8) ** -0.3 + 0.55 * (tokens / 3e9) ** -0.3


def panel(curves, noise=0.005, loss=None):
    """Scores of curves over the same ability, with noise."""
    generator = np.random.default_rng(1)
    ability = -np.log(reducible(PARAMS, TOKENS))
    score = np.array([one(ability) for one in curves]) + generator.normal(0, noise, (len(curves), PARAMS.size))
    heldout = np.empty((0, PARAMS.size)) if loss is None else loss[None, :]
    return Panel(
        family="f",
        runs=tuple(f"run{i}" for i in range(PARAMS.size)),
        run=np.arange(PARAMS.size),
        params=PARAMS,
        tokens=TOKENS,
        series=tuple(Benchmark(f"task{i}", "acc", 0, 0.25, 2000) for i in range(len(curves))),
        score=score,
        stderr=np.full(score.shape, noise),
        task_loss=np.full(score.shape, np.nan),
        heldout=() if loss is None else ("loss:held_out",),
        heldout_loss=heldout,
    )


def logistic(middle, steepness=1.5, ceiling=0.92):
    return lambda ability: 0.25 + (ceiling - 0.25) / (1 + np.exp(-steepness * (ability - middle)))


def test_curves_over_a_shared_law_are_forecast_at_ten_times_the_compute():
    curves = [logistic(middle) for middle in (0.0, 0.4, 0.8, 1.2, 1.6)]
    fitted = Ability().fit(panel(curves), Resampling(0, 0))
    params, tokens = 1.2e9, 2.6e10
    truth = [one(-np.log(reducible(params, tokens))) for one in curves]
    np.testing.assert_allclose(fitted.predict(params, tokens)[:, 0], truth, atol=0.025)


def test_a_benchmark_that_has_levelled_off_stays_there():
    def levelled(ability):
        return np.where(ability < -0.6, 0.25, 0.45)

    curves = [levelled, *(logistic(middle) for middle in (0.0, 0.5, 1.0))]
    fitted = Ability().fit(panel(curves, noise=0.01), Resampling(0, 0))
    assert fitted.predict(1.6e9, 3e10)[0, 0] == pytest.approx(0.45, abs=0.04)


def test_a_held_out_loss_gives_the_ability():
    curves = [logistic(middle) for middle in (0.0, 0.5, 1.0, 1.5)]
    loss = 1.8 + reducible(PARAMS, TOKENS)
    method = AbilityHeldoutLoss()
    seen = panel(curves, loss=loss)
    assert not method.refuse(seen)
    truth = [one(-np.log(reducible(8e8, 1.6e10))) for one in curves]
    np.testing.assert_allclose(method.fit(seen, Resampling(0, 0)).predict(8e8, 1.6e10)[:, 0], truth, atol=0.03)


def test_without_a_held_out_loss_the_method_refuses_with_a_reason():
    assert set(AbilityHeldoutLoss().refuse(panel([logistic(0.0)] * 2)).values()) == {
        "no held-out loss was scored on 3 runs"
    }


def test_draws_spread_more_the_further_the_target_lies_and_depend_on_the_seed_alone():
    seen = panel([logistic(middle) for middle in (0.5, 1.0, 1.5, 2.0)])
    fitted = Ability().fit(seen, Resampling(100, 3))
    near, far = (fitted.predict(size, 8e9)[:, 1:].std(axis=1).mean() for size in (4e8, 4e10))
    assert far > 1.5 * near
    again = Ability().fit(seen, Resampling(100, 3)).predict(4e10, 8e9)
    np.testing.assert_array_equal(again, fitted.predict(4e10, 8e9))
    other = Ability().fit(seen, Resampling(100, 4)).predict(4e10, 8e9)
    assert not np.array_equal(again, other)


@pytest.mark.parametrize("link", LINKS)
def test_the_slopes_of_a_curve_are_its_differences(link):
    theta, ability = np.array([0.3, 0.8, 0.9, 0.25]), np.linspace(-2, 2, 5)
    step = 1e-6
    differences = [
        (curve(link, theta + step * one, ability) - curve(link, theta - step * one, ability)) / (2 * step)
        for one in np.eye(4)
    ]
    slopes = curve_slopes(link, theta, ability)
    for slope, difference in zip(slopes, differences, strict=True):
        np.testing.assert_allclose(np.broadcast_to(slope, ability.shape), difference, atol=1e-8)
