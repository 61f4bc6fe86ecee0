"""How fast the pages of `predictor serve` answer with 1,000 checkpoints of 20 benchmarks.

    python benchmarks/speed/serve.py [--requests 30]

The scores are written into a store by the store's own means and served over HTTP on this machine. Printed are the
median and the slowest time of each page, the first of a forecast included: its page says that it is being made and
loads again. No other tool serves such pages: the goal is 200 ms.
"""

from __future__ import annotations

import tempfile
import threading
import time
from pathlib import Path

import click
import httpx
import numpy as np
import pandas as pd
import uvicorn
from rich.console import Console
from rich.table import Table

from predictor.results.store import Store
from predictor.serve import Source, make_app

RUNS, CHECKPOINTS, TASKS = 20, 50, 20
GOAL = 0.2


def fill(folder: Path) -> None:
    """Write the scores of 20 runs with 50 checkpoints each, rising with compute."""
    store = Store(folder)
    store.create()
    random = np.random.default_rng(0)
    for run in range(RUNS):
        params = 1e7 * 1.35**run
        rows = []
        for step in range(1, CHECKPOINTS + 1):
            tokens = 20 * params * step / CHECKPOINTS
            for task in range(TASKS):
                middle = 17.5 + 0.15 * task
                score = (
                    0.25 + 0.6 / (1 + 10 ** (middle - np.log10(6 * params * tokens))) + 0.004 * random.standard_normal()
                )
                rows.append((step, int(tokens), f"task_{task:02d}", float(np.clip(score, 0, 1))))
        frame = pd.DataFrame(rows, columns=["step", "tokens", "task", "value"])
        frame = frame.assign(
            family="ladder",
            run=f"run-{run:02d}",
            params=int(params),
            tokens_planned=int(20 * params),
            metric="acc",
            n_items=1000,
            num_fewshot=0,
            params_non_embedding=pd.NA,
            flops=np.nan,
            stderr=np.nan,
        )
        store.write_imported(frame, {"source": "drawn"})


@click.command()
@click.option("--requests", default=30, show_default=True, help="Of each page.")
def main(requests: int) -> None:
    table = Table(title=f"{RUNS * CHECKPOINTS} checkpoints x {TASKS} benchmarks", title_justify="left", box=None)
    for name in ("page", "median, ms", "slowest, ms", "size, kB", "within 200 ms"):
        table.add_column(name, justify="left" if name == "page" else "right")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        fill(folder)
        source = Source(folder)
        began = time.perf_counter()
        source.start()
        click.echo(f"read in {time.perf_counter() - began:.1f} s", err=True)
        server = uvicorn.Server(uvicorn.Config(make_app(source), port=0, log_level="warning"))
        threading.Thread(target=server.run, daemon=True).start()
        while not server.started:
            time.sleep(0.05)
        port = server.servers[0].sockets[0].getsockname()[1]
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60) as client:
            form = "/forecast?params=7B&tokens=140B"
            for page in (
                "/",
                "/runs/run-19",
                "/benchmarks",
                "/benchmarks/task_05",
                "/progress",
                "/progress.json",
                form,
                f"{form}&task=task_05",
            ):
                taken = []
                for _ in range(requests):
                    at = time.perf_counter()
                    answer = client.get(page).raise_for_status()
                    taken.append(time.perf_counter() - at)
                slowest = max(taken)
                table.add_row(
                    page,
                    f"{1000 * np.median(taken):.0f}",
                    f"{1000 * slowest:.0f}",
                    f"{len(answer.content) / 1000:.0f}",
                    "yes" if slowest < GOAL else "no",
                )
        server.should_exit = True
        source.close()
    Console(width=120).print(table)


if __name__ == "__main__":
    main()
