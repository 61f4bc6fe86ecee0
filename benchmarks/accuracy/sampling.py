"""Repeated sampling against the truth: pass rates of 1e-3, kills, the bend of the law, pass@k beyond the samples.

    python benchmarks/accuracy/sampling.py [--items 100] [--kills 6] [--simulations 400]

The chance that a model of the tiny ladder samples an answer is known exactly: it is the probability of the answer and
the newline that ends it. Items whose chance is near one in a thousand are sampled by real generation until five answers
are right, each judged by lm-eval. A second evaluation is killed at random moments and resumed, and compared with an
undisturbed one to the last bit. The law's test for a bend and the forecast of pass@k are tried on drawn models.
"""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import click
import numpy as np
import pandas as pd
from rich.console import Console
from rich.table import Table

from predictor.evaluation.harness import Harness
from predictor.evaluation.suites import benchmarks_folder, load_suite
from predictor.laws import get_law
from predictor.project import Scoring
from predictor.results.passes import pass_rate, pass_rate_interval, sampled
from predictor.results.sample_files import SampleFiles
from predictor.results.store import Store
from predictor.statistics import SampledModel, fit_pass_law, pass_curve

LADDER = benchmarks_folder() / "ladder"
CHECKPOINTS = ("33k/step_4882", "66k/step_4882", "33k/step_2441", "15k/step_4882", "66k/step_2441", "133k/step_1220")
RARE = (0.5e-3, 2e-3)
SUITE = """
include_path: {tasks}
limit: {limit}
tasks:
  - {{task: tiny_addition, kind: generation, metric: exact_match, chance: 0.0, until_passes: 5, most_samples: {most}}}
"""


