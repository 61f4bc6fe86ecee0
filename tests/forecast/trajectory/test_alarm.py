"""What raises an alarm, on numbers drawn from known distributions."""

import numpy as np
import pytest

from predictor.forecasting.trajectory.alarm import (
    BENCHMARKS,
    DRIFT,
    JUMP,
    LOSSES,
    Departures,
    Signal,
    cumulate,
    find_alarms,
    make_signal,
    pool,
)


def drawn(seed, series=20, checkpoints=4000, alike=0.0):
    random = np.random.default_rng(seed)
    common = np.sqrt(alike) * random.standard_normal(checkpoints)
    worse = common + np.sqrt(1 - alike) * random.standard_normal((series, checkpoints))
    return Departures(worse, np.zeros_like(worse), np.ones_like(worse), np.arange(checkpoints) >= checkpoints // 10)


@pytest.mark.parametrize("alike", [0.0, 0.2, 0.7])
def test_the_pooled_departure_has_unit_variance(alike):
    assert pool(drawn(0, alike=alike), 0.0, alike).std() == pytest.approx(1.0, abs=0.05)


def test_rehearsals_teach_how_alike_series_err():
    tokens = np.linspace(1, 100, 4000)
    alike = make_signal(BENCHMARKS, tokens, drawn(1, alike=0.7), [drawn(2, alike=0.7)])
    # After one rehearsal departures count 1.15 times less.
    assert alike.worse[tokens > 10].std() == pytest.approx(1 / 1.15, abs=0.2)


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
    assert (alarm.kind, alarm.since, alarm.raised) == ("drift", 4.0, 7.0)
    assert "since 4 tokens" in alarm.describe()


def test_one_benchmark_alone_far_out_is_no_alarm_among_twenty():
    worse = np.zeros((20, 30))
    worse[0, 20] = 50.0
    departures = Departures(worse, 0 * worse, 1 + 0 * worse, np.ones(30, dtype=bool))
    signal = make_signal(BENCHMARKS, np.arange(1.0, 31.0), departures, [])
    assert find_alarms(signal) == []


def test_a_run_of_independent_departures_is_hardly_ever_flagged():
    worse = np.random.default_rng(0).standard_normal((6000, 200))
    jumps = (worse.max(axis=1) > JUMP[BENCHMARKS]).mean()
    drifts = np.mean([cumulate(one).max() > DRIFT[BENCHMARKS] for one in worse])
    # 1 - Phi(4)^200 = 1 / 158; the sums' share has no closed form: 1 / 194 of 200,000 drawn runs.
    assert jumps == pytest.approx(1 / 158, abs=0.003)
    assert drifts == pytest.approx(1 / 194, abs=0.003)


def test_a_warm_up_that_went_wild_in_rehearsal_does_not_deafen_the_rest():
    tokens, run, wild = np.arange(1.0, 4001.0), drawn(4), drawn(5)
    wild.worse[:, ~wild.judged] *= 50
    calm = make_signal(BENCHMARKS, tokens, run, [drawn(5)])
    assert make_signal(BENCHMARKS, tokens, run, [wild]).worse == pytest.approx(calm.worse)
    assert np.all(calm.worse[~run.judged] == 0)


def test_a_run_harder_than_every_rehearsal_is_given_room():
    tokens, run, rehearsals = np.arange(1.0, 4001.0), drawn(6), [drawn(7)]
    signal, roomy = (make_signal(LOSSES, tokens, run, rehearsals, untried=untried) for untried in (False, True))
    assert np.abs(roomy.worse).max() == pytest.approx(np.abs(signal.worse).max() * 1.15 / 3, rel=0.1)


def test_a_drift_of_few_benchmarks_adds_less_than_one_of_all():
    worse = np.zeros((16, 30))
    worse[0, 10:20] = 2.5
    # From checkpoint 10 to 20 one benchmark alone is scored.
    worse[1:, 10:20] = np.nan
    departures = Departures(worse, np.zeros((16, 30)), np.ones((16, 30)), np.ones(30, dtype=bool))
    signal = make_signal(BENCHMARKS, np.arange(1.0, 31.0), departures, [])
    assert signal.worse[15] == pytest.approx(2.5)
    assert find_alarms(signal) == []
    everywhere = Departures(np.nan_to_num(worse, nan=2.5), departures.certain, departures.weight, departures.judged)
    assert find_alarms(make_signal(BENCHMARKS, np.arange(1.0, 31.0), everywhere, []))
