"""The process against closed forms: its gradient, the condition of its mode, and a plain linear-Gaussian posterior."""

import numpy as np
import pytest

from predictor.forecasting.skills.covariance import COMPONENTS, Covariance, kernels, penalty, used_components
from predictor.forecasting.skills.kinship import Kinship, kinship_by_name, read_kinship
from predictor.forecasting.skills.process import _Entries, _negative_evidence, condition, learn, to_latent, to_score
from predictor.forecasting.skills.trend import Trend, grid_models
from predictor.forecasting.skills.world import Models, World


@pytest.fixture
def world() -> World:
    draws = np.random.default_rng(3)
    families = ["a", "a", "a-chat", "b", "b", "c"]
    kinship = {name: kinship_by_name(name) for name in families}
    tokens = np.array([1e12, 1e12, 1e12, 3e11, 3e11, np.nan])
    models = Models.of(families, kinship, np.array([1e9, 7e9, 7e9, 4e8, 3e9, 1e10]), tokens)
    score = draws.uniform(0.35, 0.8, (6, 3))
    score[2, 1] = np.nan
    return World(models, score, np.full((6, 3), 0.01), np.array([0.25, 0.0, 0.25]))


def test_gradient_of_the_evidence_is_that_of_finite_differences(world):
    entries = _Entries.of(world)
    covariance = Covariance.prior(used_components(world.models), 3)
    over_models = {
        name: kernel[np.ix_(entries.model, entries.model)]
        for name, kernel in kernels(world.models, world.models).items()
    }
    membership = np.eye(3)[entries.benchmark]
    observed, noise = entries.linearised(to_latent(entries.score, entries.chance))
    vector = covariance.pack()

    def value(at: np.ndarray) -> float:
        return _negative_evidence(covariance.unpack(at), over_models, membership, entries.benchmark, observed, noise)[0]

    gradient = _negative_evidence(covariance, over_models, membership, entries.benchmark, observed, noise)[1]
    for place in range(0, vector.size, 7):
        step = np.zeros_like(vector)
        step[place] = 1e-5
        slope = (value(vector + step) - value(vector - step)) / 2e-5
        assert gradient[place] == pytest.approx(slope, rel=1e-4, abs=1e-5)


def test_prior_is_least_at_its_centre_of_own_parts():
    covariance = Covariance.prior(COMPONENTS, 4)
    value, _ = penalty(covariance)
    wider = covariance.unpack(covariance.pack())
    wider.own["model"][:] *= 3.0
    assert penalty(wider)[0] > value


def test_mode_balances_prior_and_likelihood(world):
    # At the mode, K^-1·f equals the slope of the log-likelihood: (score - g)·g'/variance.
    entries = _Entries.of(world)
    covariance = Covariance.prior(used_components(world.models), 3)
    prior = covariance.between(
        world.models, entries.benchmark, entries.model, world.models, entries.benchmark, entries.model
    )
    prior += 1e-6 * np.eye(len(prior))
    latent = entries.mode(prior, to_latent(entries.score, entries.chance))
    value = to_score(latent, entries.chance)
    share = (value - entries.chance) / (1 - entries.chance)
    slope = (1 - entries.chance) * share * (1 - share)
    pull = (entries.score - value) * slope / entries.variance
    assert np.linalg.solve(prior, latent) == pytest.approx(pull, rel=0.02, abs=0.02)


def test_a_model_scored_without_error_is_predicted_as_it_scored(world):
    exact = World(world.models, world.score, np.zeros_like(world.score), world.chance)
    posterior = condition(Covariance.prior(used_components(world.models), 3), exact)
    mean, covariance = posterior.predict(world.models.take(np.array([1])))
    assert to_score(mean[0], world.chance) == pytest.approx(world.score[1], abs=0.005)
    assert np.sqrt(np.diag(covariance)).max() < 0.05


def test_further_from_all_models_is_less_certain(world):
    posterior = condition(learn(world), world)
    kinship = {"new": Kinship("new", False)}

    def spread(params: float) -> float:
        model = Models.of(["new"], kinship, np.array([params]), np.array([1e12]), first=-1)
        return float(np.sqrt(np.diag(posterior.predict(model)[1])).mean())

    assert spread(7e9) < spread(7e10) < spread(7e12)


def test_names_reveal_base_and_tuning():
    assert kinship_by_name("falcon-instruct") == Kinship("falcon", True)
    assert kinship_by_name("yi-200k") == Kinship("yi", False)
    assert kinship_by_name("gpt2") == Kinship("gpt2", False)


def test_models_table_says_what_names_do_not(tmp_path):
    (tmp_path / "evals.parquet").touch()
    import pandas as pd

    pd.DataFrame({"family": ["orca-2"], "family_pretrained": ["llama-2"], "instruct": [True]}).to_parquet(
        tmp_path / "models.parquet"
    )
    assert read_kinship(tmp_path, ["orca-2", "yi-chat"]) == {
        "orca-2": Kinship("llama-2", True),
        "yi-chat": Kinship("yi", True),
    }


def test_a_trend_on_the_points_of_a_grid_says_what_its_models_said(world):
    # Family "c" is forecast from its own scores and the trend that the other families left on a grid.
    covariance = learn(world)
    others, own = world.take(np.arange(5)), world.take(np.array([5]))
    everyone = condition(covariance, world)
    size, data = (values.ravel() for values in np.meshgrid(np.linspace(-1.4, 1.2, 5), np.linspace(-0.8, 0.6, 3)))
    mean, error = condition(covariance, others).population(grid_models(size, data))
    kept = condition(covariance, own, Trend(size, data, mean, error))
    target = Models.of(["c"], {"c": Kinship("c", False)}, np.array([4e10]), np.array([2e12]), first=-1)
    expected, spread = everyone.predict(target)
    found, kept_spread = kept.predict(target)
    assert found == pytest.approx(expected, abs=0.1)
    assert np.sqrt(np.diag(kept_spread)) == pytest.approx(np.sqrt(np.diag(spread)), rel=0.1)
