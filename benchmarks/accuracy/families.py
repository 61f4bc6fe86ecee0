"""How right forecasts are from one or two models of a family, with many other families in the table.

    python benchmarks/accuracy/families.py [--testbeds ../shared/testbeds] [--set v1] [--without-kin]

The published protocol (Polo et al. 2024, arXiv 2412.06540): all other families stay; of a test family only the one or
two smallest models stay, and its larger models are forecast on all benchmarks. Test families are those with larger
models left. Beside the product's `forecast`: no change from the largest model kept, and reimplementations of a law in
compute with a level for each family and of a shared-skill model (`family_baselines.py`), which see the same tables but
for the models whose training tokens are unknown.

`--without-kin` also takes out families that were made from the same base as the test family, as its tuned variants.
Prints, for each set of benchmarks and number of models kept: the mean absolute error in points, over families; the
share of families on which ours is below both reimplementations; coverage, mean width and mean interval score of the
80% and 95% intervals. Five minutes of processor time.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import click
import numpy as np
import pandas as pd
from rich.console import Console
from rich.table import Table as Printed

sys.path.insert(0, str(Path(__file__).parents[2]))
from benchmarks.accuracy.family_baselines import BASELINES, Table
from predictor.forecasting import fit_forecaster
from predictor.forecasting.panel import build_panel
from predictor.forecasting.register.distribution import interval_score
from predictor.forecasting.skills import read_kinship
from predictor.forecasting.skills.world import final_scores
from predictor.results import Results, read_results
from predictor.results.series import main_shots

V1 = ("arc_challenge", "gsm8k", "hellaswag", "mmlu", "truthfulqa_mc2", "winogrande")
V2 = tuple(f"leaderboard_{name}" for name in ("bbh", "gpqa", "ifeval", "math_hard", "mmlu_pro", "musr"))
EMERGENCE = (
    "abstract_narrative_understanding",
    "analogical_similarity",
    "arc",
    "arithmetic",
    "conceptual_combinations",
    "hellaswag",
    "hindu_knowledge",
    "mmlu",
    "parsinlu_qa_mc",
)
CORPORA = (
    *("arc_challenge", "arc_easy", "boolq", "commonsense_qa", "copa", "hellaswag", "lambada_openai", "mmlu"),
    *("openbookqa", "piqa", "social_iqa", "winogrande"),
)
OURS = "ours"
LAST = "last_value"


@dataclass(frozen=True)
class ScoreSet:
    """Benchmarks that are forecast together, of one testbed; `beside` are scored too, and help."""

    name: str
    folder: str
    tasks: tuple[str, ...]
    beside: tuple[str, ...] = ()


SETS = (
    ScoreSet("v1", "reference_families", V1, (*V2, "humaneval", "xwinograd")),
    ScoreSet("v2", "reference_families", V2, (*V1, "humaneval", "xwinograd")),
    ScoreSet("exp_emergence", "exp_emergence", EMERGENCE),
    ScoreSet("open_sci_ref", "open_sci_ref", CORPORA),
)


def read(scores: ScoreSet, testbeds: Path) -> Results:
    """Read a set's benchmarks and those beside them, with accuracies alone."""
    results = read_results(testbeds / scores.folder)
    wanted = {*scores.tasks, *scores.beside}
    evals = results.evals[results.evals["task"].isin(wanted)].copy()
    # IFEval's score is a share of instructions followed.
    evals.loc[evals["metric"] == "score", "metric"] = "acc"
    tasks = {
        name: replace(info, metric="acc" if info.metric == "score" else info.metric)
        for name, info in results.tasks.items()
        if name in wanted
    }
    evals = evals[evals["metric"] == evals["task"].map({name: info.metric for name, info in tasks.items()})]
    shots = {task: main_shots(rows) for task, rows in evals.groupby("task")}
    asked = evals["task"].map(shots)
    evals = evals[evals["num_fewshot"].eq(asked) | (evals["num_fewshot"].isna() & asked.isna())]
    return replace(results, evals=evals, tasks=tasks)


