"""Silence for what other packages print and warn of: into a log, or nowhere."""

from __future__ import annotations

import contextlib
import logging
import os
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

_TALKERS = ("lm_eval", "transformers", "datasets", "accelerate", "py.warnings")


@contextlib.contextmanager
def quiet(log: Path | None) -> Iterator[None]:
    """Send what other packages print and warn of to a file, or nowhere where it is None."""
    with contextlib.ExitStack() as stack:
        target = stack.enter_context(Path(log or os.devnull).open("a", encoding="utf-8"))
        handler = logging.StreamHandler(target)
        handler.setLevel(logging.WARNING)
        handler.setFormatter(logging.Formatter("%(asctime)s %(name)s: %(message)s"))
        for name in _TALKERS:
            stack.callback(_give_to(handler, logging.getLogger(name)))
        stack.enter_context(contextlib.redirect_stdout(target))
        stack.enter_context(contextlib.redirect_stderr(target))
        stack.enter_context(warnings.catch_warnings())
        warnings.simplefilter("default")
        logging.captureWarnings(True)
        stack.callback(logging.captureWarnings, False)
        yield


def _give_to(handler: logging.Handler, logger: logging.Logger) -> Callable[[], None]:
    """Have a handler, and no other, take a logger's warnings; what is returned undoes it."""
    level, propagate, handlers = logger.level, logger.propagate, list(logger.handlers)
    logger.propagate, logger.handlers = False, [handler]
    # Each change of a level empties a cache of every logger there is: most have the right one by inheritance.
    changed = logger.getEffectiveLevel() != logging.WARNING
    if changed:
        logger.setLevel(logging.WARNING)

    def undo() -> None:
        logger.propagate, logger.handlers = propagate, handlers
        if changed:
            logger.setLevel(level)

    return undo
