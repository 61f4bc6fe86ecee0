"""The fits of `reference.py`: what was published, and the runs it was fitted to."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
import statsmodels.api as sm

from predictor.fitting import LawFit, fit_law
from predictor.laws import complete_inputs, get_law

# The Huber corner of Hoffmann, Besiroglu and Bhagia, on logarithms of losses.
DELTA = 1e-3
_SIGMA = DELTA / 1.345
# Budgets of Hoffmann's isoFLOP runs, arXiv 2203.15556, figure 3.
_BUDGETS = (6e18, 1e19, 3e19, 6e19, 1e20, 3e20, 6e20, 1e21, 3e21)
# Runs that Gadre et al. fit to, arXiv 2403.08540, table 2: size and tokens per parameter; the last for scores alone.
_GADRE_RUNS = ((11e6, 20), (79e6, 20), (154e6, 20), (412e6, 20), (11e6, 320), (1.44e9, 20))
GADRE = {"c4": "c4_original", "redpajama": "rpj", "refinedweb": "rw_original"}
BHAGIA_TASKS = (
    "mmlu", "hellaswag", "arc_challenge", "arc_easy", "piqa", "commonsense_qa", "social_iqa", "openbookqa",
)  # fmt: skip


@dataclass(frozen=True)
class Reference:
    """One fit beside what was published: name, the fit, published parameters, the law's values that are compared."""

    name: str
    fit: LawFit
    published: dict[str, float]


def besiroglu() -> Reference:
    """Draw losses from Besiroglu's law on Hoffmann's design and fit them with Besiroglu's objective."""
    law = get_law("chinchilla")
    truth = law.published_values("besiroglu")
    generator = np.random.default_rng(0)
    budget = np.repeat(_BUDGETS, 27)[:240]
    size = np.clip(0.3 * np.sqrt(budget / 6 / 20) * np.exp(generator.uniform(-1.2, 3.2, budget.size)), 4.4e7, 1.6e10)
    inputs = {"params": size, "tokens": budget / 6 / size}
    noise = 0.004 * generator.standard_normal(budget.size)
    observed = law.evaluate(truth, inputs) * np.exp(noise)
    return Reference("chinchilla, drawn", fit_law(law, inputs, observed, _SIGMA), truth)


def gadre(testbeds: Path) -> Iterator[Reference]:
    """Fit loss and error of each training set to the runs that the paper chose."""
    folder = testbeds / "gadre"
    evals, tasks = pd.read_parquet(folder / "evals.parquet"), pd.read_parquet(folder / "tasks.parquet")
    subset = tasks.loc[tasks["in_subset17"].fillna(False).astype(bool), ["task", "metric"]]
    for who, family in GADRE.items():
        rows = evals[evals["family"] == family]
        loss = rows[rows["task"] == "loss:c4_val"].set_index("run")
        error = 1 - rows.merge(subset).groupby("run")["value"].mean()
        ratio = loss["tokens"] / loss["params"]
        chosen = []
        for size, multiplier in _GADRE_RUNS:
            near = (abs(loss["params"] / size - 1) < 0.05) & (abs(ratio / multiplier - 1) < 0.05)
            chosen += list(loss.index[near])
        for_loss = loss.loc[chosen[:5]]
        inputs = complete_inputs({"params": for_loss["params"], "tokens": for_loss["tokens"]})
        # Plain least squares on the loss itself, as scipy's curve_fit that the paper used.
        law = replace(get_law("over_training"), fit_scale="linear")
        fit = fit_law(law, inputs, for_loss["value"], huber=None)
        yield Reference(f"over_training, {who}", fit, law.published_values(who))
        law = get_law("error_from_loss")
        fit = fit_law(law, {"loss": loss.loc[chosen, "value"]}, error.loc[chosen], huber=None)
        yield Reference(f"error_from_loss, {who}", fit, law.published_values(who))


@dataclass(frozen=True)
class Recipe:
    """One recipe of Porian et al.: exponents a of N ∝ C^a by isoFLOP curves and by the parametric fit."""

    name: str
    isoflop: float
    interval: tuple[float, float]
    budgets: int
    parametric: float
    fit: LawFit


_RECIPES = (
    ("Kaplan's counting", "refinedweb/base/longwarmup/longcosine", "loss:refinedweb:train", True),
    ("+ output layer counted", "refinedweb/base/longwarmup/longcosine", "loss:refinedweb", False),
    ("+ short warmup", "refinedweb/base/shortwarmup/longcosine", "loss:refinedweb", False),
    ("+ matched cosine", "refinedweb/base/shortwarmup/cosine", "loss:refinedweb", False),
    ("+ tuned, constant rate", "refinedweb/tuned/shortwarmup/constant", "loss:refinedweb", False),
)


