"""How fast laws are fitted, beside scipy and the chinchilla package, in one run.

    python benchmarks/speed/fitting.py [--chinchilla-python PYTHON] [--sample 60]

First table: the chinchilla law with 1,000 bootstrap resamples of 240 runs. scipy's L-BFGS-B is given analytic gradients
and the usual 4,500 starts of Hoffmann et al. 2022 for every resample; some starts are timed and scaled to all. The
`chinchilla` package (kyo-takano, BFGS over a grid of starts) is timed likewise where PYTHON has it; it is no
dependency: `python -m venv other && other/bin/pip install chinchilla`, then `--chinchilla-python other/bin/python`.

Second table: 60 tasks, 1,000 resamples of each, three methods: score from compute; score through the task's loss; score
through one held-out loss. The goal is 60 seconds on two cores; where others use the machine too, the processor's
seconds tell more than the clock's.
"""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import time
from collections.abc import Callable

import click
import numpy as np
from rich.console import Console
from rich.table import Table
from scipy.optimize import minimize

from predictor.fitting import LawBatch, Prior, fit_law, fit_law_batch, make_draws, resample_fit
from predictor.laws import get_law

RESAMPLES = 1000
TASKS = 60
DELTA = 1e-3
# Hoffmann et al. 2022, appendix D.3: starts of alpha, beta, e = ln E, a = ln A, b = ln B.
GRID = list(
    itertools.product(
        (0.0, 0.5, 1.0, 1.5, 2.0),
        (0.0, 0.5, 1.0, 1.5, 2.0),
        (-1.0, -0.5, 0.0, 0.5, 1.0),
        (0.0, 5.0, 10.0, 15.0, 20.0, 25.0),
        (0.0, 5.0, 10.0, 15.0, 20.0, 25.0),
    )
)

PACKAGE = """
import json, sys, time
import numpy as np, pandas as pd
from chinchilla import Chinchilla
from chinchilla._metrics import log_huber
import tempfile
given = json.load(sys.stdin)
rows = pd.DataFrame({"C": given["flops"], "N": given["params"], "D": given["tokens"], "loss": given["loss"]})
grid = {"e": [0.0, 0.5], "a": [5.0, 10.0], "b": [5.0, 10.0], "alpha": [0.25, 0.5], "beta": [0.25, 0.5]}
grid = {{"e": "E", "a": "A", "b": "B"}.get(k, k): np.exp(v) if k in "eab" else np.array(v) for k, v in grid.items()}
package = Chinchilla(tempfile.mkdtemp(), param_grid=grid, loss_fn=lambda t, p: log_huber(t, p, 1e-3), log_level=50)
package.database.df = rows
began = time.perf_counter()
package.fit()
seconds = time.perf_counter() - began
print(json.dumps({"seconds": seconds, "starts": 32, "fit": {k: float(v) for k, v in package.params.items()}}))
"""


def ladder(seed: int = 0) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Draw 240 runs from Besiroglu's law, sizes and tokens spread as in Hoffmann's design, noise of 0.4 %."""
    generator = np.random.default_rng(seed)
    params = np.exp(generator.uniform(np.log(4.4e7), np.log(1.6e10), 240))
    tokens = params * np.exp(generator.uniform(np.log(1), np.log(200), 240))
    law = get_law("chinchilla")
    loss = law.evaluate(law.published_values("besiroglu"), {"params": params, "tokens": tokens})
    return {"params": params, "tokens": tokens}, loss * np.exp(0.004 * generator.standard_normal(240))


def seconds(work: Callable[[], object]) -> tuple[float, float]:
    """Give the seconds of the clock, and those of the processor over all threads."""
    began, busy = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - began, time.process_time() - busy


def time_scipy(inputs: dict[str, np.ndarray], loss: np.ndarray, sample: int) -> tuple[float, dict[str, float]]:
    """Time L-BFGS-B from some of the grid's starts; gives seconds per start and the best of them."""
    log_n, log_d, seen = np.log(inputs["params"]), np.log(inputs["tokens"]), np.log(loss)

    def objective(theta: np.ndarray) -> tuple[float, np.ndarray]:
        alpha, beta, e, a, b = theta
        terms = np.stack([np.full(seen.size, e), a - alpha * log_n, b - beta * log_d])
        top = terms.max(axis=0)
        shares = np.exp(terms - top)
        total = shares.sum(axis=0)
        residual = np.log(total) + top - seen
        slope = np.clip(residual, -DELTA, DELTA)
        size = np.abs(residual)
        value = np.where(size <= DELTA, 0.5 * residual**2, DELTA * (size - 0.5 * DELTA)).sum()
        weight = slope * shares / total
        gradient = [-(weight[1] @ log_n), -(weight[2] @ log_d), weight[0].sum(), weight[1].sum(), weight[2].sum()]
        return float(value), np.array(gradient)

    chosen = np.random.default_rng(0).choice(len(GRID), sample, replace=False)
    found = []

    def work() -> None:
        found.extend(minimize(objective, GRID[i], jac=True, method="L-BFGS-B") for i in chosen)

    spent, _ = seconds(work)
    best = min(found, key=lambda one: one.fun).x
    return spent / sample, {
        "alpha": best[0],
        "beta": best[1],
        "E": np.exp(best[2]),
        "A": np.exp(best[3]),
        "B": np.exp(best[4]),
    }


