"""Pass rates over sizes and attempts, drawn from known laws."""

import json

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from predictor.cli.app import app
from predictor.errors import ForecastError, InputError
from predictor.laws import get_law
from predictor.results import read_results
from predictor.results.store import Store
from predictor.statistics import SampledModel, fit_pass_law, majority_curve, pass_curve, sampled_models

SIZES = np.geomspace(1e7, 1e9, 7)
ALPHA, C = 0.3, 600.0


def draw_until(rates, until, most, generator):
    """Sample items until so many right answers, or a cap: samples, passes, until."""
    tries = generator.negative_binomial(until, np.maximum(rates, 1e-12)) + until
    capped = tries > most
    passes = np.where(capped, np.minimum(generator.binomial(most, rates), until - 1), until)
    return np.where(capped, most, tries).astype(float), passes.astype(float), np.where(capped, np.nan, until)


def models_of(bend=0.0, items=40, scatter=0.0, seed=0, most=10_000):
    """Models whose mean pass rate follows the law, with a bend per squared e-fold; items differ in difficulty."""
    generator = np.random.default_rng(seed)
    found = []
    for size in SIZES:
        z = np.log(size) - np.log(SIZES).mean()
        place = np.log(C) - ALPHA * np.log(size) + bend * z**2 + scatter * generator.standard_normal()
        mean = np.exp(-np.exp(place))
        relative = generator.gamma(5.0, 0.2, items)
        rates = np.clip(mean * relative / relative.mean(), 0, 1)
        found.append(SampledModel(f"{size:.0e}", size, 1e9, *draw_until(rates, 5, most, generator)))
    return found


def test_the_law_is_found_and_held_by_its_intervals():
    held, ahead = 0, 0
    for seed in range(30):
        law = fit_pass_law(models_of(seed=seed))
        low, high = law.alpha_interval
        held += low <= ALPHA <= high
        rate, low, high = law.predict(4e9)
        assert low < rate < high
        ahead += low < np.exp(-C * 4e9**-ALPHA) < high
    assert min(held, ahead) >= 26


def test_acceleration_is_found_and_a_straight_line_is_not_called_so():
    verdicts = [fit_pass_law(models_of(bend=-0.06, seed=seed)).verdict for seed in range(10)]
    assert verdicts.count("accelerated") >= 8
    straight = [fit_pass_law(models_of(scatter=0.02, seed=seed)).verdict for seed in range(40)]
    assert straight.count("as the law says") >= 34


def test_the_line_is_that_of_weighted_least_squares():
    import statsmodels.api as sm

    models = models_of(seed=3)
    y = np.log(-np.log([model.rate for model in models]))
    x = sm.add_constant(np.log([model.params for model in models]))
    expected = sm.WLS(y, x, 1 / np.array([model.error_of_place for model in models]) ** 2).fit()
    law = fit_pass_law(models)
    assert -law.alpha == pytest.approx(expected.params[1])
    assert np.log(law.c) == pytest.approx(expected.params[0])


def test_a_model_without_right_answers_counts_by_its_wrong_ones():
    models = models_of(seed=1)
    items = models[0].samples.size
    # So few samples of a model ten times smaller say nothing; so many say that the rate is lower than the law's.
    for most, moved in ((2, False), (10_000_000, True)):
        none = SampledModel("none", 1e6, 1e9, np.full(items, float(most)), np.zeros(items), np.full(items, np.nan))
        law, plain = fit_pass_law([none, *models]), fit_pass_law(models)
        assert law.censored == ("none",)
        assert (law.alpha > 1.02 * plain.alpha) == moved
        assert none.interval()[1] == pytest.approx(-np.log(0.025) / (items * most))


def test_two_sizes_carry_no_law_and_four_no_verdict():
    models = models_of()
    with pytest.raises(ForecastError, match="2 of the 3 sizes"):
        fit_pass_law(models[-2:])
    assert fit_pass_law(models[-4:]).verdict == "too few sizes to tell"


def beta_model(count=300, samples=32, a=0.4, b=6.0, seed=0):
    generator = np.random.default_rng(seed)
    rates = generator.beta(a, b, count)
    passes = generator.binomial(samples, rates).astype(float)
    return SampledModel("one", 1e8, 1e9, np.full(count, float(samples)), passes, np.full(count, np.nan))


def test_pass_at_k_is_forecast_far_beyond_the_samples():
    truth = get_law("coverage").evaluate({"a": 0.4, "b": 6.0}, {"attempts": np.array([1000.0])})[0]
    held = 0
    for seed in range(10):
        few, far = pass_curve(beta_model(seed=seed), [16, 1000], level=0.95, seed=seed)
        held += far.interval[0] <= truth <= far.interval[1]
        assert far.measured is None
        assert few.measured == pytest.approx(few.forecast, abs=0.05)
    assert held >= 8


