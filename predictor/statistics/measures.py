"""What can be compared of a benchmark.

| measure | meaning | of items | of a table |
|---|---|---|---|
| score | the headline metric | `correct` | the headline metric |
| bpb | bits per byte of the right answer, or of a held-out text; lower is better | `bpb` | `bpb` |
| nll_answer | nats of the right answer; lower is better | `nats` | `nll_answer` |
| probability | of the right choice among the choices | `probability` | `probability`, `soft` |
| margin | nats between the right choice and the best wrong one | `margin` | `margin` |

Continuous measures move long before answers flip, so they see a difference with far fewer items.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from predictor.errors import UnknownNameError


@dataclass(frozen=True)
class Measure:
    """One of them.

    Attributes:
        name: as it is asked for.
        of_items: the item's value.
        of_tables: metrics of a results table that are the same, the first that is there.
        higher_is_better: its direction; of the score that of the metric.
    """

    name: str
    of_items: str
    of_tables: tuple[str, ...]
    higher_is_better: bool


MEASURES = {
    measure.name: measure
    for measure in (
        Measure("score", "correct", (), True),
        Measure("bpb", "bpb", ("bpb",), False),
        Measure("nll_answer", "nats", ("nll_answer", "nll"), False),
        Measure("probability", "probability", ("probability", "soft"), True),
        Measure("margin", "margin", ("margin",), True),
    )
}
DEFAULT = ("score", "bpb")
# Where a source has no bytes, nats stand in for bits per byte.
INSTEAD = {"bpb": "nll_answer"}


def check_measures(names: Sequence[str]) -> None:
    """Refuse measures that do not exist.

    Raises:
        UnknownNameError: there is no such measure.
    """
    for name in names or [""]:
        if name not in MEASURES:
            raise UnknownNameError("measure", name, MEASURES)
