"""Forecasts are registered, resolved by the scores of their targets, and judged together."""

import multiprocessing
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from predictor.errors import InputError, StoreError, UnknownNameError
from predictor.forecasting import fit_forecaster, track_record
from predictor.forecasting.mean import SharedErrors
from predictor.forecasting.panel import build_panel
from predictor.forecasting.register import read_entries, register, resolve, team_record
from predictor.forecasting.register.check import FEW, HOLD, NARROW, WIDE, check_intervals
from predictor.forecasting.register.resolving import judge, judge_joint
from predictor.forecasting.register.truth import find_truth
from predictor.forecasting.target import Forecast, Target, TaskForecast
from predictor.forecasting.track_record import choose_hold_outs, without_held_out
from predictor.results import Series, read_results
from predictor.results.scales import PERPLEXITY, Scale

TARGET = "run-3e+09"


def scores(results, keep):
    """The same results with some of the rows."""
    return replace(results, evals=results.evals[keep(results.evals)])


def test_a_registered_forecast_is_read_back_as_it_was_made(tmp_path, answer, cut):
    made = register(tmp_path, answer, "large", note="mix 3", by="me", run=TARGET, scores=cut)
    (entry,) = read_entries(tmp_path).registrations
    assert entry == made
    assert entry.forecast == answer
    assert (entry.name, entry.note, entry.who, entry.run, entry.late) == ("large", "mix 3", "me", TARGET, ())
    assert entry.forecast.record["inputs"] == cut.inputs
    quantiles = entry.quantiles["easy (0-shot)"]
    assert [quantiles["0.1"], quantiles["0.9"]] == pytest.approx(answer.forecasts[0].intervals["80"])
    assert entry.quantiles["mean"]["0.5"] == pytest.approx(answer.mean.median)


def test_secrets_in_notes_are_not_registered(tmp_path, answer):
    assert "hunter22" not in register(tmp_path, answer, "large", note="see https://me:hunter22@host/x").note


def test_scores_resolve_a_forecast_each_benchmark_once(tmp_path, answer, cut, whole):
    register(tmp_path, answer, "large", scores=cut)
    assert "no run has 3.2B parameters" in resolve(tmp_path, cut).waiting[0][1]

    easy = scores(whole, lambda rows: (rows["run"] != TARGET) | (rows["task"] == "easy"))
    found = resolve(tmp_path, easy)
    ((_, first),) = found.resolutions
    assert [outcome.series.task for outcome in first.outcomes] == ["easy"]
    assert first.mean is None
    assert found.waiting[0][1] == "not scored yet: hard (0-shot), medium (0-shot)"

    rows = whole.evals[whole.evals["run"] == TARGET].set_index("task")["value"]
    # A score that is corrected afterwards changes no outcome.
    changed = whole.evals.assign(value=whole.evals["value"].where(whole.evals["task"] != "easy", 0.1))
    ((_, second),) = resolve(tmp_path, replace(whole, evals=changed)).resolutions
    assert [outcome.series.task for outcome in second.outcomes] == ["hard", "medium"]
    entries = read_entries(tmp_path)
    outcomes = entries.outcomes_of(entries.registrations[0])
    assert {series.task: outcome.truth for series, outcome in outcomes.items()} == pytest.approx(
        {task: rows[task] for task in ("easy", "hard", "medium")}
    )
    assert second.mean["truth"] == pytest.approx(rows[["easy", "hard", "medium"]].mean())
    assert (second.mean["benchmarks"], second.mean["of"]) == (3, 3)
    assert second.mean["median"] == pytest.approx(answer.mean.median)
    for task in answer.forecasts:
        outcome, (low, high) = outcomes[task.series], task.intervals["80"]
        assert outcome.error == pytest.approx(task.median - rows[task.task])
        assert outcome.inside["80"] == (low <= rows[task.task] <= high) == (0.1 <= outcome.percentile <= 0.9)
    assert resolve(tmp_path, whole).done == 1
    assert len(read_entries(tmp_path).resolutions) == 2


