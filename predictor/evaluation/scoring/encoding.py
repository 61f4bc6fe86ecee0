"""Tokens of requests, exactly as lm-eval's `hf` model encodes them, but in batches and each text once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from lm_eval import utils

from predictor.evaluation.scoring.lm_eval_internals import begins_with, special_tokens

Encoded = tuple[np.ndarray, np.ndarray]
_BATCH = 1000


def encode_pairs(lm: Any, pairs: Sequence[tuple[str, str]]) -> list[Encoded]:
    """Encode contexts and continuations as `HFLM.loglikelihood` does.

    Args:
        lm: an `HFLM`.
        pairs: context and continuation of each request; a context may be empty.

    Returns:
        the tokens of each context and of each continuation, int32.
    """
    moved = [_move_spaces(*pair) for pair in pairs]
    contexts = _encode(lm, (context for (context, _), (given, _) in zip(moved, pairs, strict=True) if given), None)
    wholes = _encode(
        lm, (context + rest for (context, rest), (given, _) in zip(moved, pairs, strict=True) if given), None
    )
    alone = _encode(lm, (continuation for context, continuation in pairs if not context), False)
    return [
        _split(contexts[context], wholes[context + rest]) if given else _after_prefix(lm, alone[rest])
        for (context, rest), (given, _) in zip(moved, pairs, strict=True)
    ]


def _split(context: np.ndarray, whole: np.ndarray) -> Encoded:
    return context, whole[len(context) :]


def _after_prefix(lm: Any, tokens: np.ndarray) -> Encoded:
    """What is scored without a context comes after the prefix token; where it begins with that, after itself."""
    if lm.prefix_token_id == tokens[0]:
        return tokens[:1], tokens[1:]
    return np.array([lm.prefix_token_id], dtype=np.int32), tokens


def encode_prompts(lm: Any, texts: Sequence[str], longest: int) -> list[np.ndarray]:
    """Encode prompts of generated answers as `HFLM.tok_batch_encode` does, cut from the left to `longest` tokens."""
    unique = list(dict.fromkeys(texts))
    begun = [text for text in unique if begins_with(text, getattr(lm.tokenizer, "bos_token", None))]
    known = set(begun)
    rest = [text for text in unique if text not in known]
    encoded = _in_batches(lm, begun, {"add_special_tokens": False})
    encoded |= _in_batches(lm, rest, special_tokens(None, lm.add_bos_token))
    return [encoded[text][-longest:] for text in texts]


def encode_windows(lm: Any, texts: Sequence[str]) -> tuple[list[Encoded], list[int]]:
    """Cut texts into the windows that `HFLM.loglikelihood_rolling` scores.

    Returns:
        all windows, one text's after the other's, and the number of windows of each text.
    """
    tokens = _encode(lm, texts, None)
    windows: list[Encoded] = []
    counts: list[int] = []
    for text in texts:
        found = [
            utils.make_disjoint_window(window)
            for window in utils.get_rolling_token_windows(
                token_list=tokens[text].tolist(),
                prefix_token=lm.prefix_token_id,
                max_seq_len=lm.max_length,
                context_len=1,
            )
        ]
        windows.extend((np.array(above, np.int32), np.array(scored, np.int32)) for above, scored in found)
        counts.append(len(found))
    return windows, counts


def model_inputs(encoded: Iterable[tuple[Any, Any]], max_length: int) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """What the model reads and what is scored, cut from the left to `max_length` tokens as `hf` cuts.

    Returns:
        each request's input, which lacks the last token, and its scored tokens.
    """
    inputs, scored = [], []
    for context, continuation in encoded:
        assert 0 < len(continuation) <= max_length, "a continuation is empty or longer than the model's context"
        assert len(context) > 0
        whole = np.concatenate([np.asarray(context, np.int32), np.asarray(continuation, np.int32)])
        inputs.append(whole[-(max_length + 1) :][:-1])
        scored.append(whole[len(context) :])
    return inputs, scored


def _move_spaces(context: str, continuation: str) -> tuple[str, str]:
    """Move a context's trailing spaces to its continuation, as lm-eval does."""
    bare = context.rstrip()
    return bare, context[len(bare) :] + continuation


def _encode(lm: Any, texts: Iterable[str], special: bool | None) -> dict[str, np.ndarray]:
    """`HFLM.tok_encode` of each text."""
    unique = list(dict.fromkeys(texts))
    if not lm.tokenizer.is_fast:
        return {text: np.array(lm.tok_encode(text, add_special_tokens=special), np.int32) for text in unique}
    prefix = lm.tokenizer.decode(lm.prefix_token_id)
    begun = [text for text in unique if special is None and begins_with(text, prefix)]
    rest = unique if not begun else [text for text in unique if not begins_with(text, prefix)]
    return _in_batches(lm, begun, {"add_special_tokens": False}) | _in_batches(
        lm, rest, special_tokens(special, lm.add_bos_token)
    )


def _in_batches(lm: Any, texts: Sequence[str], options: dict[str, Any]) -> dict[str, np.ndarray]:
    encoded: dict[str, np.ndarray] = {}
    for start in range(0, len(texts), _BATCH):
        batch = list(texts[start : start + _BATCH])
        found = lm.tokenizer(batch, return_attention_mask=False, **options)["input_ids"]
        encoded |= {text: np.array(tokens, np.int32) for text, tokens in zip(batch, found, strict=True)}
    return encoded