@click.command()
@click.option("--items", default=100, show_default=True, help="Items with rates near one in a thousand.")
@click.option("--kills", default=6, show_default=True, help="Kills of one evaluation.")
@click.option("--simulations", default=400, show_default=True, help="Drawn ladders and item sets.")
def main(items: int, kills: int, simulations: int) -> None:
    """Print the tables."""
    with tempfile.TemporaryDirectory() as folder:
        show(
            "pass rates near one in a thousand, by real generation until 5 right answers",
            rare_rates(Path(folder), items),
        )
        show(f"an evaluation that was killed {kills} times", killed(Path(folder), kills))
    show(f"the law's bend, {simulations} drawn ladders of 7 sizes each, tested at 5%", bends(simulations))
    show(f"pass@1000 from 32 samples of 300 items, {simulations // 4} drawn sets", far_attempts(simulations // 4))


def rare_rates(folder: Path, wanted: int) -> list[dict[str, Any]]:
    """Sample items whose chance is known from the model's own probabilities."""
    rows = []
    harness = Harness(Scoring(device="cpu", batch_size=64))
    loaded = harness.load_task(write_suite(folder, limit=320, most=100_000))
    for checkpoint in CHECKPOINTS:
        if len(rows) >= wanted:
            break
        model = harness.load_model(LADDER / checkpoint)
        result = harness.run(model, loaded)
        truth = true_rates(model, result)
        chosen = [item for item, rate in truth.items() if RARE[0] <= rate <= RARE[1]][: wanted - len(rows)]
        name = "tiny_addition"
        result["samples"][name] = [sample for sample in result["samples"][name] if sample["doc_id"] in chosen]
        drawn = harness.sample(model, loaded, result, SampleFiles(folder / checkpoint.replace("/", "-")), lambda: None)
        assert drawn is not None
        low, high = pass_rate_interval(*sampled(drawn.items))
        rates = pass_rate(*sampled(drawn.items))
        for number, row in enumerate(drawn.items.itertuples()):
            true = truth[row.doc_id]
            kept = {"checkpoint": checkpoint, "true": true, "estimate": rates[number], "samples": int(row.samples)}
            rows.append({**kept, "held": bool(low[number] <= true <= high[number])})
    frame = pd.DataFrame(rows)
    return [
        {
            "items": len(frame),
            "true rate": f"{frame['true'].min():.1e}–{frame['true'].max():.1e}",
            "samples": f"{frame['samples'].sum():,}",
            "mean estimate / truth": f"{(frame['estimate'] / frame['true']).mean():.3f}",
            "held by 95%": f"{frame['held'].sum()} of {len(frame)}",
        }
    ]


def write_suite(folder: Path, limit: int, most: int) -> Any:
    """Write the suite and return its task."""
    path = folder / "suite.yaml"
    path.write_text(SUITE.format(tasks=benchmarks_folder() / "tasks" / "tiny", limit=limit, most=most))
    return load_suite(path).tasks["tiny_addition"]


def true_rates(model: Any, result: dict[str, Any]) -> dict[int, float]:
    """Compute the chance of each item's answer and of the newline behind it."""
    from lm_eval.api.instance import Instance

    samples = result["samples"]["tiny_addition"]
    pairs = [(sample["arguments"][0][0], f"{sample['target']}\n") for sample in samples]
    answers = model.loglikelihood([Instance("loglikelihood", {}, pair, 0) for pair in pairs])
    return {sample["doc_id"]: float(np.exp(value)) for sample, (value, _) in zip(samples, answers, strict=True)}


def killed(folder: Path, kills: int) -> list[dict[str, Any]]:
    """Kill an evaluation at random moments, resume it, and compare it with an undisturbed one."""
    write_suite(folder, limit=24, most=20_000)
    family = {"tokens_per_step": 1000, "checkpoints": str(LADDER / "33k" / "step_{step}")}
    project = {
        "suite": str(folder / "suite.yaml"),
        "families": {"tiny": {**family, "select": {"last": 1}}},
        "runs": {"33k": {"family": "tiny", "schedule_end": 4882}},
        "scoring": {"device": "cpu", "batch_size": 8},
        "settle_seconds": 0,
    }
    config = folder / "checkpoints.yaml"
    config.write_text(json.dumps(project))
    command = [sys.executable, "-m", "predictor", "evaluate", "--once", "--config", str(config), "--store"]
    begin = time.monotonic()
    subprocess.run([*command, str(folder / "whole")], check=True, capture_output=True)
    whole_seconds = time.monotonic() - begin
    draw, files = random.Random(3), []
    for _ in range(kills):
        process = subprocess.Popen(
            [*command, str(folder / "killed")],
            start_new_session=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        before = count_files(folder)
        until = time.monotonic() + whole_seconds
        # Somewhere among its samples: after one to three more files.
        while count_files(folder) < before + draw.randint(1, 3) and time.monotonic() < until and process.poll() is None:
            time.sleep(0.02)
        process.send_signal(signal.SIGKILL)
        process.wait()
        files.append(count_files(folder))
    subprocess.run([*command, str(folder / "killed")], check=True, capture_output=True)
    tables = [
        Store(folder / name).read_items("tiny_addition").drop(columns="scored_at") for name in ("whole", "killed")
    ]
    return [
        {
            "batches kept at each kill": " ".join(map(str, files)),
            "samples": f"{int(tables[1]['samples'].sum()):,}",
            "equal to undisturbed": "yes" if tables[0].equals(tables[1]) else "NO",
            "left over": count_files(folder),
        }
    ]


def count_files(folder: Path) -> int:
    """Count the batches of samples that are kept."""
    return sum(1 for path in (folder / "killed").rglob("*.json") if not path.name.startswith("."))


def bends(simulations: int) -> list[dict[str, Any]]:
    """Test drawn ladders for a bend."""
    rows = []
    for bend, scatter in ((0.0, 0.0), (0.0, 0.03), (-0.03, 0.0), (-0.06, 0.0), (-0.06, 0.03), (0.06, 0.0)):
        generator = np.random.default_rng(5)
        verdicts, held = [], 0
        for _ in range(simulations):
            law = fit_pass_law(drawn_ladder(generator, bend, scatter))
            verdicts.append(law.verdict)
            held += law.alpha_interval[0] <= 0.3 <= law.alpha_interval[1]
        shares = {name: f"{100 * verdicts.count(name) / simulations:.1f}%" for name in ("accelerated", "slowing")}
        own = f"{100 * held / simulations:.1f}%" if not bend else "-"
        rows.append({"bend": 2 * bend, "scatter of models": scatter, **shares, "exponent held by 95%": own})
    return rows


def drawn_ladder(generator: np.random.Generator, bend: float, scatter: float) -> list[SampledModel]:
    """Draw models whose log(-log PU) is a parabola in log N."""
    sizes = np.geomspace(1e7, 1e9, 7)
    found = []
    for size in sizes:
        z = np.log(size) - np.log(sizes).mean()
        place = np.log(600.0) - 0.3 * np.log(size) + bend * z**2 + scatter * generator.standard_normal()
        relative = generator.gamma(5.0, 0.2, 100)
        rates = np.clip(np.exp(-np.exp(place)) * relative / relative.mean(), 1e-12, 1)
        tries = generator.negative_binomial(5, rates) + 5
        capped = tries > 10_000
        passes = np.where(capped, np.minimum(generator.binomial(10_000, rates), 4), 5)
        until = np.where(capped, np.nan, 5.0)
        samples = np.where(capped, 10_000, tries).astype(float)
        found.append(SampledModel(f"{size:.0e}", size, 1e9, samples, passes.astype(float), until))
    return found


def far_attempts(simulations: int) -> list[dict[str, Any]]:
    """Forecast pass@1000 of drawn items."""
    rows = []
    for a, b in ((0.2, 3.0), (0.4, 6.0), (1.0, 50.0)):
        truth = float(get_law("coverage").evaluate({"a": a, "b": b}, {"attempts": np.array([1000.0])})[0])
        generator, held, errors = np.random.default_rng(6), 0, []
        for seed in range(simulations):
            passes = generator.binomial(32, generator.beta(a, b, 300)).astype(float)
            model = SampledModel("one", 1e8, 1e9, np.full(300, 32.0), passes, np.full(300, np.nan))
            (point,) = pass_curve(model, [1000], seed=seed)
            held += point.interval[0] <= truth <= point.interval[1]
            errors.append(abs(point.forecast - truth))
        shown = {"rates": f"Beta({a}, {b})", "true pass@1000": f"{100 * truth:.1f}%"}
        rows.append(
            {**shown, "mean error": f"{100 * np.mean(errors):.1f}", "held by 95%": f"{100 * held / simulations:.0f}%"}
        )
    return rows


def show(title: str, rows: list[dict[str, Any]]) -> None:
    """Print rows as a table."""
    table = Table(title=title, title_justify="left", box=None, pad_edge=False, header_style="bold")
    for name in rows[0]:
        table.add_column(name, justify="right")
    for row in rows:
        table.add_row(*(str(value) for value in row.values()))
    Console(width=140).print(table)


if __name__ == "__main__":
    main()
