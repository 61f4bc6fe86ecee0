"""What the scorer uses of lm-eval beyond its documented API, under names of ours.

Tried with lm-eval 0.4.9.2, 0.4.10, 0.4.11, 0.4.12 and 0.4.13. Older ones encode prompts in another way.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from importlib.metadata import version
from typing import Any

from lm_eval.models import utils

from predictor.errors import EvaluationError


def _function(name: str) -> Callable[..., Any]:
    try:
        found: Callable[..., Any] = getattr(utils, name)
    except AttributeError:
        raise EvaluationError(
            f"lm-eval {version('lm-eval')} has no {name}, which the scorer uses",
            "install lm-eval 0.4.9.2 to 0.4.13",
        ) from None
    return found


_special_tokens = _function("_add_special_kwargs")
_has_bos_prefix = _function("has_bos_prefix")
_stop_sequences = _function("handle_stop_sequences")
_cut_answer = _function("postprocess_generated_text")
# Before 0.4.10 there was none.
_normalize = getattr(utils, "normalize_gen_kwargs", None)


def special_tokens(wanted: bool | None, add_bos: bool | None) -> dict[str, Any]:
    """Return the tokenizer's options by which lm-eval adds special tokens to a text."""
    options: dict[str, Any] = _special_tokens(wanted, add_bos)
    return options


def begins_with(text: str, token: str | Iterable[str] | None) -> bool:
    """Return whether a text begins with a begin-of-sequence token already."""
    return bool(_has_bos_prefix(text, token))


def stop_sequences(until: str | list[str] | None, end: str) -> list[str]:
    """Return a request's stop sequences, with the end of text among them."""
    found: list[str] = _stop_sequences(until, end)
    return found


def generation_options(options: dict[str, Any], most_new: int) -> dict[str, Any] | None:
    """Return a request's options in one form, or None where this lm-eval leaves them as they are (before 0.4.10)."""
    return None if _normalize is None else dict(_normalize(options, most_new))


def cut_answer(text: str, until: list[str]) -> str:
    """Return an answer up to its first stop sequence."""
    cut: str = _cut_answer(text, until, None)
    return cut


def wants_thinking(lm: Any) -> bool:
    """Return whether an `hf` was asked to think before it answers (lm-eval 0.4.12 and later)."""
    return bool(getattr(lm, "enable_thinking", False))
