"""Forecasts from bins of items beside the whole task, over models of many families.

    python benchmarks/accuracy/difficulty_bins.py [--testbeds ../shared/testbeds]

Of the models of `exp_emergence` the third (quarter, half) of the largest compute is held out; their scores are forecast
from compute alone, by the same law: once fitted to the whole task, once to each of ten bins and averaged. The score is
one minus the Brier score of the right choice, which bins and whole share. A task counts as emergent where the fitted
models' median accuracy is within five points of chance and the held-out ones' is above it by more. Models that the
source leaves out of its fits, trained on unusually much or synthetic data, are left out here too.
"""

from __future__ import annotations

from pathlib import Path

import click
import numpy as np
import pandas as pd
from rich.console import Console
from rich.table import Table

from predictor.difficulty import forecast_from_bins

SHARES = {"third": 1 / 3, "quarter": 1 / 4, "half": 1 / 2}
LEFT_OUT = ("microsoft/phi", "Qwen/Qwen1.5-0.5B", "Qwen/Qwen1.5-1.8B", "stabilityai/stablelm-2-1_6b")
BINS = 10
NEAR_CHANCE = 0.05


def errors(evals: pd.DataFrame, tasks: pd.DataFrame, share: float) -> pd.DataFrame:
    """Forecast the held-out models of every task; one row per task, mean absolute errors in points."""
    evals = evals[~evals["run"].str.startswith(LEFT_OUT)]
    evals = evals.assign(flops=6.0 * evals["params"].astype(float) * evals["tokens"].astype(float))
    chance = tasks[tasks["metric"] == "acc"].set_index("task")["chance"]
    whole_names = sorted({str(task) for task in evals["task"] if ":" not in task})
    rows = []
    for task in whole_names:
        score = evals[(evals["task"] == task) & (evals["metric"] == "brier")].set_index("run")
        score = score.sort_values("flops")
        names = [f"{task}:bin{i:02d}of{BINS}" for i in range(1, BINS + 1)]
        bins = evals[evals["task"].isin(names) & (evals["metric"] == "brier")]
        bins = bins.pivot_table(index="run", columns="task", values="value").reindex(score.index)
        usable = bins.notna().all(axis=1) & score["value"].notna()
        score, bins = score[usable], bins[usable]
        flops, count = score["flops"].to_numpy(float), round(share * len(score))
        fitted, held = slice(None, -count), slice(-count, None)
        truth = 1 - score["value"].to_numpy(float)
        whole = forecast_from_bins(flops[fitted], truth[None, fitted], flops[held])
        parts = forecast_from_bins(flops[fitted], 1 - bins.to_numpy(float).T[:, fitted], flops[held])
        acc = evals[(evals["task"] == task) & (evals["metric"] == "acc")].set_index("run")["value"].reindex(score.index)
        before, after = float(acc.iloc[fitted].median()), float(acc.iloc[held].median())
        emergent = before <= chance[task] + NEAR_CHANCE < after
        rows.append(
            {
                "task": task,
                "emergent": emergent,
                "models": len(score) - count,
                "held": count,
                "before": before,
                "after": after,
                "whole": 100 * np.abs(whole - truth[held]).mean(),
                "bins": 100 * np.abs(parts - truth[held]).mean(),
            }
        )
    return pd.DataFrame(rows)


@click.command()
@click.option("--testbeds", type=click.Path(path_type=Path, exists=True), default=Path("../shared/testbeds"))
def main(testbeds: Path) -> None:
    folder = testbeds / "exp_emergence"
    evals, tasks = pd.read_parquet(folder / "evals.parquet"), pd.read_parquet(folder / "tasks.parquet")
    console = Console(width=130)
    for name, share in SHARES.items():
        rows = errors(evals, tasks, share)
        table = Table(title=f"held out: the strongest {name}; mean absolute error in points", title_justify="left")
        table.box = None
        columns = ("task", "emergent", "fitted", "held out", "accuracy fitted", "held out ", "whole", "bins")
        for column in columns:
            table.add_column(column, justify="left" if column == "task" else "right")
        for row in rows.to_dict("records"):
            table.add_row(
                row["task"],
                "yes" if row["emergent"] else "no",
                str(row["models"]),
                str(row["held"]),
                f"{row['before']:.2f}",
                f"{row['after']:.2f}",
                f"{row['whole']:.2f}",
                f"{row['bins']:.2f}",
            )
        for kind, own in (("emergent", rows[rows["emergent"]]), ("all", rows)):
            won = f"bins better on {int((own['bins'] < own['whole']).sum())} of {len(own)}"
            table.add_row(kind, won, "", "", "", "", f"{own['whole'].mean():.2f}", f"{own['bins'].mean():.2f}")
        console.print(table)


if __name__ == "__main__":
    main()
