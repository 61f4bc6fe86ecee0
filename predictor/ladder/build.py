"""Builds a whole ladder: trains the runs that are missing, side by side, and has them described."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from pathlib import Path
from queue import Empty, Queue

import transformers

from predictor.errors import InputError
from predictor.ladder.describe import describe
from predictor.ladder.sizes import CONTEXT, DEFAULT_TOKENS, ROWS_PER_STEP, SIZES, TOKENS_PER_STEP, Size
from predictor.ladder.text import token_rows
from predictor.ladder.train import Run, read_run, train

REPORT_EVERY = 50
"""Steps between two reports of progress."""

Progress = Callable[[str, int, int, float], None]
"""Called with a run's name, its step, its last step, and the loss (nats per token)."""


def _train_one(size: Size, folder: Path, steps: int, seed: int, reports: Queue[tuple[str, int, float]]) -> Run:
    transformers.utils.logging.disable_progress_bar()
    # Every size reads the same rows in the same order, so that runs differ in nothing but their size.
    rows = token_rows(seed, steps * ROWS_PER_STEP, CONTEXT)

    def report(step: int, loss: float) -> None:
        if step % REPORT_EVERY == 0 or step == steps:
            reports.put((size.name, step, loss))

    return train(size, rows, folder, seed, report)


def _train_all(sizes: Sequence[Size], out: Path, steps: int, seed: int, workers: int, progress: Progress) -> list[Run]:
    # Spawned, because a forked copy of torch's thread pool can hang.
    context = multiprocessing.get_context("spawn")
    with context.Manager() as manager, ProcessPoolExecutor(workers, mp_context=context) as pool:
        reports: Queue[tuple[str, int, float]] = manager.Queue()
        # The largest first: a long run that starts last would leave the other cores idle.
        ordered = sorted(sizes, key=lambda size: -size.params)
        futures = [pool.submit(_train_one, size, out / size.name, steps, seed, reports) for size in ordered]
        waiting: set[Future[Run]] = set(futures)
        while waiting:
            done, waiting = wait(waiting, timeout=1.0, return_when=FIRST_COMPLETED)
            try:
                while True:
                    name, step, loss = reports.get_nowait()
                    progress(name, step, steps, loss)
            except Empty:
                pass
            for future in done:
                future.result()
        return [future.result() for future in futures]


def build(
    out: Path,
    sizes: Sequence[Size] = SIZES,
    tokens: int = DEFAULT_TOKENS,
    seed: int = 0,
    workers: int | None = None,
    force: bool = False,
    progress: Progress = lambda name, step, steps, loss: None,
    command: str = "",
) -> list[Run]:
    """Train the runs that are missing below `out`, and describe all that are there.

    Args:
        out: folder of the ladder; each run gets a folder in it.
        sizes: what to train.
        tokens: end of every run's schedule, in tokens; a last, partly filled step is left out.
        seed: of the text and of the initial weights.
        workers: runs trained side by side, one core each; None takes up to two.
        force: train finished runs anew.
        progress: called now and then while runs train.
        command: how this was asked for, to be written down.

    Returns:
        The runs that were trained now.

    Raises:
        InputError: `tokens` is less than one step.
    """
    steps = tokens // TOKENS_PER_STEP
    if steps < 1:
        raise InputError(f"{tokens} tokens are less than one step", f"ask for at least {TOKENS_PER_STEP}")
    missing = [size for size in sizes if force or read_run(out / size.name) is None]
    if not missing:
        return []
    trained = _train_all(missing, out, steps, seed, workers or min(2, os.cpu_count() or 1), progress)
    describe(out, command)
    return trained
