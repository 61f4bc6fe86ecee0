"""Attention kernels of torch that also return the log-sum-exp of their scores, under names of ours.

torch does not promise their signatures. Tried on a CPU with torch 2.6 and 2.13; those for CUDA were not run yet.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from predictor.errors import EvaluationError


def _kernel(name: str) -> Callable[..., Any]:
    try:
        found: Callable[..., Any] = getattr(torch.ops.aten, name)
    except AttributeError:
        raise EvaluationError(
            f"torch {torch.__version__} has no {name}, which the scorer uses",
            "install torch 2.6 to 2.13",
        ) from None
    return found


CPU_SHARES_KEYS = tuple(map(int, torch.__version__.split(".")[:2])) >= (2, 13)
"""Whether `flash_on_cpu` takes keys that several heads share; that of torch 2.6 reads beyond their end."""

flash_on_cpu = _kernel("_scaled_dot_product_flash_attention_for_cpu")
"""(query, key, value, dropout, causal, *, attn_mask, scale) -> output, log-sum-exp."""

flash_on_cuda = _kernel("_scaled_dot_product_flash_attention")
"""(query, key, value, dropout, causal, *, scale) -> output, log-sum-exp, and more."""

efficient_on_cuda = _kernel("_scaled_dot_product_efficient_attention")
"""(query, key, value, bias, with log-sum-exp, dropout, causal, *, scale) -> output, log-sum-exp, and more."""
