"""The unit in which fits read sizes, tokens and compute: the middle of what was observed."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def geometric_mean(values: NDArray[np.float64]) -> float:
    """Give the middle of positive values on a logarithmic scale.

    scipy.stats has it too, but importing that takes longer than a whole query.
    """
    return float(np.exp(np.mean(np.log(values))))
