"""Schedules: how far a rate has fallen, what a table states, and what it does not."""

import numpy as np
import pandas as pd
import pytest

from predictor.errors import InputError, UnknownNameError
from predictor.forecasting.trajectory.schedule import Schedule, read_schedules

SHARE = np.array([0.0, 0.5, 0.8, 0.9, 1.0])


def table(**columns):
    rows = pd.DataFrame({"family": ["f"], "run": ["a"], "tokens_planned": pd.array([100], dtype="Int64")})
    return rows.assign(**columns)


def test_the_annealing_area_follows_the_fall_of_the_rate():
    # With a short memory the area grows as the rate has fallen: 1 - cos for a cosine, a straight line for wsd.
    assert Schedule("cosine").annealed(SHARE) == pytest.approx((1 - np.cos(np.pi * SHARE)) / 2, abs=0.02)
    assert Schedule("wsd", 0.2).annealed(SHARE) == pytest.approx([0, 0, 0, 0.5, 1], abs=0.06)
    assert Schedule("linear").annealed(SHARE) == pytest.approx(SHARE, abs=0.02)
    assert np.all(Schedule("constant").annealed(SHARE) == 0)


def test_columns_state_a_schedule_and_a_plan_alone_leaves_its_shape_open():
    runs = [("f", "a")]
    assert read_schedules(table(schedule="WSD", decay_share=0.1), runs) == (Schedule("wsd", 0.1),)
    assert read_schedules(table(), runs) == (None,)
    assert read_schedules(table(tokens_planned=pd.array([pd.NA], dtype="Int64")), runs) == (Schedule("constant"),)


def test_what_is_no_schedule_is_refused():
    with pytest.raises(UnknownNameError, match="cosin"):
        read_schedules(table(schedule="cosin"), [("f", "a")])
    with pytest.raises(InputError, match="decay_share is 2"):
        read_schedules(table(schedule="wsd", decay_share=2.0), [("f", "a")])
