"""Trains one run of the tiny ladder and writes its checkpoints as ordinary Hugging Face folders."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from transformers import LlamaForCausalLM, get_scheduler

from predictor.ladder.sizes import CONTEXT, ROWS_PER_STEP, TOKENS_PER_STEP, Size
from predictor.ladder.tokenizer import save_tokenizer

WARMUP_SHARE = 0.02
FINAL_RATE_SHARE = 0.1
WEIGHT_DECAY = 0.05
BETAS = (0.9, 0.98)
CLIP_NORM = 1.0
LOSS_WINDOW = 50
"""Steps over which a checkpoint's training loss is averaged."""
RUN_FILE = "run.json"


@dataclass(frozen=True)
class Checkpoint:
    """One saved step: tokens seen so far, and the mean training loss (nats per token) of the last steps."""

    step: int
    tokens: int
    train_loss: float
    folder: str


@dataclass(frozen=True)
class Run:
    """A finished run: what was trained, how, and what was saved; `seconds` is wall time."""

    name: str
    role: str
    params: int
    params_non_embedding: int
    hidden: int
    layers: int
    heads: int
    feed_forward: int
    peak_learning_rate: float
    seed: int
    tokens_per_step: int
    steps_planned: int
    tokens_planned: int
    checkpoints: list[Checkpoint]
    seconds: float


def read_run(folder: Path) -> Run | None:
    """Return the finished run in `folder`, or None when there is none."""
    path = folder / RUN_FILE
    if not path.exists():
        return None
    record = json.loads(path.read_text())
    record["checkpoints"] = [Checkpoint(**checkpoint) for checkpoint in record["checkpoints"]]
    return Run(**record)


def _write_checkpoint(model: LlamaForCausalLM, folder: Path) -> None:
    partial = folder.with_name(f".{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    # The run goes on in float32; what is saved is a copy in half precision.
    half = LlamaForCausalLM(model.config).to(torch.float16)
    half.load_state_dict(model.state_dict())
    half.save_pretrained(partial)
    save_tokenizer(partial, CONTEXT)
    partial.replace(folder)


def _optimizer(model: LlamaForCausalLM, size: Size) -> torch.optim.AdamW:
    matrices = [p for p in model.parameters() if p.ndim >= 2]
    gains = [p for p in model.parameters() if p.ndim < 2]
    return torch.optim.AdamW(
        [{"params": matrices, "weight_decay": WEIGHT_DECAY}, {"params": gains, "weight_decay": 0.0}],
        lr=size.peak_learning_rate,
        betas=BETAS,
        fused=True,
    )


def train(
    size: Size,
    rows: npt.NDArray[np.uint8],
    folder: Path,
    seed: int,
    report: Callable[[int, float], None] = lambda step, loss: None,
) -> Run:
    """Train `size` once over `rows` and write its checkpoints below `folder`.

    Args:
        size: what to train.
        rows: tokens, shape (steps * ROWS_PER_STEP, CONTEXT), read once in their order.
        folder: the run's folder; its checkpoints become `step_<k>` in it, and `run.json` marks it as finished.
        seed: of the initial weights.
        report: called after every step with the step and its loss.
    """
    # One thread: sums come out in the same order on every machine, and runs side by side use the cores better.
    torch.set_num_threads(1)
    torch.manual_seed(seed)
    started = time.monotonic()
    steps = len(rows) // ROWS_PER_STEP
    # What an interrupted or replaced run left is removed, or its checkpoints would stand beside the new ones.
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    model = LlamaForCausalLM(size.config())
    optimizer = _optimizer(model, size)
    schedule = get_scheduler(
        "cosine_with_min_lr",
        optimizer,
        num_warmup_steps=max(1, round(steps * WARMUP_SHARE)),
        num_training_steps=steps,
        scheduler_specific_kwargs={"min_lr_rate": FINAL_RATE_SHARE},
    )
    saved: list[Checkpoint] = []
    losses: list[float] = []
    to_save = set(size.checkpoint_steps(steps))
    for step in range(1, steps + 1):
        batch = torch.from_numpy(rows[(step - 1) * ROWS_PER_STEP : step * ROWS_PER_STEP].astype(np.int64))
        loss = model(input_ids=batch, labels=batch, use_cache=False).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), CLIP_NORM)
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()
        losses.append(loss.item())
        report(step, losses[-1])
        if step in to_save:
            target = folder / f"step_{step}"
            _write_checkpoint(model, target)
            recent = losses[-LOSS_WINDOW:]
            saved.append(
                Checkpoint(
                    step, step * TOKENS_PER_STEP, round(sum(recent) / len(recent), 4), f"{size.name}/step_{step}"
                )
            )
    run = Run(
        name=size.name,
        role=size.role,
        params=size.params,
        params_non_embedding=size.params_non_embedding,
        hidden=size.hidden,
        layers=size.layers,
        heads=size.heads,
        feed_forward=size.feed_forward,
        peak_learning_rate=size.peak_learning_rate,
        seed=seed,
        tokens_per_step=TOKENS_PER_STEP,
        steps_planned=steps,
        tokens_planned=steps * TOKENS_PER_STEP,
        checkpoints=saved,
        seconds=round(time.monotonic() - started, 1),
    )
    partial = folder / f".{RUN_FILE}.partial"
    partial.write_text(json.dumps(asdict(run), indent=2) + "\n")
    partial.replace(folder / RUN_FILE)
    return run
