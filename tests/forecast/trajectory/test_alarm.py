"""What raises an alarm, on numbers drawn from known distributions."""

import numpy as np
import pytest

from predictor.forecast.trajectory.alarm import BENCHMARKS, Departures, Signal, cumulate, find_alarms, make_signal, pool


def drawn(seed, series=20, checkpoints=4000, alike=0.0):
    random = np.random.default_rng(seed)
    common = np.sqrt(alike) * random.standard_normal(checkpoints)
    worse = common + np.sqrt(1 - alike) * random.standard_normal((series, checkpoints))
    return Departures(worse, np.zeros_like(worse), np.ones_like(worse))


@pytest.mark.parametrize("alike", [0.0, 0.2, 0.7])
def test_the_pooled_departure_has_unit_variance(alike):
    assert pool(drawn(0, alike=alike), 0.0, alike).std() == pytest.approx(1.0, abs=0.05)


def test_rehearsals_teach_how_alike_series_err():
    tokens = np.linspace(1, 100, 4000)
    alike = make_signal(BENCHMARKS, tokens, drawn(1, alike=0.7), [drawn(2, alike=0.7)], 100)
    assert alike.worse[tokens > 10].std() == pytest.approx(1.0, abs=0.2)


def test_missing_series_do_not_count():
    departures = drawn(3)
    departures.worse[5:] = np.nan
    assert pool(departures, 0.0, 0.0).std() == pytest.approx(1.0, abs=0.05)


def test_the_sum_forgets_what_went_well():
    assert cumulate(np.array([3.0, -5.0, 2.0, 2.0])) == pytest.approx([2.0, 0.0, 1.0, 2.0])


def test_a_drift_began_after_the_sum_was_last_zero():
    worse = np.array([0.0, 0.0, 0.0, 2.5, 2.5, 2.5, 2.5, 2.5, 2.5])
    signal = Signal(BENCHMARKS, np.arange(1.0, 10.0), worse, cumulate(worse))
    (alarm,) = find_alarms(signal)
    assert (alarm.kind, alarm.since, alarm.raised) == ("drift", 4.0, 9.0)
    assert "since 4 tokens" in alarm.describe()


def test_one_benchmark_alone_far_out_is_no_alarm_among_twenty():
    worse = np.zeros((20, 30))
    worse[0, 20] = 50.0
    signal = make_signal(BENCHMARKS, np.arange(1.0, 31.0), Departures(worse, 0 * worse, 1 + 0 * worse), [], 30.0)
    assert find_alarms(signal) == []
