"""How long a pass and a status take on a big ladder: 1,000 checkpoints x 20 tasks, all but a few of them done.

    python benchmarks/speed/ledger.py [--checkpoints 1000] [--tasks 20] [--ledger URL]

The checkpoints are whole (a config, a tokenizer, a small safetensors file); their scores are fabricated, as nothing
here depends on them. Planning and status are what `predictor evaluate` and `predictor status` do before anything is
scored or printed, in this process; the command is `predictor status` from its start to its end, with all that it
imports. The goals are 2 s and 1 s of wall time. Processor time is shown beside it, as it does not depend on what else
a machine does.
"""

from __future__ import annotations

import json
import resource
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import click
import pandas as pd
import yaml

from predictor.checkpoints import digest_of, find_checkpoints, fingerprint_of, ledger_name
from predictor.evaluation import status
from predictor.evaluation.coordinator import Session
from predictor.evaluation.identity import identity_of, named_versions, settings_of, versions
from predictor.evaluation.plan import run_rows
from predictor.evaluation.suites import benchmarks_folder, chosen_tasks, load_suite
from predictor.project import Project, load_project
from predictor.results.ledger import Ledger, PairKey
from predictor.results.store import Store

LEFT = 3
RUNS = 10


def write_checkpoint(folder: Path, number: int) -> None:
    folder.mkdir(parents=True)
    names = [f"layer.{index}" for index in range(20)]
    offsets = {name: [4 * index, 4 * index + 4] for index, name in enumerate(names)}
    header = json.dumps({name: {"dtype": "F32", "shape": [1], "data_offsets": offsets[name]} for name in names})
    weights = struct.pack("<Q", len(header)) + header.encode() + struct.pack("<20f", *[number] * 20)
    (folder / "model.safetensors").write_bytes(weights)
    (folder / "config.json").write_text('{"model_type": "llama"}')
    (folder / "tokenizer.json").write_text("{}")


def write_project(folder: Path, checkpoints: int, tasks: int, ledger: str | None) -> Project:
    for number in range(checkpoints):
        write_checkpoint(folder / "ck" / f"r{number % RUNS}" / f"step_{number // RUNS + 1}", number)
    data = benchmarks_folder() / "tasks" / "tiny" / "tiny_facts.jsonl"
    names = [f"task{number:02d}" for number in range(tasks)]
    entries = [{"task": name, "metric": "acc", "chance": 0.25, "data": {"test": str(data)}} for name in names]
    (folder / "suite.yaml").write_text(yaml.safe_dump({"tasks": entries}))
    project = {
        "suite": "suite.yaml",
        "settle_seconds": 0,
        "families": {"f": {"tokens_per_step": 1000, "checkpoints": "ck/{run}/step_{step}"}},
        "runs": {f"r{number}": {"family": "f", "params": 10**6 * (number + 1)} for number in range(RUNS)},
        **({"ledger": ledger} if ledger else {}),
    }
    (folder / "checkpoints.yaml").write_text(yaml.safe_dump(project))
    return load_project(folder / "checkpoints.yaml")


def fabricate(project: Project) -> int:
    """Write scores for all pairs but a few, as if they had been scored, and what the ledger would know of them."""
    store = Store(project.store_path)
    store.create()
    entries = chosen_tasks(load_suite(project.suite, project.root))
    protocols = {entry.name: f"{number:064x}" for number, entry in enumerate(entries)}
    rows = [
        {"task": entry.name, "num_fewshot": 0, "n_items": 100, "metric": entry.metric, "chance": entry.chance}
        | {"protocol": protocols[entry.name], "settings": settings_of(entry, project.scoring)}
        | {"lm_eval": versions()["lm_eval"], "loaded_with": named_versions()}
        for entry in entries
    ]
    store.write_tasks(pd.DataFrame(rows))
    store.write_runs(run_rows(project))
    template: bytes | None = None
    pairs: list[PairKey] = []
    with Ledger(project.ledger_path or project.store_path / "ledger.sqlite") as ledger:
        for checkpoint in find_checkpoints(project):
            digest = digest_of(checkpoint.path)
            ledger.keep_digest(ledger_name(checkpoint.path), fingerprint_of(checkpoint.path), digest)
            for entry in entries:
                identity = identity_of(protocols[entry.name], digest)
                pairs.append(PairKey(identity, checkpoint.run, checkpoint.step, entry.name))
        for pair in pairs[LEFT:]:
            path = store.pair_path("scores", pair.run, pair.step, pair.task, pair.identity)
            if template is None:
                frame = pd.DataFrame([{"run": pair.run, "step": pair.step, "task": pair.task, "metric": "acc"}])
                template = store.write(frame.assign(identity=pair.identity), None, {}).read_bytes()
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(template)
        ledger.found(pairs[LEFT:])
    return len(pairs)


def clocks() -> tuple[float, float]:
    return time.perf_counter(), time.process_time()


def since(began: tuple[float, float]) -> tuple[float, float]:
    now = clocks()
    return now[0] - began[0], now[1] - began[1]


def of_command(words: list[str]) -> tuple[float, float]:
    """Wall and processor seconds of a command of `predictor`, from its start to its end."""
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run([sys.executable, "-m", "predictor", *words], check=True, stdout=subprocess.DEVNULL)
    wall, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


@click.command()
@click.option("--checkpoints", default=1000, show_default=True)
@click.option("--tasks", default=20, show_default=True)
@click.option("--ledger", help="URL of a PostgreSQL database instead of the SQLite file; it should be empty.")
@click.option("--repeats", default=3, show_default=True)
def main(checkpoints: int, tasks: int, ledger: str | None, repeats: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        project = write_project(Path(folder), checkpoints, tasks, ledger)
        total = fabricate(project)
        planning: list[tuple[float, float]] = []
        reading: list[tuple[float, float]] = []
        command: list[tuple[float, float]] = []
        for _ in range(repeats):
            with Session(project) as session:
                began = clocks()
                plan = session.plan()
                planning.append(since(began))
            assert (len(plan.missing), len(plan.done)) == (LEFT, total - LEFT)
            began = clocks()
            found = status(project)
            reading.append(since(began))
            assert found.counts() == {"done": total - LEFT, "running": 0, "waiting": LEFT, "failed": 0}
            command.append(of_command(["status", "--config", f"{folder}/checkpoints.yaml"]))
    kind = "PostgreSQL" if ledger else "SQLite"
    click.echo(f"{checkpoints} checkpoints x {tasks} tasks, ledger in {kind}; best and worst of {repeats}")
    click.echo(f"{'':<18}{'best':>8}{'worst':>8}{'processor':>11}{'goal':>8}")
    for name, times, goal in (
        ("planning a pass", planning, 2.0),
        ("status", reading, 1.0),
        ("predictor status", command, 1.0),
    ):
        wall, processor = zip(*times, strict=True)
        click.echo(f"{name:<18}{min(wall):>6.2f} s{max(wall):>6.2f} s{min(processor):>9.2f} s{goal:>6.1f} s")


if __name__ == "__main__":
    main()