def test_the_fit_over_items_does_not_depend_on_how_sampling_stopped():
    generator = np.random.default_rng(2)
    rates = generator.beta(0.4, 6.0, 400)
    stopped = SampledModel("stopped", 1e8, 1e9, *draw_until(rates, 5, 2000, generator))
    truth = get_law("coverage").evaluate({"a": 0.4, "b": 6.0}, {"attempts": np.array([100.0])})[0]
    assert pass_curve(stopped, [100])[0].forecast == pytest.approx(truth, abs=0.06)


def test_a_vote_is_right_as_often_as_the_multinomial_says():
    # Three answers, one right: at k = 3 enumerate all outcomes, ties broken at random.
    shares = np.array([0.5, 0.3, 0.2])
    expected = 0.0
    for first in range(3):
        for second in range(3):
            for third in range(3):
                votes = np.bincount([first, second, third], minlength=3)
                best = np.flatnonzero(votes == votes.max())
                expected += shares[[first, second, third]].prod() * (0 in best) / best.size
    items = 200
    count = 100_000
    model = SampledModel(
        "one", 1e8, 1e9, np.full(items, float(count)), np.full(items, count / 2), np.full(items, np.nan),
        [shares * count] * items, [np.array([1.0, 0.0, 0.0])] * items,
    )  # fmt: skip
    (found,) = majority_curve(model, [3])
    assert found.measured == pytest.approx(expected, abs=0.015)
    assert found.forecast == pytest.approx(expected, abs=0.015)


def test_no_vote_is_taken_over_answers_that_stop_with_a_right_one():
    model = models_of()[-1]
    kept = SampledModel(
        model.run, 1e8, 1e9, model.samples, model.passes, model.until, [np.ones(1)] * 40, [np.ones(1)] * 40
    )
    with pytest.raises(InputError, match="stopped at right answers"):
        majority_curve(kept, [3])


@pytest.fixture(scope="module")
def sampled_store(tmp_path_factory):
    """A store of the drawn models."""
    path = tmp_path_factory.mktemp("sampled") / "store"
    store = Store(path)
    store.create()
    for number, model in enumerate(models_of(bend=-0.06)):
        place = {"family": "f", "run": model.run, "params": int(model.params), "step": 10, "tokens": 1000}
        place |= {"task": "drawn", "num_fewshot": 0}
        stamp = {"identity": f"{number:064x}", "protocol": "p", "checkpoint": f"c{number}"}
        scores = pd.DataFrame([{**place, "metric": "pass_rate", "value": model.rate, "n_items": 40, **stamp}])
        items = pd.DataFrame({**place, **stamp, "subtask": "drawn", "doc_id": np.arange(40), "correct": np.nan})
        items = items.assign(samples=model.samples, passes=model.passes, until_passes=pd.array(model.until, "Int64"))
        whole = {"samples": "Int64", "passes": "Int64"}
        store.write(scores, items.astype(whole).assign(log_likelihoods=None, byte_lengths=None, gold=pd.NA), stamp)
    rows = {"task": "drawn", "metric": "pass_rate", "chance": 0.0, "protocol": "p", "num_fewshot": 0, "n_items": 40}
    store.write_tasks(pd.DataFrame([{**rows, "settings": "s"}]))
    return path


def test_the_command_prints_rates_law_and_warning(sampled_store):
    run = CliRunner().invoke(
        app,
        ["passes", "drawn", "--results", str(sampled_store), "--params", "3e9", "--attempts", "1,100", "--json", "-"],
    )
    assert run.exit_code == 0, run.output
    found = json.loads(run.stdout)
    models, _ = sampled_models(read_results(sampled_store), "drawn")
    assert [row["pass_rate"] for row in found["models"]] == pytest.approx([model.rate for model in models])
    assert found["law"]["verdict"] == "accelerated"
    assert any("understates larger models" in note for note in found["notes"])
    assert [point["k"] for point in found["curves"]["pass@k"]] == [1, 100]
    assert any(note.startswith("maj@k is left out") for note in found["notes"])
    table = CliRunner().invoke(app, ["passes", "drawn", "--results", str(sampled_store)])
    assert "capped" in table.output
    assert "accelerated" in table.output


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--attempts", "0"], "lie between 1 and"),
        (["--attempts", "ten"], "--attempts"),
        (["--run", "x"], "--run says which model"),
        (["--attempts", "1", "--run", "x"], "unknown run 'x'"),
        (["--family", "g"], "unknown family 'g'"),
        (["--num-fewshot", "3"], "with 3 examples"),
    ],
)
def test_bad_requests_are_one_line(sampled_store, more, said):
    from predictor.errors import PredictorError

    run = CliRunner().invoke(app, ["passes", "drawn", "--results", str(sampled_store), *more])
    assert isinstance(run.exception, PredictorError)
    assert said in str(run.exception)
