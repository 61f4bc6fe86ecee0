"""How many scores are lost, made twice, or wrong while everything that can go wrong does.

    python benchmarks/reliability/soak.py [--minutes 30] [--seed 0]

While a ladder trains, four coordinators score its checkpoints with real Ray, Slurm and PostgreSQL on this machine, two
of them into one store. Faults are drawn at random until the time is over: workers killed or stopped (SIGSTOP),
coordinators killed, the database restarted, weights replaced by others of the same size and time, a full and a
read-only disk (as root), and jobs held by Slurm. Then everything is left alone until all is scored, and every store is
compared with an undisturbed run over the same checkpoints, bit by bit. Exits with 1 unless nothing is lost, duplicated
or wrong.
It needs slurm-wlm, munge and postgresql, and the extras ray, slurm and postgres.
"""

from __future__ import annotations

import random
import sys
import tempfile
import time
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

sys.path.insert(0, str(Path(__file__).parents[2]))
from tests.evaluation.soak import FAULTS, Stage, missing

# Faults come about this often; a worker that is stopped is noticed after the lease of 15 s.
_PAUSE = 4.0


@click.command()
@click.option("--minutes", default=30.0, show_default=True, help="For which faults come.")
@click.option("--seed", default=0, show_default=True, help="Of what happens to whom.")
def main(minutes: float, seed: int) -> None:
    if absent := missing():
        raise click.ClickException(f"not installed: {', '.join(absent)}")
    draw = random.Random(seed)
    with tempfile.TemporaryDirectory(prefix="soak-") as folder, Stage(Path(folder), draw) as stage:
        until, completed = time.monotonic() + 60 * minutes, False
        try:
            while time.monotonic() < until:
                # Each kind as often as the others, however many it can happen to.
                fault = draw.choice(sorted({fault for fault, _ in stage.faults()}))
                stage.inject(*draw.choice([turn for turn in stage.faults() if turn[0] == fault]))
                if not completed and time.monotonic() > until - 30 * minutes:
                    stage.complete()
                    completed = True
                if draw.random() < 0.1:
                    stage.add_checkpoint()
                time.sleep(draw.uniform(0.0, 2 * _PAUSE))
            if not completed:
                stage.complete()
            stage.wait_until_done(seconds=3600.0)
        except BaseException:
            stage.tell()
            raise
        verdict = stage.verdict()
    table = Table("store of", "pairs", "lost", "duplicated", "wrong", box=None)
    for name, found in verdict.items():
        table.add_row(name, *(str(found[column]) for column in ("pairs", "lost", "duplicated", "wrong")))
    console = Console(width=120)
    faults = ", ".join(f"{stage.injected[fault]} x {fault}" for fault in FAULTS if stage.injected[fault])
    console.print(f"{minutes:g} minutes, seed {seed}: {stage.injected.total()} faults injected: {faults}")
    console.print(f"coordinators that ended with one line, as on a full disk, and were started again: {stage.restarts}")
    console.print(table)
    sys.exit(any(found[name] for found in verdict.values() for name in ("lost", "duplicated", "wrong")))


if __name__ == "__main__":
    main()
