"""The ladder of the report's tests: its target, its law, and names that would break a careless page."""

from __future__ import annotations

import numpy as np

HOSTILE = "<script>alert('task')</script>"
HOSTILE_RUN = '<img src="https://example.org/x.png">'
PARAMS, TOKENS = 1e9, 2e10


def law(params: float, tokens: float, middle: float) -> float:
    """Score from 25 % at chance towards 85 %, half-way at 10^middle FLOPs."""
    return 0.25 + 0.60 / (1 + 10 ** (middle - np.log10(6 * params * tokens)))