def complete_models(scores: ScoreSet, results: Results, family: str) -> pd.DataFrame:
    """Return a family's models that have all of a set's scores, from the smallest: run, params, tokens and scores.

    Scores are those at the end of training, as the forecaster reads them from the table.
    """
    panel = build_panel(results, family, fewest_computes=1)
    params, tokens, score, _ = final_scores(panel, panel.series)
    models = pd.DataFrame({"run": panel.runs, "params": params, "tokens": tokens})
    wide = pd.DataFrame(score, columns=[one.task for one in panel.series]).reindex(columns=list(scores.tasks))
    return pd.concat([models, wide], axis=1).dropna().sort_values(["params", "tokens", "run"])


def hold_out(results: Results, family: str, kept: list[str], kin: bool) -> Results:
    """Keep only some runs of a family, and the other families; without `kin` only those of another base."""
    evals = results.evals
    out = (evals["family"] == family) & ~evals["run"].isin(kept)
    if not kin:
        bases = read_kinship(results.path, [str(name) for name in evals["family"].unique()])
        base = evals["family"].map({name: one.base for name, one in bases.items()})
        out |= (evals["family"] != family) & (base == bases[family].base)
    return replace(results, evals=evals[~out])


def baseline_table(scores: ScoreSet, left: Results, families: list[str]) -> Table:
    """Return the models as the reimplementations see them: this set's benchmarks alone."""
    everyone = replace(left, evals=left.evals.assign(run=left.evals["family"] + "|" + left.evals["run"], family="all"))
    panel = build_panel(everyone, "all", fewest_computes=1)
    params, tokens, score, _ = final_scores(panel, panel.series)
    wide = pd.DataFrame(score, columns=[one.task for one in panel.series]).reindex(columns=list(scores.tasks))
    seen = wide.notna().any(axis=1).to_numpy()
    return Table(
        family=np.array([families.index(run.split("|")[0]) for run in panel.runs], dtype=np.intp)[seen],
        params=params[seen],
        tokens=tokens[seen],
        score=wide.to_numpy(float)[seen],
        chance=np.array([left.tasks[task].chance or 0.0 for task in scores.tasks]),
    )


def forecast_family(
    scores: ScoreSet, results: Results, family: str, keep: int, kin: bool
) -> Iterator[dict[str, object]]:
    """Forecast a family's larger models from its `keep` smallest ones; one row per score."""
    models = complete_models(scores, results, family)
    if len(models) <= keep:
        return
    kept, targets = models.iloc[:keep], models.iloc[keep:]
    left = hold_out(results, family, list(kept["run"]), kin)
    forecaster = fit_forecaster(left, family=family)
    families = sorted(results.evals["family"].unique())
    size, data = (targets[name].to_numpy(float) for name in ("params", "tokens"))
    table = baseline_table(scores, left, families)
    others = {name: way(table, families.index(family), size, data) for name, way in BASELINES.items()}
    for number, target in enumerate(targets.to_dict("records")):
        answer = {one.task: one for one in forecaster.predict(target["params"], target["tokens"]).forecasts}
        for column, task in enumerate(scores.tasks):
            one = answer[task]
            yield {
                "set": scores.name,
                "kept": keep,
                "family": family,
                "run": target["run"],
                "task": task,
                "ratio": target["params"] * target["tokens"] / (kept["params"] * kept["tokens"]).max(),
                "truth": target[task],
                "grade": one.grade,
                "chance": results.tasks[task].chance,
                "before": float(kept[task].iloc[-1]),
                **{
                    f"{end}{level}": one.intervals[level][side]
                    for level in ("80", "95")
                    for side, end in enumerate(("low", "high"))
                },
                OURS: one.median,
                LAST: float(kept[task].iloc[-1]),
                **{name: values[number, column] for name, values in others.items()},
            }


def interval_scores(rows: pd.DataFrame, level: str) -> pd.Series:
    """Compute the interval score of every forecast, in points."""
    ends = rows[["truth", f"low{level}", f"high{level}"]].itertuples(index=False)
    return pd.Series([100 * interval_score(*row, level) for row in ends], index=rows.index)


