"""A run held against its forecast."""

import numpy as np
import pandas as pd
import pytest

from predictor.errors import ForecastError, UnknownNameError
from predictor.forecasting.trajectory import track


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
    assert one.deviation.min() < -2
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


def ended(draw_runs, results_of, cooled, seed=0):
    """Track a run at its end whose benchmarks rise in the last fifth by more than any other run's."""
    frame = draw_runs(seed=seed)
    late = frame["run"].eq("run-4") & (frame["step"] > 24) & ~frame["task"].str.startswith("loss:")
    frame.loc[late, "value"] += cooled * (frame["step"] - 24) / 6
    return track(results_of(frame), "run-4")


@pytest.mark.parametrize("cooled", [0.0, 0.2])
def test_at_its_end_a_run_ends_where_it_was_measured(draw_runs, results_of, cooled):
    for series in ended(draw_runs, results_of, cooled).series:
        assert series.final.median[-1] == pytest.approx(series.observed[-1], rel=1e-6)
        assert series.final.lower["95"][-1] < series.observed[-1] < series.final.upper["95"][-1]
        # The error of a measurement: drawn with 0.8 points for benchmarks and 0.2% for losses.
        width = np.ptp([series.final.lower["80"][-1], series.final.upper["80"][-1]]) / (2 * 1.2816)
        assert width < (0.02 if series.series.is_loss else 0.03)


def test_the_case_of_a_cool_down_that_no_other_run_had():
    """The runs of ../shared/cases/track_at_the_end, made by its own script."""
    import subprocess
    import sys
    from pathlib import Path

    case = Path(__file__).parents[4] / "shared" / "cases" / "track_at_the_end" / "run.sh"
    if not case.exists():
        pytest.skip("needs ../shared/cases")
    import os

    command = {**os.environ, "PREDICTOR": f"{sys.executable} -m predictor"}
    done = subprocess.run(["bash", str(case)], env=command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_before_the_run_it_is_the_forecast(draw_runs, results_of):
    from predictor.forecasting import forecast

    frame = draw_runs()
    found = track(results_of(frame), "run-4")
    alone = forecast(results_of(frame[frame["run"] != "run-4"]), 1.6e8, 3.2e9)
    by_task = {one.task: one for one in alone.forecasts}
    for series in found.series:
        if not series.series.is_loss:
            made = by_task[series.series.task]
            assert series.final.median[0] == pytest.approx(made.median)
            assert series.final.lower["80"][0] == pytest.approx(made.intervals["80"][0])


def test_nothing_of_a_runs_future_moves_what_was_said_before(draw_runs, results_of):
    whole = track(results_of(draw_runs(defect)), "run-4")
    early = track(results_of(draw_runs(defect, upto=12)), "run-4")
    for before, after in zip(early.series, whole.series, strict=True):
        assert before.final.median == pytest.approx(after.final.median[:13], rel=1e-6)
        assert before.final.upper["80"] == pytest.approx(after.final.upper["80"][:13], rel=1e-6)


def test_relatives_teach_the_jump_of_the_cool_down(testbed):
    """After half of its constant rate, a run's end is forecast far above its last score, where it does end."""
    from predictor.results import read_results

    results = read_results(testbed("open_sci_ref"))
    found = track(results, "osr-1.3b-dclm-300b", tasks=["hellaswag", "arc_easy"])
    assert found.schedule == "wsd with 20% of cool-down"
    for series in found.series:
        half = int((series.tokens <= 0.5 * found.end).sum())
        truth = series.observed[-1]
        assert truth - series.observed[half - 1] > 0.04
        assert series.final.median[half] == pytest.approx(truth, abs=0.02)


def test_benchmarks_that_are_answered_by_class_carry_no_alarm(testbed):
    from predictor.results import read_results

    found = track(read_results(testbed("bigscience_1b3")), "bigscience-1b3-tr3e-c4", tokens=113e9)
    by_class = {series.series.task for series in found.series if series.by_class}
    assert {"mrpc", "qqp", "sst", "boolq", "wnli"} <= by_class
    assert not by_class & {"arc_easy", "hellaswag", "piqa", "lambada_openai", "sciq", "triviaqa"}


def test_an_event_is_kept_and_widens_the_end(draw_runs, results_of):
    results = results_of(draw_runs(upto=15))
    calm = track(results, "run-4")
    moved = track(results, "run-4", events={1.55e9: "new data"})
    assert moved.events == {1.55e9: "new data"}
    for before, after in zip(calm.series, moved.series, strict=True):
        assert after.end_error > before.end_error


def test_the_only_run_of_a_family_is_held_against_other_families(draw_runs, results_of):
    frame = draw_runs(upto=15)
    frame.loc[frame["run"].eq("run-4"), "family"] = "lonely"
    found = track(results_of(frame), "run-4", tokens=3.2e9)
    assert "drawn/run-3" in found.record["runs"]
    assert any("family lonely has no other run" in note for note in found.record["notes"])
    for series in found.series:
        if not series.series.is_loss:
            # What the same runs score at their end, by the formula that they were drawn from.
            number = int(series.series.task.removeprefix("task_"))
            truth = 0.25 + 0.60 / (1 + 10 ** (0.5 * (17.6 + 0.2 * number - np.log10(6 * 1.6e8 * 3.2e9))))
            assert series.final.median[-1] == pytest.approx(truth, abs=0.03)
