"""Numbers as JSON has them."""

from __future__ import annotations

import math
from typing import Any


def json_values(value: Any) -> Any:
    """Return a value with every number that is not finite as None, whatever mappings and lists it lies in."""
    if isinstance(value, dict):
        return {str(name): json_values(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [json_values(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