def summarise(rows: pd.DataFrame) -> dict[str, float]:
    """Summarise the forecasts of one set and number of models kept; errors in points, means over families."""
    ways = [OURS, *BASELINES, LAST]
    errors = pd.DataFrame({name: 100 * (rows[name] - rows["truth"]).abs() for name in ways})
    by_family = errors.groupby(rows["family"]).mean()
    summary = {"families": len(by_family), "scores": len(rows), **by_family.mean().to_dict()}
    summary["ours, all scores"] = errors[OURS].mean()
    summary["below both"] = (by_family[OURS] < by_family[list(BASELINES)].min(axis=1)).mean()
    for level in ("80", "95"):
        inside = (rows["truth"] >= rows[f"low{level}"]) & (rows["truth"] <= rows[f"high{level}"])
        summary[f"in {level}%"] = inside.groupby(rows["family"]).mean().mean()
        summary[f"width {level}%"] = (
            100 * (rows[f"high{level}"] - rows[f"low{level}"]).groupby(rows["family"]).mean().mean()
        )
        summary[f"interval score {level}%"] = interval_scores(rows, level).groupby(rows["family"]).mean().mean()
    return summary


def leaving_chance(rows: pd.DataFrame) -> dict[str, float]:
    """Summarise the benchmarks that were at chance on all models kept, against the forecast that they stay there."""
    chance = rows["chance"].astype(float)
    near = rows[chance.notna() & (rows["before"] <= chance + 0.02)]
    left = near[near["truth"] > near["chance"].astype(float) + 0.05]
    answer: dict[str, float] = {"at chance": len(near), "left it": len(left)}
    for name, part in (("all", near), ("left", left)):
        answer[f"ours, {name}"] = 100 * (part[OURS] - part["truth"]).abs().mean()
        answer[f"stays, {name}"] = 100 * (part["chance"].astype(float) - part["truth"]).abs().mean()
        answer[f"in 80%, {name}"] = ((part["truth"] >= part["low80"]) & (part["truth"] <= part["high80"])).mean()
    return answer


def show(rows: pd.DataFrame, console: Console) -> None:
    """Print the tables."""
    for title, compute in (
        ("from one or two models of a family", summarise),
        ("at chance on all models kept", leaving_chance),
    ):
        printed = Printed(title=title, title_justify="left", box=None, pad_edge=False)
        columns = {
            f"{name}, {keep} kept": compute(part) for (name, keep), part in rows.groupby(["set", "kept"], sort=False)
        }
        printed.add_column("")
        for name in columns:
            printed.add_column(name, justify="right")
        for measure in next(iter(columns.values())):
            printed.add_row(measure, *(_number(measure, one[measure]) for one in columns.values()))
        console.print(printed)
        console.print()
    ways = [OURS, *BASELINES]
    errors = pd.DataFrame({name: 100 * (rows[name] - rows["truth"]).abs() for name in ways})
    by_family = errors.groupby([rows["set"], rows["kept"], rows["family"]], sort=False).mean().round(1)
    console.print(by_family.to_string())


def _number(measure: str, value: float) -> str:
    if measure in ("families", "scores", "at chance", "left it"):
        return str(int(value))
    return f"{100 * value:.0f}%" if measure.startswith(("in ", "below")) else f"{value:.2f}"


@click.command()
@click.option("--testbeds", type=click.Path(path_type=Path, exists=True), default=Path("../shared/testbeds"))
@click.option("--set", "sets", multiple=True, help="v1, v2, exp_emergence or open_sci_ref; repeatable (default: all).")
@click.option("--family", "only", multiple=True, help="Test family; repeatable (default: all).")
@click.option("--without-kin", is_flag=True, help="Also leave out families of the same base.")
@click.option("--rows", "path", type=click.Path(path_type=Path), help="Write every forecast to this Parquet file.")
def main(testbeds: Path, sets: tuple[str, ...], only: tuple[str, ...], without_kin: bool, path: Path | None) -> None:
    """Print how right forecasts are from one or two models of a family."""
    began, progress, rows = time.process_time(), Console(stderr=True), []
    for scores in SETS:
        if sets and scores.name not in sets:
            continue
        results = read(scores, testbeds)
        for family in sorted(results.evals["family"].unique()):
            if only and family not in only:
                continue
            for keep in (1, 2):
                rows += list(forecast_family(scores, results, family, keep, not without_kin))
            progress.print(f"{scores.name}: {family} ({time.process_time() - began:.0f} s)", highlight=False)
    table = pd.DataFrame(rows)
    if path is not None:
        table.to_parquet(path)
    show(table, Console(width=120))
    progress.print(f"{time.process_time() - began:.0f} s of processor time")


if __name__ == "__main__":
    main()
