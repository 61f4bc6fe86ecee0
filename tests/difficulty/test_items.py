"""Items are joined to the scores of their own family and their own prompt."""

import numpy as np
import pandas as pd
import pytest

from predictor.difficulty import item_table
from predictor.errors import InputError, UnknownNameError
from predictor.forecasting import fit_forecaster
from predictor.results import read_results

SIZES = (1e8, 2e8, 4e8, 8e8, 1.6e9)
ITEMS, CHECKPOINTS = 80, 14


def draw(families=("fam",), shots=(0,), gain=None):
    """Draw a task's scores and items: with more examples in the prompt models score higher, and families differ."""
    generator = np.random.default_rng(0)
    hard = np.linspace(0.5, 3.0, ITEMS)
    scores, items = [], []
    for number, family in enumerate(families):
        for size in SIZES:
            for share in np.linspace(0.5, 1.0, CHECKPOINTS):
                tokens = 20 * size * share
                place = {"family": family, "run": f"{size:.0e}", "params": int(size), "tokens": int(tokens)}
                for count in shots:
                    ability = 0.5 * np.log10(size / 1e8) + 0.2 * share + 0.08 * count + 0.3 * number
                    nats = np.maximum(hard - ability + 0.02 * generator.standard_normal(ITEMS), 0.01)
                    score = float(np.exp(-nats).mean())
                    measured = {"task": "q", "metric": "acc", "value": score, "n_items": ITEMS}
                    scores.append({**place, "num_fewshot": count, **measured})
                    items.append({**place, "num_fewshot": count, "values": nats.tolist()})
    return pd.DataFrame(scores), pd.DataFrame(items)


def write(folder, scores, items):
    scores.to_parquet(folder / "evals.parquet")
    (folder / "items").mkdir()
    items.to_parquet(folder / "items" / "q.parquet")
    return read_results(folder)


def test_each_prompt_has_its_own_items_and_scores(tmp_path):
    results = write(tmp_path, *draw(shots=(0, 5)))
    tables = {count: item_table(results, "q", num_fewshot=count) for count in (0, 5)}
    for count, table in tables.items():
        # The score of every checkpoint is the mean of its items: joined to the other prompt's it would not be.
        assert table.num_fewshot == count
        assert table.score == pytest.approx(np.exp(-table.measures["nats"]).mean(axis=1))
    assert (tables[5].score > tables[0].score + 0.02).all()


def test_the_method_gives_each_prompt_its_own_forecast(tmp_path):
    results = write(tmp_path, *draw(shots=(0, 5)))
    answer = fit_forecaster(results, method="difficulty", resamples=5).predict(3.2e9, 6.4e10)
    median = {forecast.num_fewshot: forecast.median for forecast in answer.forecasts}
    largest = {forecast.num_fewshot: forecast.largest for forecast in answer.forecasts}
    assert median[5] > median[0] + 0.02
    assert median[0] == pytest.approx(largest[0], abs=0.1)
    assert median[5] == pytest.approx(largest[5], abs=0.1)


def test_families_whose_runs_share_names_keep_their_scores(tmp_path):
    results = write(tmp_path, *draw(families=("a", "b")))
    tables = {family: item_table(results, "q", family=family) for family in ("a", "b")}
    for table in tables.values():
        assert table.score == pytest.approx(np.exp(-table.measures["nats"]).mean(axis=1))
    assert (tables["b"].score > tables["a"].score + 0.02).all()


def test_an_unknown_family_is_named(tmp_path):
    results = write(tmp_path, *draw())
    with pytest.raises(UnknownNameError, match="unknown family 'nosuch'"):
        item_table(results, "q", family="nosuch")


def test_items_without_a_family_are_not_guessed_among_two(tmp_path):
    scores, items = draw(families=("a", "b"))
    results = write(tmp_path, scores, items.drop(columns="family"))
    with pytest.raises(InputError, match="do not say of which family run"):
        item_table(results, "q", family="a")


def test_items_without_a_prompt_are_not_joined_to_scores_of_several(tmp_path):
    scores, items = draw(shots=(0, 5))
    results = write(tmp_path, scores, items[items["num_fewshot"] == 0].drop(columns="num_fewshot"))
    with pytest.raises(InputError, match="do not state num_fewshot, and its scores have 0, 5"):
        item_table(results, "q")


def test_an_unfinished_run_gives_its_newest_checkpoint(tmp_path):
    scores, items = draw()
    scores["tokens_planned"] = (20 * scores["params"]).where(scores["run"] != "2e+09", 40 * scores["params"])
    table = item_table(write(tmp_path, scores, items), "q")
    finished = table.final[table.run == "1e+08"]
    unfinished = table.final[table.run == "2e+09"]
    assert finished.sum() == 1
    assert unfinished.tolist() == [False] * (CHECKPOINTS - 1) + [True]