def test_scores_that_were_wrong_are_replaced_only_on_request_and_stay_in_the_chain(tmp_path, answer, whole):
    register(tmp_path, answer, "large")
    wrong = whole.evals["value"].where(whole.evals["task"] != "easy", 0.1)
    resolve(tmp_path, replace(whole, evals=whole.evals.assign(value=wrong)))
    assert not resolve(tmp_path, whole).resolutions
    ((entry, corrected),) = resolve(tmp_path, whole, only="large", again=True).resolutions
    assert [outcome.series.task for outcome in corrected.outcomes] == ["easy"]
    entries = read_entries(tmp_path)
    right = whole.evals.set_index(["run", "task"])["value"][TARGET]
    outcomes = {series.task: outcome.truth for series, outcome in entries.outcomes_of(entry).items()}
    assert outcomes == pytest.approx({task: right[task] for task in ("easy", "hard", "medium")})
    assert corrected.mean["truth"] == pytest.approx(right[["easy", "hard", "medium"]].mean())
    assert [found.again for found in entries.resolutions] == [False, True]
    assert not resolve(tmp_path, whole, only="large", again=True).resolutions


def resolve_late(store, results, barrier):
    barrier.wait()
    resolve(store, results)


def test_two_coordinators_that_resolve_at_once_write_each_benchmark_once(tmp_path, answer, whole):
    for name in ("a", "b", "c"):
        register(tmp_path, answer, name)
    fork = multiprocessing.get_context("fork")
    barrier = fork.Barrier(2)
    both = [fork.Process(target=resolve_late, args=(tmp_path, whole, barrier)) for _ in range(2)]
    for process in both:
        process.start()
    for process in both:
        process.join()
    entries = read_entries(tmp_path)
    assert not entries.faults
    assert sorted(found.registration for found in entries.resolutions) == [1, 2, 3]


def test_what_was_scored_before_is_marked_and_does_not_count(tmp_path, answer, whole):
    easy = scores(whole, lambda rows: (rows["run"] != TARGET) | (rows["task"] == "easy"))
    entry = register(tmp_path, answer, "large", scores=easy)
    assert [series.task for series in entry.late] == ["easy"]
    resolve(tmp_path, whole)
    record = team_record(read_entries(tmp_path))
    assert (len(record.judged), record.late) == (2, 1)


def test_scores_of_a_store_from_before_the_registration_do_not_count(tmp_path, answer, whole):
    register(tmp_path, answer, "large")
    stamped = whole.evals.assign(scored_at="2020-01-01T00:00:00.000+00:00")
    stamped.loc[stamped["task"] == "hard", "scored_at"] = "2999-01-01T00:00:00.000+00:00"
    resolve(tmp_path, replace(whole, evals=stamped))
    assert [outcome.series.task for _, outcome in team_record(read_entries(tmp_path)).judged] == ["hard"]


def test_a_name_is_that_of_one_target_and_its_newest_forecast(tmp_path, answer, cut):
    register(tmp_path, answer, "large")
    register(tmp_path, answer, "large", note="again")
    other = fit_forecaster(cut, resamples=10).predict(6.4e9, 128e9)
    with pytest.raises(InputError, match=r"'large' is registered as a forecast of drawn 3.2B on 128B tokens"):
        register(tmp_path, other, "large")
    entries = read_entries(tmp_path)
    assert entries.find("large").note == "again"
    assert entries.find("#1").number == entries.find("1").number == 1
    assert entries.latest_of(answer).number == 2
    assert entries.latest_of(other) is None
    with pytest.raises(UnknownNameError, match="unknown registered forecast 'larger'; did you mean large"):
        entries.find("larger")
    for name in ("", "7", "#7", "a\nb", "x" * 101):
        with pytest.raises(InputError, match="cannot be the name of a forecast"):
            register(tmp_path, answer, name)
    with pytest.raises(StoreError, match="does not exist"):
        read_entries(tmp_path / "elsewhere")