def porian(testbeds: Path) -> Iterator[Recipe]:
    """Find the exponent of the compute-optimal size under each recipe."""
    evals = pd.read_parquet(testbeds / "porian" / "evals.parquet")
    for name, family, task, kaplan in _RECIPES:
        rows = evals[(evals["family"] == family) & (evals["task"] == task)]
        body, total = rows["params_non_embedding"].astype(float), rows["params"].astype(float)
        size = (body if kaplan else (body + total) / 2).to_numpy()
        tokens, loss = rows["tokens"].to_numpy(float), rows["value"].to_numpy(float)
        level = np.log2(6 * size * tokens / 1.25e16)
        on_grid = abs(level - np.round(level)) < 0.02
        best_size, budget = _isoflop(size[on_grid], np.round(level[on_grid]), loss[on_grid])
        line = sm.RLM(np.log(best_size), sm.add_constant(np.log(2.0) * budget)).fit()
        low, high = line.conf_int(0.05)[1]
        # A law of fully trained models does not hold where the run is shorter than the warmup.
        keep = on_grid & (tokens > 2 * body.to_numpy())
        fit = fit_law(get_law("chinchilla"), {"params": size[keep], "tokens": tokens[keep]}, loss[keep], _SIGMA)
        alpha, beta = fit.parameters["alpha"], fit.parameters["beta"]
        yield Recipe(name, float(line.params[1]), (low, high), best_size.size, beta / (alpha + beta), fit)


def _isoflop(size: np.ndarray, level: np.ndarray, loss: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Give the size of least loss at each budget: the vertex of a parabola through the seven points about the least."""
    sizes, budgets = [], []
    for budget in np.unique(level):
        here = np.flatnonzero(level == budget)
        here = here[np.argsort(size[here])]
        least = int(np.argmin(loss[here]))
        # A least point at either end is no optimum, the curve may still fall beyond it.
        if not 2 <= least < here.size - 2:
            continue
        near = here[max(least - 3, 0) : least + 4]
        bend, slope, _ = np.polyfit(np.log(size[near]), np.log(loss[near]), 2)
        if bend > 0:
            sizes.append(np.exp(-slope / (2 * bend)))
            budgets.append(budget)
    return np.array(sizes), np.array(budgets)


@dataclass(frozen=True)
class TwoSteps:
    """Bhagia's two steps on one task: both fits, and predicted and true scores of the 3B runs by length."""

    task: str
    loss: LawFit
    link: LawFit
    predicted: dict[str, float]
    truth: dict[str, float]


def bhagia(testbeds: Path) -> Iterator[TwoSteps]:
    """Fit both steps to sixteen runs, 190M to 1B at 1, 2, 5 and 10xC, and predict the 3B runs."""
    evals = pd.read_parquet(testbeds / "olmo_ladder" / "evals.parquet")
    lengths = ("1xC", "2xC", "5xC", "10xC")
    small = [f"{size}-{length}" for size in ("190M", "370M", "760M", "1B") for length in lengths]
    large = [f"3B-{length}" for length in lengths]
    for task in BHAGIA_TASKS:
        rows = evals[(evals["task"] == task) & evals["metric"].isin(["bpb", "acc_norm"])]
        table = rows.pivot_table(index=["run", "params", "tokens"], columns="metric", values="value").reset_index()
        # The mean of the last five checkpoints, whose learning rate is all but annealed, stands for the run.
        final = table.sort_values("tokens").groupby("run").tail(5).groupby("run").mean()
        ladder = final.loc[small]
        inputs = {"params": ladder["params"], "tokens": ladder["tokens"]}
        loss = fit_law(get_law("chinchilla"), inputs, ladder["bpb"], _SIGMA)
        # The second step also learns from checkpoints on the way, from a tenth of each run on, as in the paper.
        along = table[table["run"].isin(small)]
        along = along[along["tokens"] > 0.1 * along.groupby("run")["tokens"].transform("max")]
        link = fit_law(get_law("accuracy_from_loss"), {"loss": along["bpb"]}, along["acc_norm"], run=along["run"])
        place = final.loc[large]
        expected = loss.predict({"params": place["params"].to_numpy(), "tokens": place["tokens"].to_numpy()})
        scores = link.predict({"loss": expected})
        yield TwoSteps(
            task,
            loss,
            link,
            dict(zip(lengths, scores, strict=True)),
            dict(zip(lengths, place["acc_norm"], strict=True)),
        )
