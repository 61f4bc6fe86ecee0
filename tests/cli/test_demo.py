import json
from pathlib import Path

import pytest

from predictor.forecasting.register import read_entries

ROOT = Path(__file__).parent.parent.parent

# The demo's own way, over fewer runs, tasks and items than the shipped one, which CI runs whole.
SUITE = """
name: short
include_path: {root}/benchmarks/tasks/tiny
num_fewshot: 0
tasks:
  - {{task: tiny_brackets, metric: acc, chance: 0.25}}
  - {{task: tiny_sort, kind: generation, metric: exact_match, chance: 0.0}}
  - {{task: tiny_heldout, kind: loss}}
"""
PROJECT = """
suite: {folder}/short.yaml
families:
  tiny: {{tokens_per_step: 2048, schedule_end: 4882, checkpoints: "{root}/benchmarks/ladder/{{run}}/step_{{step}}"}}
runs:
  4k: {{family: tiny, params: 4188}}
  9k: {{family: tiny, params: 8874}}
  15k: {{family: tiny, params: 15288}}
  33k: {{family: tiny, params: 33300}}
  66k: {{family: tiny, params: 66150, role: target}}
target: {{family: tiny, params: 66150, tokens: 9998336, run: 66k}}
executor: {{kind: local, workers: 1}}
scoring: {{batch_size: 32, device: cpu, dtype: float32, limit: 24}}
settle_seconds: 0
"""


@pytest.mark.slow
def test_the_demo_forecasts_before_it_scores_the_target_and_scores_nothing_twice(predictor, tmp_path):
    for name, text in (("short.yaml", SUITE), ("checkpoints.yaml", PROJECT)):
        (tmp_path / name).write_text(text.format(root=ROOT, folder=tmp_path))
    first = predictor("demo", "--config", "checkpoints.yaml", "--json", "-")
    answer = json.loads(first.stdout)
    assert {one["task"] for one in answer["forecasts"]} == {"tiny_brackets", "tiny_sort"}
    assert set(answer["truth"]) >= {"tiny_brackets", "tiny_sort"}
    assert answer["record"]["runs"] == ["15k", "33k", "4k", "9k"]
    page = (tmp_path / "demo" / "report.html").read_text(encoding="utf-8")
    assert 'id="laws"' in page
    assert 'id="coverage"' in page
    # The lines on stderr stand in the order of the work.
    order = [
        first.stderr.index(text) for text in ("1. score the ladder", "2. forecast", "3. score the target", "66k step")
    ]
    assert order == sorted(order)

    entries = read_entries(tmp_path / "demo" / "store")
    ((entry,), (resolution,)) = entries.registrations, entries.resolutions
    assert entry.late == ()
    assert (resolution.run, resolution.registration) == ("66k", entry.number)
    found = {outcome.series.task: outcome for outcome in resolution.outcomes}
    assert {task: found[task].truth for task in found} == {task: answer["truth"][task] for task in found}
    assert not any(outcome.late for outcome in resolution.outcomes)
    assert first.stderr.index("registered as demo (#1)") < first.stderr.index("3. score the target")

    scores = {path: path.stat().st_mtime_ns for path in (tmp_path / "demo" / "store" / "scores").rglob("*.parquet")}
    again = predictor("demo", "--config", "checkpoints.yaml")
    assert {path: path.stat().st_mtime_ns for path in scores} == scores
    assert "tiny_sort" in again.stdout
    assert "mean error" in again.stdout
    assert len(read_entries(tmp_path / "demo" / "store").registrations) == 1


def test_a_project_without_a_target_is_refused(refused, tmp_path):
    text = PROJECT.format(root=ROOT, folder=tmp_path)
    (tmp_path / "short.yaml").write_text(SUITE.format(root=ROOT))
    (tmp_path / "checkpoints.yaml").write_text("\n".join(x for x in text.splitlines() if not x.startswith("target:")))
    assert "needs a target with a run" in refused("demo", "--config", "checkpoints.yaml")
