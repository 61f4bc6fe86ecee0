"""Values as JSON has them."""

from __future__ import annotations

import math
from typing import Any


def to_plain(value: Any) -> Any:
    """Return a value with tuples as lists and with null for numbers that are not finite."""
    if isinstance(value, (tuple, list)):
        return [to_plain(part) for part in value]
    if isinstance(value, dict):
        return {str(name): to_plain(part) for name, part in value.items()}
    return None if isinstance(value, float) and not math.isfinite(value) else value