def time_package(python: str, inputs: dict[str, np.ndarray], loss: np.ndarray) -> dict | str:
    """Time one fit of the chinchilla package from 32 starts, or say why it cannot be."""
    given = {name: value.tolist() for name, value in inputs.items()} | {"loss": loss.tolist()}
    given["flops"] = (6 * inputs["params"] * inputs["tokens"]).tolist()
    done = subprocess.run([python, "-c", PACKAGE], input=json.dumps(given), capture_output=True, text=True)
    if done.returncode:
        return (done.stderr.strip().splitlines() or ["no output"])[-1]
    return json.loads(done.stdout.strip().splitlines()[-1])


def three_methods() -> dict[str, tuple[float, float]]:
    """Fit three ways from 30 runs to 60 scores, with 1,000 resamples; gives the seconds of each."""
    generator = np.random.default_rng(0)
    params = np.repeat(np.geomspace(1e8, 3e9, 6), 5)
    tokens = params * np.tile([20.0, 40.0, 100.0, 200.0, 400.0], 6)
    count, run = params.size, np.arange(params.size)
    names = [f"task-{i}" for i in range(TASKS)]
    shape = (TASKS, count)
    truth = np.stack(
        [1.6 + 0.3 * generator.random(TASKS), *np.tile([[400.0], [0.34], [2000.0], [0.36]], TASKS)], axis=1
    )
    law, link, direct = (get_law(name) for name in ("chinchilla", "accuracy_from_loss", "direct_log_accuracy"))
    loss = law.predict({"params": params, "tokens": tokens}, truth) * np.exp(0.004 * generator.standard_normal(shape))
    middle, steepness = np.median(loss, axis=1, keepdims=True), generator.uniform(2, 6, (TASKS, 1))
    score = 0.25 + 0.7 / (1 + np.exp(steepness * (loss - middle))) + 0.008 * generator.standard_normal(shape)

    def fit_losses(rows: slice) -> LawBatch:
        n, d = params / np.exp(np.log(params).mean()), tokens / np.exp(np.log(tokens).mean())
        seen = loss[rows]
        number = seen.shape[0]
        centre = np.tile([np.log(1.2), np.log(0.4), np.log(0.3), np.log(0.4), np.log(0.3)], (number, 1))
        prior = Prior(
            centre,
            np.tile([0.5, 1.0, 0.4, 1.0, 0.4], (number, 1)),
            np.tile([-7.0, -9.0, -4.0, -9.0, -4.0], (number, 1)),
            np.tile([0.8, 3.0, 0.7, 3.0, 0.7], (number, 1)),
        )
        reads = {"params": np.broadcast_to(n, seen.shape), "tokens": np.broadcast_to(d, seen.shape)}
        starts = centre[:, None, :] + np.array([[-0.5, 0, 0, 0, 0], [0.2, 0, 0.3, 0, 0.3]])
        draws = make_draws(run, names[:number], RESAMPLES, 0, "loss")
        return fit_law_batch(law, reads, seen, np.full(seen.shape, 0.003), starts, prior, draws)

    def fit_links(read: np.ndarray) -> LawBatch:
        scaled = (read - read.mean(axis=1, keepdims=True)) / read.std(axis=1, keepdims=True)
        prior = Prior(
            np.tile([0.25, 0.7, 0.0, -1.0], (TASKS, 1)),
            np.tile([0.02, 0.12, 0.6, 2.0], (TASKS, 1)),
            np.tile([0.15, 0.02, np.log(0.05), -15.0], (TASKS, 1)),
            np.tile([0.35, 0.75, np.log(20.0), 8.0], (TASKS, 1)),
        )
        starts = np.array([[0.25, 0.7, np.log(k), m] for k in (0.7, 2.0) for m in (0.3, -1.5)])
        draws = make_draws(run, names, RESAMPLES, 0, "link")
        return fit_law_batch(
            link, {"loss": scaled}, score, np.full(shape, 0.01), np.tile(starts, (TASKS, 1, 1)), prior, draws
        )

    def fit_direct() -> LawBatch:
        flops = params * tokens / np.exp(np.log(params * tokens).mean())
        ends = direct.inside(np.array([[p.lower for p in direct.parameters], [p.upper for p in direct.parameters]]))
        prior = Prior(*(np.tile(row, (TASKS, 1)) for row in ([0.0, np.log(0.15)], [1.5, 0.6], *ends)))
        starts = np.array([[np.log(a), np.log(alpha)] for a in (0.3, 2.0) for alpha in (0.06, 0.3)])
        reads = {"flops": np.broadcast_to(flops, shape), "chance": np.full(shape, 0.25)}
        draws = make_draws(run, names, RESAMPLES, 0, "direct")
        return fit_law_batch(direct, reads, score, np.full(shape, 0.01), np.tile(starts, (TASKS, 1, 1)), prior, draws)

    def through_task_loss() -> None:
        fit_losses(slice(None))
        fit_links(loss)

    def through_heldout_loss() -> None:
        fit_losses(slice(0, 1))
        fit_links(np.broadcast_to(loss[:1], shape))

    return {
        "score from compute": seconds(fit_direct),
        "through the task's loss": seconds(through_task_loss),
        "through a held-out loss": seconds(through_heldout_loss),
    }


