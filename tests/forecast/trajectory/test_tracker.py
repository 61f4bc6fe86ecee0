"""A run held against its forecast."""

import numpy as np
import pandas as pd
import pytest

from predictor.errors import ForecastError, UnknownNameError
from predictor.forecast.trajectory import track


def spike(step):
    return 0.3 * np.exp(-(step - 15) / 1.5) if step >= 15 else 0.0


def defect(step):
    return 0.25 * min((step - 14) / 8, 1.0) if step > 14 else 0.0


def test_an_undisturbed_run_is_on_its_path_and_its_end_is_foreseen(draw_runs, results_of):
    whole = track(results_of(draw_runs()), "run-4")
    early = track(results_of(draw_runs(upto=6)), "run-4")
    assert early.alarms == whole.alarms == ()
    assert early.end == pytest.approx(3.2e9)
    for before, after in zip(early.series, whole.series, strict=True):
        truth = after.observed[-1]
        assert before.final.median[-1] == pytest.approx(truth, abs=0.03 * (5 if before.series.is_loss else 1))
        assert before.final.lower["95"][-1] - 0.02 <= truth <= before.final.upper["95"][-1] + 0.02
        # The more was seen, the narrower.
        assert np.ptp([after.final.lower["80"][-1], after.final.upper["80"][-1]]) < np.ptp(
            [after.final.lower["80"][0], after.final.upper["80"][0]]
        )


def test_a_spike_is_flagged_at_once(draw_runs, results_of):
    found = track(results_of(draw_runs(spike)), "run-4")
    assert {"jump"} <= {alarm.kind for alarm in found.alarms}
    assert found.alarms[0].raised == pytest.approx(3.2e9 * 15 / 30)


def test_a_benchmark_that_stands_still_does_not_hide_a_spike(draw_runs, results_of):
    frame = draw_runs(spike)
    frame = frame[~frame["task"].str.startswith("loss:")]
    still = frame[frame["task"] == "task_0"].assign(task="still", value=0.365)
    found = track(results_of(pd.concat([frame, still])), "run-4")
    assert {"jump"} <= {alarm.kind for alarm in found.alarms}


def test_a_benchmark_that_stood_still_is_followed_where_it_moves_after_all(draw_runs, results_of):
    frame = draw_runs()
    frame = frame[~frame["task"].str.startswith("loss:")]
    still = frame[frame["task"] == "task_0"].assign(task="still", value=0.365)
    still.loc[still["run"].eq("run-4") & (still["step"] >= 15), "value"] = 0.33
    found = track(results_of(pd.concat([frame, still])), "run-4", tasks=["still"])
    (one,) = found.series
    assert found.alarms == ()
    assert -5 < one.deviation.min() < -2
    assert -5 < one.deviation_before.min() < -2
    assert one.final.lower["80"][-1] < 0.33 < one.final.upper["80"][-1]


def test_a_slow_defect_is_flagged_and_dated(draw_runs, results_of):
    found = track(results_of(draw_runs(defect)), "run-4")
    assert found.alarms
    step = found.alarms[0].raised / 3.2e9 * 30
    assert 15 <= step <= 20
    assert 13 <= found.alarms[0].since / 3.2e9 * 30 <= step


def test_a_run_better_than_its_forecast_is_no_alarm(draw_runs, results_of):
    assert track(results_of(draw_runs(lambda step: -0.3 if step > 14 else 0.0)), "run-4").alarms == ()


def test_the_choice_of_tasks_changes_no_verdict(draw_runs, results_of):
    results = results_of(draw_runs(spike))
    some = track(results, "run-4", tasks=["task_0"])
    assert [one.series.task for one in some.series] == ["task_0"]
    assert some.alarms == track(results, "run-4").alarms


def test_what_cannot_be_tracked_is_said(draw_runs, results_of):
    frame = draw_runs()
    results = results_of(frame)
    with pytest.raises(UnknownNameError, match="unknown run 'run-9'"):
        track(results, "run-9")
    with pytest.raises(ForecastError, match="beyond the end given"):
        track(results, "run-4", tokens=1e9)
    with pytest.raises(ForecastError, match="1 other runs"):
        track(results_of(frame[frame["run"].isin(["run-0", "run-4"])]), "run-4")


def test_the_spike_that_gemstones_document_is_found(testbed):
    from predictor.results import read_results

    found = track(read_results(testbed("gemstones")), "1024x28")
    # Its README: at step 28,620 a spike in every held-out loss.
    losses = next(one for one in found.series if one.series.is_loss)
    assert int(losses.step[losses.tokens == found.alarms[0].since][0]) == 28_620
