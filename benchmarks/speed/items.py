"""What a million scored items cost: `predictor difficulty`, `predictor subset`, and merging 80,000 score files.

    python benchmarks/speed/items.py [--checkpoints 100] [--items 10000] [--files 80000]

A store is written as `predictor evaluate` leaves it, in which a multiple-choice task of 10,000 items was scored at 100
checkpoints of ten runs: a million rows with the log-likelihoods of four choices. Each command runs in a process of its
own, from its start to its end; its memory is the most that was resident. Merging is `predictor store compact` over
files of three scores each, with the disk's cache warm. Processor time is shown beside the wall time, as it does
not depend on what else a machine does.
No other tool has such commands. The goals: 10 s and 600 MiB for the items, 30 s for merging.
"""

from __future__ import annotations

import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import click
import numpy as np
import pandas as pd
from rich.console import Console
from rich.table import Table

from predictor.results.schema import COLUMNS, MODEL_COLUMNS
from predictor.results.store import Store

RUNS, CHOICES = 10, 4
PROTOCOL = "p" * 64


def describe(store: Store, items: int) -> None:
    """Write what the store says of its runs and its task."""
    store.create()
    runs = [{"run": f"r{run}", "family": "f", "role": "ladder", "params": params_of(run)} for run in range(RUNS)]
    columns = ("params_non_embedding", "tokens_per_step", "tokens_planned")
    store.write_runs(pd.DataFrame(runs).assign(**dict.fromkeys(columns, pd.NA)).astype(dict.fromkeys(columns, "Int64")))
    task = {"task": "choices", "num_fewshot": 0, "metric": "acc", "chance": 1 / CHOICES, "n_items": items}
    store.write_tasks(pd.DataFrame([{**task, "protocol": PROTOCOL, "settings": "", "lm_eval": "", "loaded_with": ""}]))


def params_of(run: int) -> int:
    return int(1e7 * 2.0**run)


def place_of(run: int, step: int, steps: int) -> dict[str, object]:
    tokens = 20 * params_of(run) * step // steps
    return {"family": "f", "run": f"r{run}", "params": params_of(run), "step": step, "tokens": tokens}


def write_items(store: Store, checkpoints: int, items: int) -> None:
    """Write a task's scores and items, of logistic curves over compute with noise."""
    draws = np.random.default_rng(0)
    hard, gold = draws.normal(0, 2, items), draws.integers(0, CHOICES, items)
    text = [f"{number:064x}" for number in range(items)]
    bytes_of = [[12, 9, 15, 11]] * items
    steps = checkpoints // RUNS
    for run in range(RUNS):
        for step in range(1, steps + 1):
            place = {**place_of(run, step, steps), "tokens_planned": 20 * params_of(run), "task": "choices"}
            ability = np.log10(float(params_of(run)) * float(str(place["tokens"]))) - 16
            likelihoods = draws.normal(-12, 1, (items, CHOICES))
            likelihoods[np.arange(items), gold] += ability - hard
            correct = (likelihoods.argmax(axis=1) == gold).astype(float)
            stamp = {"identity": f"{run:032x}{step:032x}", "protocol": PROTOCOL, "checkpoint": f"{run:064x}"}
            scores = pd.DataFrame(
                [
                    {
                        **place,
                        "num_fewshot": 0,
                        "metric": "acc",
                        "value": correct.mean(),
                        "stderr": 0.004,
                        "n_items": items,
                    }
                ]
            )
            frame = pd.DataFrame(
                {
                    "doc_id": np.arange(items),
                    "doc_hash": text,
                    "subtask": "choices",
                    "log_likelihoods": list(likelihoods),
                    "byte_lengths": bytes_of,
                    "token_lengths": bytes_of,
                    "gold": pd.array(gold, dtype="Int64"),
                    "correct": correct,
                    "samples": pd.array([pd.NA] * items, dtype="Int64"),
                    "passes": pd.array([pd.NA] * items, dtype="Int64"),
                }
            )
            store.write(scores.assign(**stamp), frame.assign(**place, num_fewshot=0, **stamp), {})


def write_scores(store: Store, files: int) -> None:
    """Write files of three scores each."""
    template: bytes | None = None
    for number in range(files):
        run, step, task = number % RUNS, number // RUNS // 40 + 1, f"task{number // RUNS % 40:02d}"
        identity = f"{number:016x}{0:048x}"
        path = store.pair_path("scores", f"r{run}", step, task, identity)
        if template is None or number < RUNS:
            place = {**place_of(run, step, 200), "task": task, "num_fewshot": 0, "stderr": 0.01, "n_items": 100}
            rows = [{**place, "metric": name, "value": 0.5} for name in ("acc", "bpb", "nll_answer")]
            stamp = {"identity": identity, "protocol": PROTOCOL, "checkpoint": f"{run:064x}"}
            frame = pd.DataFrame(rows).reindex(columns=[*COLUMNS, *MODEL_COLUMNS]).assign(**stamp)
            kinds = {name: kind for name, kind in {**COLUMNS, **MODEL_COLUMNS}.items() if kind != "str"}
            template = store.write(frame.astype(kinds), None, {"task": task}).read_bytes()
        path.parent.mkdir(parents=True, exist_ok=True)
        # Their content does not change what merging costs.
        path.write_bytes(template)


def run(*words: str) -> tuple[float, float, float]:
    """Wall seconds, processor seconds and MiB of a command of `predictor`."""
    code = "import sys; from predictor.cli.app import main; main()"
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    watched = (
        "import os, resource, subprocess, sys\n"
        "done = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL)\n"
        "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)\n"
        "sys.exit(done.returncode)"
    )
    done = subprocess.run(
        [sys.executable, "-c", watched, sys.executable, "-c", code, *words],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    wall, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    processor = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return wall, processor, int(done.stdout) / 1024


@click.command()
@click.option("--checkpoints", default=100, show_default=True, help="At which the items were scored; a multiple of 10.")
@click.option("--items", default=10_000, show_default=True, help="Items of the task.")
@click.option("--files", default=80_000, show_default=True, help="Score files that are merged; 0 leaves that out.")
def main(checkpoints: int, items: int, files: int) -> None:
    table = Table(title=f"{checkpoints * items:,} scored items, {files:,} score files", title_justify="left", box=None)
    for name in ("command", "wall", "processor", "memory", "goal"):
        table.add_column(name, justify="left" if name == "command" else "right")
    with tempfile.TemporaryDirectory() as folder:
        store = Store(Path(folder) / "items")
        describe(store, items)
        write_items(store, checkpoints, items)
        commands = {
            "difficulty": ("difficulty", "choices", "--results", str(store.path)),
            "subset": (
                "subset",
                "choices",
                "--size",
                "100",
                "--results",
                str(store.path),
                "--out",
                f"{folder}/list.txt",
            ),
        }
        for name, words in commands.items():
            wall, processor, memory = run(*words)
            table.add_row(name, f"{wall:.1f} s", f"{processor:.1f} s", f"{memory:.0f} MiB", "10 s, 600 MiB")
        if files:
            loose = Store(Path(folder) / "scores")
            describe(loose, items)
            write_scores(loose, files)
            wall, processor, memory = run("store", "compact", "--store", str(loose.path))
            table.add_row("store compact", f"{wall:.1f} s", f"{processor:.1f} s", f"{memory:.0f} MiB", "30 s")
    Console(width=100).print(table)


if __name__ == "__main__":
    main()