@click.command()
@click.option("--chinchilla-python", default="python", help="An interpreter that has the chinchilla package.")
@click.option("--sample", default=60, show_default=True, help="Starts of L-BFGS-B to time.")
def main(chinchilla_python: str, sample: int) -> None:
    console = Console(width=150)
    console.print(f"{len(os.sched_getaffinity(0))} cores, load {os.getloadavg()[0]:.1f}")
    inputs, loss = ladder()
    law = get_law("chinchilla")
    fitted = {}

    def ours() -> None:
        fitted["ours"] = fit_law(law, inputs, loss, DELTA / 1.345)
        resample_fit(fitted["ours"], RESAMPLES, by="pairs")

    fit_law(law, inputs, loss, DELTA / 1.345)  # imports what is imported on first use
    spent, _ = seconds(ours)
    table = Table(title=f"chinchilla law, 240 runs, {RESAMPLES:,} resamples", title_justify="left", box=None)
    for name in ("who", "timed", "seconds in all", "times ours", "alpha", "beta", "E"):
        table.add_column(name, no_wrap=True, justify="left" if name in ("who", "timed") else "right")

    def row(who: str, timed: str, total: float, found: dict[str, float]) -> None:
        shown = [f"{found[name]:.4f}" for name in ("alpha", "beta", "E")]
        table.add_row(who, timed, f"{total:,.1f}", f"{total / spent:,.0f}", *shown)

    row("predictor", "all", spent, fitted["ours"].parameters)
    each, best = time_scipy(inputs, loss, sample)
    row("scipy L-BFGS-B, 4,500 starts", f"{sample} starts, scaled", each * len(GRID) * RESAMPLES, best)
    row("scipy L-BFGS-B, 1 start", f"{sample} starts, scaled", each * RESAMPLES, best)
    package = time_package(chinchilla_python, inputs, loss)
    if isinstance(package, str):
        table.add_row("chinchilla package", "not timed: " + package[:60], "-", "-", "-", "-", "-")
    else:
        # Its Pool uses every core, as ours does.
        total = package["seconds"] / package["starts"] * len(GRID) * RESAMPLES
        row("chinchilla package, 4,500 starts", "32 starts, scaled", total, package["fit"])
        row("chinchilla package, 32 starts", "1 fit, scaled", package["seconds"] * RESAMPLES, package["fit"])
    console.print(table)
    table = Table(title=f"{TASKS} tasks x {RESAMPLES:,} resamples", title_justify="left", box=None)
    table.add_column("method")
    for name in ("seconds", "processor seconds"):
        table.add_column(name, justify="right")
    times = three_methods()
    total = tuple(map(sum, zip(*times.values(), strict=True)))
    for name, (clock, busy) in {**times, "all three (goal: 60 s on 2 cores)": total}.items():
        table.add_row(name, f"{clock:.1f}", f"{busy:.1f}")
    console.print(table)


if __name__ == "__main__":
    main()
