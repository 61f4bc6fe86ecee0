"""Describes a trained ladder: ladder.json for programs, README.md for people."""

from __future__ import annotations

import json
import platform
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
import transformers

from predictor.ladder.sizes import CONTEXT, SIZES, TOKENS_PER_STEP
from predictor.ladder.train import BETAS, CLIP_NORM, FINAL_RATE_SHARE, WARMUP_SHARE, WEIGHT_DECAY, Run, read_run

LADDER_FILE = "ladder.json"
README_FILE = "README.md"


def finished_runs(folder: Path) -> list[Run]:
    """Return the finished runs below `folder`, in the order of the declared sizes."""
    return [run for size in SIZES if (run := read_run(folder / size.name)) is not None]


def run_seconds(runs: Sequence[Run]) -> float:
    """Return the wall seconds of all runs added up; side by side they are over sooner."""
    return round(sum(run.seconds for run in runs), 1)


def _record(runs: Sequence[Run], command: str) -> dict[str, Any]:
    return {
        "command": command,
        "seed": runs[0].seed,
        "seconds": run_seconds(runs),
        "versions": {
            "python": platform.python_version(),
            "torch": torch.__version__,
            "transformers": transformers.__version__,
        },
        "schedule": {
            "optimizer": "AdamW",
            "betas": BETAS,
            "weight_decay": WEIGHT_DECAY,
            "clip_norm": CLIP_NORM,
            "warmup_share": WARMUP_SHARE,
            "rate": "cosine",
            "final_rate_share": FINAL_RATE_SHARE,
            "context": CONTEXT,
            "tokens_per_step": TOKENS_PER_STEP,
        },
        "runs": [asdict(run) for run in runs],
    }


def _readme(runs: Sequence[Run], command: str) -> str:
    rows = "\n".join(
        f"| {run.name} | {run.role} | {run.params:,} | {run.params_non_embedding:,} | {run.layers} | {run.hidden} "
        f"| {run.peak_learning_rate:g} | {', '.join(str(c.step) for c in run.checkpoints)} "
        f"| {run.checkpoints[-1].train_loss:.3f} | {run.seconds:.0f} |"
        for run in runs
    )
    tokens = ", ".join(sorted({f"{run.tokens_planned:,}" for run in runs}))
    return f"""# The tiny ladder

Llama models of {runs[0].params:,} to {runs[-1].params:,} parameters, trained on generated text; each `step_<k>`
is an ordinary Hugging Face checkpoint. `docs/ladder.md` says what they learn, `ladder.json` holds the facts below for
programs.

Made by

```
{command}
```

with seed {runs[0].seed} on processor cores. The runs took {run_seconds(runs) / 60:.0f} minutes added up, each on one
core; two cores train two at once. A step is {TOKENS_PER_STEP:,} tokens and every schedule ends at {tokens} tokens.

| run | role | params | without embedding | layers | width | peak rate | checkpoints at step | last loss | seconds |
|---|---|---|---|---|---|---|---|---|---|
{rows}

The last loss is the mean training loss, in nats per token, of the last steps.
"""


def _write(path: Path, content: str) -> None:
    partial = path.with_name(f".{path.name}.partial")
    partial.write_text(content)
    partial.replace(path)


def describe(folder: Path, command: str) -> None:
    """Write ladder.json and README.md about the finished runs in `folder`.

    Args:
        folder: the ladder's folder; with no finished run in it nothing is written.
        command: the command line that made the runs.
    """
    runs = finished_runs(folder)
    if not runs:
        return
    _write(folder / LADDER_FILE, json.dumps(_record(runs, command), indent=2) + "\n")
    _write(folder / README_FILE, _readme(runs, command))
