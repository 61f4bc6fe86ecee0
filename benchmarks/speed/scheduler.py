"""What the scheduler adds to each scored pair: the same pairs scored by lm-eval alone, and by `evaluate`.

    python benchmarks/speed/scheduler.py [--limit 8]

Both score the tiny ladder's smallest run with lm-eval's hf model in one process, tasks and packages loaded before the
clock starts. `alone` loads each model, runs each task and measures it, and keeps nothing; `evaluate` does the same, and
plans, leases, records, writes and checks. The goal is an overhead under 50 ms a pair. Processor time is shown beside
it, as it does not depend on what else a machine does.
"""

from __future__ import annotations

import json
import os
import tempfile
import time
from pathlib import Path

import click

from predictor.evaluation import evaluate
from predictor.evaluation.coordinator import Session
from predictor.evaluation.measures import measure
from predictor.evaluation.suites import benchmarks_folder
from predictor.project import Project, load_project

TASKS = ("tiny_facts", "tiny_past", "tiny_agreement", "tiny_heldout")
REPEATS = 3


def write_project(folder: Path, limit: int) -> Project:
    ladder = benchmarks_folder() / "ladder"
    project = {
        "suite": "tiny",
        "families": {"tiny": {"tokens_per_step": 2048, "checkpoints": f"{ladder}/{{run}}/step_{{step}}"}},
        "runs": {"4k": {"family": "tiny", "params": 4188}},
        "scoring": {"limit": limit, "device": "cpu", "dtype": "float32"},
        "settle_seconds": 0,
    }
    (folder / "checkpoints.yaml").write_text(json.dumps(project))
    return load_project(folder / "checkpoints.yaml")


def clocks() -> tuple[float, float]:
    return time.perf_counter(), time.process_time()


def since(began: tuple[float, float]) -> tuple[float, float]:
    now = clocks()
    return now[0] - began[0], now[1] - began[1]


@click.command()
@click.option("--limit", default=8, show_default=True, help="Items of each task: few, so that overhead shows.")
def main(limit: int) -> None:
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    with tempfile.TemporaryDirectory() as folder:
        project = write_project(Path(folder), limit)
        # Once unmeasured: packages are imported and tasks loaded.
        evaluate(project, store=Path(folder) / "warm", tasks=TASKS)
        alone, scheduled = [], []
        for number in range(REPEATS):
            with Session(project, Path(folder) / f"plan{number}") as session:
                session.choice = type(session.choice)(tasks=TASKS)
                plan, harness = session.plan(), session.harness()
                loaded = {pair.entry: harness.load_task(pair.entry) for unit in plan.units for pair in unit.pairs}
                began = clocks()
                for unit in plan.units:
                    model = harness.load_model(unit.checkpoint.path)
                    for pair in unit.pairs:
                        measure(harness.run(model, loaded[pair.entry]), loaded[pair.entry], model)
                alone.append(since(began))
                pairs = len(plan.missing)
                began = clocks()
                session.carry_out(session.plan())
                scheduled.append(since(began))
    click.echo(f"{pairs} pairs of {limit} items; best of {REPEATS}, ms a pair")
    click.echo(f"{'':<10}{'wall':>8}{'processor':>11}")
    rows = [[min(times[clock] for times in way) / pairs * 1000 for clock in (0, 1)] for way in (alone, scheduled)]
    rows.append([scheduled_ms - alone_ms for alone_ms, scheduled_ms in zip(*rows, strict=True)])
    for name, (wall, processor) in zip(("alone", "evaluate", "overhead"), rows, strict=True):
        click.echo(f"{name:<10}{wall:>8.1f}{processor:>11.1f}")
    click.echo("goal: overhead under 50")


if __name__ == "__main__":
    main()
