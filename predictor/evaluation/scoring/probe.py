"""Whether a model can be scored as a tree: a few short requests are scored both ways, and must give the same."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch

from predictor.evaluation.scoring.encoding import model_inputs
from predictor.evaluation.scoring.forward import TreeForward
from predictor.evaluation.scoring.tree import build_tree

# Largest difference of a log-likelihood in float32.
TOLERANCE = 1e-4
# Where the memory is too short for single precision, both ways round: the difference must be this small beside what one
# other token in the context does.
_SHARE_OF_EFFECT = 0.25
# In single precision one other token must do this many times the tolerance, or a wrong mask would not be seen.
_SEEN = 100
_EVERY = 3
# What models do to their logits, which is hardly seen while these are small: the value at which it is nothing.
_OF_LOGITS = {
    "final_logit_softcapping": None,
    "logit_scale": 1.0,
    "logits_scaling": 1.0,
    "lm_head_multiplier": 1.0,
    "logits_soft_cap": None,
}
# These rescale positions by the longest sequence of a batch, so that scores depend on what is batched together.
_BATCH_DEPENDENT_ROPE = ("dynamic", "longrope")
# What a configuration says of the checkpoint and not of the architecture.
_NOT_ARCHITECTURE = ("_name_or_path", "transformers_version", "dtype", "torch_dtype")

_known: dict[str, str | None] = {}


def why_not(lm: Any) -> str | None:
    """Say why a model cannot be scored as a tree, or None if it can.

    It is looked at once per architecture in a process, except where weights do not tell: those of a model that has
    learnt nothing yet or is broken speak for themselves alone.

    Args:
        lm: a `TreeLM`, whose `hf_scores` are those of lm-eval's `hf`.
    """
    key = _architecture(lm)
    if key not in _known:
        reason, certain = _look(lm)
        if not certain:
            return reason
        _known[key] = reason
    return _known[key]


def _architecture(lm: Any) -> str:
    config = {name: value for name, value in lm.config.to_dict().items() if name not in _NOT_ARCHITECTURE}
    return json.dumps(
        [type(lm.model).__name__, config, str(lm.model.dtype), str(lm.device), str(lm.mixed_precision_dtype)],
        default=str,
        sort_keys=True,
    )


def _look(lm: Any) -> tuple[str | None, bool]:
    """The reason or None, and whether it holds for every checkpoint of this architecture."""
    if lm.backend != "causal":
        return "it is no causal language model", True
    if lm.mixed_precision_dtype is not None:
        return "it runs in mixed precision", True
    if len(set(getattr(lm.model, "hf_device_map", {}).values())) > 1:
        return "it is spread over several devices", True
    config = lm.config.get_text_config()
    dependent = sorted(_rope_types(config).intersection(_BATCH_DEPENDENT_ROPE))
    if dependent:
        return f"its positions ({', '.join(dependent)}) depend on what is batched together", True
    for name, nothing in _OF_LOGITS.items():
        if getattr(config, name, nothing) not in (nothing, None):
            return f"its logits are changed by {name}", True
    requests, changed = _requests(lm)
    inputs, scored = model_inputs(requests, lm.max_length)
    with _single_precision(lm.model) as single:
        try:
            # Short rows with little below a node, so that trunks, branches and rows of several trees all occur.
            found = TreeForward(lm.model, row_tokens=48, most_below=8).score(build_tree(inputs, scored))
        except torch.OutOfMemoryError:
            raise
        except Exception as error:
            # Whatever a model's code makes of a row: it cannot take one.
            return f"it cannot take a tree: {str(error).splitlines()[0] if str(error) else type(error).__name__}", True
        tree = np.array([value for value, _ in found])
        hf = np.array([value for value, _ in lm.hf_scores(requests)])
        if not np.isfinite(hf).all():
            return "its log-likelihoods are not finite", False
        difference = float(np.abs(tree - hf).max())
        differs = f"its log-likelihoods differ from those of hf by {difference:.2g}"
        if not _heads_agree(lm):
            return "its logits are more than its output embeddings make of the last hidden states", True
        # Some of them tell as well as all what a token does, and this is asked of `hf`, which is slow.
        effect = float(np.median(np.abs(hf[::_EVERY] - [value for value, _ in lm.hf_scores(changed[::_EVERY])])))
    if single:
        # A model whose context does nothing yet scores the same under any mask.
        return (None, effect >= _SEEN * TOLERANCE) if difference <= TOLERANCE else (differs, True)
    # Of an untrained model the context may matter less than rounding does: a later checkpoint can tell more.
    agrees = bool(np.median(np.abs(tree - hf)) <= _SHARE_OF_EFFECT * effect)
    return (None, True) if agrees else (differs, False)


def _rope_types(config: Any) -> set[str]:
    """The kinds of rotary positions of a model: of all its layers, or of each kind of them."""
    given = getattr(config, "rope_parameters", None) or getattr(config, "rope_scaling", None) or {}
    several = [given, *(one for one in given.values() if isinstance(one, dict))]
    return {str(one.get("rope_type", one.get("type"))) for one in several}


def _heads_agree(lm: Any) -> bool:
    """Whether a model's logits are its output embeddings times its last hidden states, but for rounding."""
    tokens = torch.arange(1, 9, device=lm.device).unsqueeze(0)
    with torch.inference_mode():
        theirs = lm.model(tokens).logits.float()
        ours = lm.model.get_output_embeddings()(lm.model.base_model(tokens).last_hidden_state).float()
    room = 8 * torch.finfo(lm.model.dtype).eps * theirs.abs().max()
    return bool((theirs - ours).abs().max() <= room)


@contextmanager
def _single_precision(model: Any) -> Iterator[bool]:
    """Hold a model's weights in single precision, and say whether there was the memory for it.

    What is decided there holds for every checkpoint. In half precision the rounding of two right ways differs by more
    than a wrong mask does on an untrained model, and which way a checkpoint was scored would depend on which was first.
    """
    weights = [one for one in model.parameters() if one.is_floating_point() and one.dtype.itemsize < 4]
    before = [one.data for one in weights]
    try:
        try:
            for one in weights:
                one.data = one.data.float()
            single = True
        except torch.OutOfMemoryError:
            for one, data in zip(weights, before, strict=True):
                one.data = data
            single = False
        yield single
    finally:
        # Only the weights were touched: buffers such as the rotary frequencies keep their own precision.
        for one, data in zip(weights, before, strict=True):
            one.data = data


def _requests(lm: Any) -> tuple[list[tuple[list[int], list[int]]], list[tuple[list[int], list[int]]]]:
    """Requests that share prefixes and answers in all ways, and the same with the second token of each changed."""
    generator = np.random.default_rng(0)
    vocabulary = min(lm.model.get_input_embeddings().num_embeddings, len(lm.tokenizer))

    def draw(count: int) -> list[int]:
        return [int(token) for token in generator.integers(0, vocabulary, count)]

    room = max(2, min(12, lm.max_length // 2))
    prefix, requests = draw(room), []
    for question in (draw(3), draw(5), draw(2)):
        requests += [(prefix + question, draw(answer)) for answer in (1, 1, 2, 3)]
    for _ in range(2):
        context = draw(room - 1)
        requests += [(context, draw(answer)) for answer in (1, 3)]
    requests.append((prefix[: room // 2], draw(2)))
    other = (prefix[1] + 1) % vocabulary
    return requests, [
        ([context[0], other, *context[2:]] if len(context) > 1 else [other], scored) for context, scored in requests
    ]
