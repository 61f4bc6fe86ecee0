"""Which of a run's checkpoints are scored."""

import pytest

from predictor.checkpoints.selection import select
from predictor.scheduling import Selection

STEPS = list(range(1000, 17_000, 1000))


@pytest.mark.parametrize(
    ("rule", "chosen"),
    [
        ({}, STEPS),
        # Counted from the end, so that the latest is among them.
        ({"every": 5}, [1000, 6000, 11_000, 16_000]),
        ({"last": 2}, [15_000, 16_000]),
        # 1, 2, 4, 8, 16: even in the logarithm.
        ({"log_spaced": 5}, [1000, 2000, 4000, 8000, 16_000]),
        ({"every": 5, "last": 1, "pinned": (3000,)}, [3000, 16_000]),
        ({"pinned": (99,)}, STEPS),
    ],
)
def test_rules(rule, chosen):
    assert select(STEPS, Selection(**rule)) == chosen


def test_nothing_to_choose_from():
    assert select([], Selection(every=2, log_spaced=3, last=1)) == []
    assert select([0, 5], Selection(log_spaced=2)) == [0, 5]