def with_run(results, name, params, tokens, planned):
    rows = results.evals[results.evals["run"] == TARGET].assign(
        run=name, params=int(params), tokens=int(tokens), tokens_planned=planned
    )
    return replace(results, evals=pd.concat([results.evals, rows.astype(results.evals.dtypes)], ignore_index=True))


@pytest.mark.parametrize(
    ("params", "tokens", "planned", "found"),
    [
        (3.1e9, 126e9, 126e9, "run"),
        (3.2e9, 64e9, 128e9, "run new is at 64B of 128B tokens"),
        (3.2e9, 128e9, 256e9, "run new is trained further than 128B tokens"),
        (2.9e9, 128e9, 128e9, "no run has 3.2B parameters"),
        (3.2e9, 256e9, pd.NA, "run new has no benchmark scored at 128B tokens"),
    ],
)
def test_the_target_is_the_run_of_its_size_and_length(answer, cut, params, tokens, planned, found):
    truth = find_truth(with_run_of(cut, params, tokens, planned), answer)
    if found == "run":
        assert truth.run == "new"
        assert "the run has 3.1B parameters, -3.1% of what was forecast" in truth.notes
    else:
        assert found in truth


def with_run_of(cut, params, tokens, planned):
    largest = cut.evals[cut.evals["params"] == cut.evals["params"].max()]
    rows = largest.assign(run="new", params=int(params), tokens=int(tokens), tokens_planned=planned)
    return replace(cut, evals=pd.concat([cut.evals, rows.astype(cut.evals.dtypes)], ignore_index=True))


def test_of_several_runs_the_target_must_be_named(tmp_path, answer, whole):
    two = with_run(whole, "seed-2", 3.2e9, 128e9, 128_000_000_000)
    with pytest.raises(InputError, match="2 runs could be the target: run-3e\\+09, seed-2; name one with --run"):
        find_truth(two, answer)
    assert find_truth(two, answer, "seed-2").run == "seed-2"
    register(tmp_path, answer, "large")
    found = resolve(tmp_path, two)
    assert "name one with --run" in found.refused[0][1]
    # checkpoints.yaml may say it.
    stated = {("drawn", 3.2e9, 128e9): TARGET}
    assert resolve(tmp_path, two, runs=stated).resolutions[0][1].run == TARGET
    with pytest.raises(InputError, match=r"run run-2e\+09 has 1.6B parameters, the forecast is of 3.2B"):
        find_truth(two, answer, "run-2e+09")


def test_forecasts_of_held_out_runs_have_the_record_that_the_backtest_has(tmp_path, whole):
    backtest = track_record(whole, resamples=10)
    panel = build_panel(whole, "drawn")
    for held in choose_hold_outs(panel):
        forecaster = fit_forecaster(without_held_out(whole, panel, held), family="drawn", resamples=10)
        for run in held:
            last = int(np.flatnonzero(panel.run == panel.runs.index(run))[0])
            forecast = forecaster.predict(panel.params[last], panel.tokens[last])
            register(tmp_path, forecast, f"{run} without {len(held)}")
    resolve(tmp_path, whole)
    record = team_record(read_entries(tmp_path))
    assert record.resolved == 6
    assert record.targets == 3
    ours, theirs = record.track.by_distance(), backtest.by_distance()
    assert [row["forecasts"] for row in ours] == [row["forecasts"] for row in theirs]
    for one, other in zip(ours, theirs, strict=True):
        assert one["coverage"] == pytest.approx(other["coverage"])
        assert one["width"] == pytest.approx(other["width"])
        assert one["errors"]["combination"]["mean"] == pytest.approx(other["errors"]["combination"]["mean"])
    assert record.track.of_means()["coverage"] == pytest.approx(backtest.of_means()["coverage"])
    curve = {point["level"]: point["inside"] for point in record.calibration()}
    assert curve[0.8] == pytest.approx(record.frame["inside80"].mean())
    assert sum(group["forecasts"] for group in record.by_width()) == len(record.judged) == 18


