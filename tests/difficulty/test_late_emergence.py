"""Items that emerge only beyond the ladder: intervals hold them, anchors pin them, tests see no largest run."""

import json

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from predictor.cli.app import app, main
from predictor.difficulty import analyse, fit_through_subset
from predictor.difficulty.clustering import Clustering
from predictor.difficulty.clusters import _test
from predictor.difficulty.items import LIKELIHOOD

LADDER = (2e7, 4e7, 8e7, 1.6e8, 3.2e8, 6.4e8, 1.28e9)
TARGET = 4e10


def planted(share, late, seed):
    """Difficulties of 400 items, of which a share is at chance all along the ladder and emerges beyond it."""
    generator = np.random.default_rng(100 + seed)
    count = int(400 * share)
    return np.concatenate([generator.normal(1.0, 1.5, 400 - count), generator.normal(late, 0.7, count)])


def test_the_interval_holds_a_late_emergence(draw_items):
    held = []
    for share, late, seed in (
        (0.25, 6.0, 0),
        (0.4, 6.0, 1),
        (0.5, 6.0, 2),
        (0.25, 7.0, 1),
        (0.4, 7.0, 2),
        (0.5, 7.0, 0),
    ):
        difficulty = planted(share, late, seed)
        scores = fit_through_subset(draw_items(difficulty, LADDER, noise=0.02, seed=seed), 150).predict(TARGET, 1e10)
        truth = float(draw_items(difficulty, (TARGET,)).measures["probability"].mean())
        low, high = np.quantile(scores[1:], [0.025, 0.975])
        held.append(low <= truth <= high)
        assert high - low < 0.5
    assert sum(held) >= 5


def test_clusters_are_tested_on_runs_that_they_were_not_found_on(draw_items):
    table = draw_items(planted(0.3, 6.0, 0), LADDER, noise=0.02)
    largest = table.flops == table.flops.max()
    seen = []

    def cluster_all(curves):
        seen.append(curves)
        return Clustering(np.zeros(curves.shape[0], dtype=np.intp), "one", 1.0, 1)

    moved = table.measures["probability"].copy()
    moved[largest] = np.random.default_rng(0).random(moved[largest].shape)
    for values in (table.measures["probability"], moved):
        found = _test(table, values, False, np.arange(table.run.size), cluster_all)
        assert found is not None
    assert seen[0].shape[1] == len(LADDER) - 1
    assert np.array_equal(seen[0], seen[1])


@pytest.fixture
def families(tmp_path):
    """A ladder and three much stronger models of another family, with the loss of every item."""
    difficulty = planted(0.4, 7.0, 1)
    rows, items = [], []
    for family, sizes in (("ladder", LADDER), ("others", (5e9, 2e10, 1e11))):
        for size in sizes:
            ability = np.log(size / 1e8) + (0.3 if family == "others" else 0.0)
            share = 0.02 + 0.98 / (1 + np.exp(-(ability - difficulty)))
            place = {"family": family, "run": f"{family}-{size:.0e}", "params": int(size), "tokens": 10**10}
            rows.append({**place, "task": "drawn", "metric": "acc", "value": float(share.mean()), "num_fewshot": 0})
            items.append({**place, "num_fewshot": 0, "values": (-np.log(share)).tolist()})
    (tmp_path / "items").mkdir()
    pd.DataFrame(rows).to_parquet(tmp_path / "evals.parquet")
    pd.DataFrame(items).to_parquet(tmp_path / "items" / "drawn.parquet")
    pd.DataFrame([{"task": "drawn", "metric": "acc", "chance": 0.0}]).to_parquet(tmp_path / "tasks.parquet")
    difficulty_of_target = np.log(TARGET / 1e8) - difficulty
    return tmp_path, float((0.02 + 0.98 / (1 + np.exp(-difficulty_of_target))).mean())


def ask(folder, *more):
    arguments = ["difficulty", "drawn", "--results", str(folder), "--family", "ladder", "--params", "4e10"]
    ran = CliRunner().invoke(app, [*arguments, "--tokens", "10B", "--json", "-", *more])
    assert ran.exit_code == 0, ran.output
    said = json.loads(ran.stdout)
    assert said["measure"] == LIKELIHOOD
    return said["forecast"]


def test_anchors_of_another_family_pin_the_forecast(families):
    folder, truth = families
    alone, pinned = ask(folder), ask(folder, "--anchors", str(folder))
    assert pinned["anchors"] == ["others-5e+09", "others-2e+10", "others-1e+11"]
    widths = [forecast["interval_95"][1] - forecast["interval_95"][0] for forecast in (alone, pinned)]
    assert widths[1] < 0.9 * widths[0]
    for forecast in (alone, pinned):
        assert forecast["interval_95"][0] <= truth <= forecast["interval_95"][1]


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--params", "1B"], "needs --params and --tokens"),
        (["--anchors", "x"], "--anchors pin a forecast"),
        (["--params", "1B", "--tokens", "1B", "--family", "ladder", "--anchors", "nowhere"], "nowhere"),
    ],
)
def test_bad_requests_are_one_line(families, capsys, more, said):
    with pytest.raises(SystemExit) as ended:
        main(["difficulty", "drawn", "--results", str(families[0]), *more])
    assert ended.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert said in line


def test_a_ladder_alone_has_no_anchors(families, capsys):
    folder, _ = families
    for name in ("evals.parquet", "items/drawn.parquet"):
        frame = pd.read_parquet(folder / name)
        frame[frame["family"] == "ladder"].to_parquet(folder / name)
    with pytest.raises(SystemExit):
        main(
            [
                "difficulty",
                "drawn",
                "--results",
                str(folder),
                "--params",
                "1B",
                "--tokens",
                "1B",
                "--anchors",
                str(folder),
            ]
        )
    assert "no model of another family" in capsys.readouterr().err


def test_the_verdict_is_that_of_the_clusters_without_the_largest_runs(draw_items):
    found = analyse(draw_items(planted(0.3, 6.0, 0), LADDER, noise=0.02))
    assert any(one.kept and one.error != 0 for one in found.clusters)
