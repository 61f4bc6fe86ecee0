"""What README and docs say exists."""

import re
import shlex
from pathlib import Path

import click
import pytest

import predictor.benchmarks
import predictor.decisions
import predictor.difficulty
import predictor.evaluation
import predictor.fitting
import predictor.forecasting
import predictor.forecasting.register
import predictor.forecasting.trajectory
import predictor.laws
import predictor.report
import predictor.results
import predictor.statistics
from predictor.cli.app import app

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]


def shown_commands():
    for page in PAGES:
        for block in re.findall(r"```\w*\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL):
            for line in block.replace("\\\n", " ").splitlines():
                line = line.removeprefix("$ ")
                if line.startswith("predictor "):
                    yield pytest.param(line, id=f"{page.name}: {line[:50]}")


@pytest.mark.parametrize("line", shown_commands())
def test_every_shown_command_and_option_exists(line):
    words = shlex.split(line, comments=True)[1:]
    command: click.Command = app
    while isinstance(command, click.Group) and words and not words[0].startswith("-"):
        found = command.get_command(click.Context(command), words[0])
        assert found is not None, f"no command {words[0]}"
        command, words = found, words[1:]
    known = {option for parameter in command.params for option in parameter.opts} | {"--help", "--version"}
    assert {word.partition("=")[0] for word in words if word.startswith("--")} <= known


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_to_files_that_exist(page):
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
        if not target.startswith(("http", "#", "mailto")):
            assert (page.parent / target.partition("#")[0]).exists(), target


@pytest.mark.parametrize(
    ("module", "names"),
    [
        (predictor.evaluation, {"Outcome", "Status", "evaluate", "status"}),
        (
            predictor.difficulty,
            {"Cluster", "ClusterAnalysis", "Clustering", "DifficultyForecast", "ItemForecast", "ItemResponse"}
            | {"ItemTable", "ShortList", "SubsetForecast", "SubsetMap", "analyse", "analyse_tasks", "choose_items"}
            | {"cluster", "expected_tries", "fit_difficulty", "fit_from_items", "fit_item_response"}
            | {"fit_subset_map", "fit_tasks_from_items", "fit_through_subset", "forecast_from_bins", "item_table"}
            | {"judge", "pass_at_k", "pass_until"},
        ),
        (
            predictor.decisions,
            {"AgreementBySize", "BenchmarkAgreement", "Comparison", "Densities", "ModelDensity", "ModelRanking"}
            | {"Narrowing", "Pair", "Plan", "PlannedRun", "RankedModel", "Ranking", "Standing", "TaskDensity"}
            | {"compare", "density", "plan", "plan_first", "rank"},
        ),
        (
            predictor.benchmarks,
            {"KnownBenchmark", "KnownMetric", "canonical_metric", "headline_rank", "known_benchmark", "known_metric"}
            | {"nearest_benchmarks", "parts_of"},
        ),
        (
            predictor.statistics,
            {"Difference", "Differences", "Mean", "Side", "clustered_mean", "diff", "read_side"}
            | {"Attempts", "PassLaw", "SampledModel", "fit_pass_law", "majority_curve", "pass_curve", "sampled_models"}
            | {"Calibration", "Calibrations", "SeriesSignal", "Signals", "calibration", "signal"}
            | {"Compression", "Covariate", "Robustness", "compression", "covariate", "robustness"},
        ),
        (predictor.results, {"Results", "Series", "TaskInfo", "read_results"}),
        (
            predictor.laws,
            {
                "LAWS",
                "THEMES",
                "Constraints",
                "Input",
                "Law",
                "Parameter",
                "Published",
                "complete_inputs",
                "constrain",
                "get_law",
                "laws_by_theme",
            },
        ),
        (
            predictor.fitting,
            {"BatchFit", "Draws", "LawBatch", "LawDraws", "LawFit", "Prior", "Profile", "Reach"}
            | {"checkpoint_noise", "fit_law", "fit_law_batch", "make_draws", "profile_intervals", "resample_fit"}
            | {"resample_items", "run_weights", "solve_batch", "stable_generator"},
        ),
        (
            predictor.forecasting,
            {"AUTO", "METHODS", "Curve", "Forecast", "Forecaster", "Target", "TaskForecast"}
            | {"HeldOutForecast", "TrackRecord", "fit_forecaster", "forecast", "track_record"},
        ),
        (
            predictor.forecasting.register,
            {"Entries", "Outcome", "Registration", "Resolution", "Resolved", "TeamRecord"}
            | {"read_entries", "register", "resolve", "team_record"},
        ),
        (
            predictor.forecasting.trajectory,
            {"Alarm", "Band", "Candidates", "Requirement", "RunTrack", "SeriesTrack", "Signal", "TrackedSeries"}
            | {"compare_candidates", "judge", "track"},
        ),
        (
            predictor.report,
            {
                "LossLaw",
                "Made",
                "Report",
                "Verdict",
                "build_report",
                "check_destination",
                "fit_loss_laws",
                "track_to_json",
            }
            | {
                "write_calibration",
                "write_diff",
                "write_figures",
                "write_html",
                "write_pdf",
                "write_report",
                "write_tables",
                "write_track",
            },
        ),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_the_packages_export_what_is_promised_and_nothing_else(module, names):
    assert set(module.__all__) == names
    assert all(hasattr(module, name) for name in names)