def planted(models, scale, seed=0, correlation=0.3, tasks=8):
    """Outcomes of forecasts that state a standard deviation of two points, of errors `scale` times as large."""
    generator = np.random.default_rng(seed)
    judged = []
    for model in range(models):
        shared = np.sqrt(correlation) * generator.standard_normal()
        answers = tuple(
            TaskForecast(
                f"task{task}", "acc", 0, 0.5, {"80": (0.5 - 0.02563, 0.5 + 0.02563), "95": (0.4608, 0.5392)}, "B", "",
                None, {},
            )
            for task in range(tasks)
        )  # fmt: skip
        record = {"compute_ratio": 4.0, "shared_errors": SharedErrors(correlation, 6).to_json()}
        forecast = Forecast(Target(1e9 + model, 1e11, "f"), answers, record)
        for answer in answers:
            error = 0.02 * scale * (shared + np.sqrt(1 - correlation) * generator.standard_normal())
            judged.append((forecast, judge(answer, 0.5 + error, 0.0)))
    return judged


def test_intervals_are_checked_once_there_are_enough_resolved_forecasts():
    assert check_intervals([]).sentence == "no registered forecast has been resolved yet"
    assert check_intervals(planted(4, 3.0)).verdict == FEW
    assert check_intervals(planted(2, 3.0, tasks=20)).verdict == FEW
    narrow = check_intervals(planted(40, 2.0))
    assert narrow.verdict == NARROW
    assert narrow.factor == pytest.approx(2.0, rel=0.15)
    assert "times as wide they would have held 80%" in narrow.sentence
    wide = check_intervals(planted(40, 0.4))
    assert (wide.verdict, wide.factor) == (WIDE, pytest.approx(0.4, rel=0.15))


def test_right_intervals_are_seldom_called_narrow_though_errors_move_together():
    verdicts = [check_intervals(planted(10, 1.0, seed)).verdict for seed in range(200)]
    assert verdicts.count(NARROW) <= 20
    assert verdicts.count(HOLD) >= 160


def test_where_lower_is_better_errors_count_in_the_direction_of_shares(tmp_path):
    """Two benchmarks that both did better than forecast agree, though one's number fell."""
    scale = Scale(1.0, np.inf, False, PERPLEXITY)
    ends = {"80": (9.0, 12.0), "95": (8.0, 13.0)}
    falls = TaskForecast("wikitext", "word_perplexity", 0, 10.0, ends, "B", "", None, {}, scale=scale)
    rises = TaskForecast("easy", "acc", 0, 0.5, {"80": (0.45, 0.55), "95": (0.42, 0.58)}, "B", "", None, {})
    record = {"compute_ratio": 4.0, "shared_errors": SharedErrors(0.9, 6).to_json()}
    entry = register(tmp_path, Forecast(Target(1e9, 1e11, "f"), (falls, rises), record), "two")
    better, worse = (
        judge_joint(entry, {falls.series: judge(falls, truth, 0.0), rises.series: judge(rises, 0.55, 0.0)})
        for truth in (9.0, 12.0)
    )
    assert better < 0.7 < 0.99 < worse


def test_a_changed_record_counts_no_more_and_is_named(tmp_path, answer, whole):
    register(tmp_path, answer, "first")
    register(tmp_path, answer, "second")
    resolve(tmp_path, whole)
    path = tmp_path / "forecasts" / "000001.json"
    path.chmod(0o644)
    path.write_bytes(path.read_bytes().replace(b'"name": "first"', b'"name": "worst"'))
    entries = read_entries(tmp_path)
    assert entries.faults[0][0] == "000001.json"
    record = team_record(entries)
    assert {entry.name for entry, _ in record.judged} == {"second"}
    assert record.to_json()["faults"]


def test_benchmarks_are_found_whose_number_of_examples_is_not_stated(tmp_path, answer, whole):
    register(tmp_path, answer, "large")
    path = tmp_path / "table.parquet"
    whole.evals.assign(num_fewshot=pd.NA).to_parquet(path)
    assert Series("easy", "acc", 0) in find_truth(read_results(path), answer).scores
    assert len(resolve(tmp_path, read_results(path)).resolutions[0][1].outcomes) == 3
