"""`predictor report`: forecasts of every benchmark as one HTML file, on paper, as figures and as tables."""

from __future__ import annotations

import shlex
from dataclasses import replace
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from predictor.cli.options import (
    TaskList,
    require_option,
    results_option,
    suite_option,
    target_options,
)
from predictor.cli.register_options import team_of
from predictor.cli.report_options import Beside, read_forecast, sign
from predictor.errors import InputError
from predictor.quantity import format_quantity, parse_quantity

if TYPE_CHECKING:
    from predictor.forecasting import Forecast
    from predictor.report import Made


@click.command()
@results_option()
@target_options
@click.option("--tasks", type=TaskList(), metavar="a,b", help="Benchmarks to report on (default: all).")
@suite_option
@require_option
@click.option(
    "--beside",
    type=Beside(),
    multiple=True,
    metavar="N:D[:F]",
    help="Another target beside this one, as 7B:4T, or 7B:2T:other-recipe for another family; repeatable.",
)
@click.option(
    "--against",
    type=click.Path(path_type=Path),
    metavar="OLD.json",
    help="An earlier forecast of the target, from 'forecast --json': mark what changed since.",
)
@click.option("--by", metavar="NAME", help="Who makes the report (default: the name of this user).")
@click.option(
    "--date",
    type=click.DateTime(["%Y-%m-%d"]),
    help="When it is made (default: today; SOURCE_DATE_EPOCH is honoured).",
)
@click.option("--clusters", is_flag=True, help="Draw the clusters of the benchmarks' items, where items were kept.")
@click.option(
    "--coverage/--no-coverage",
    default=True,
    help="Measure how often the intervals hold, by fitting everything anew without the largest runs (default: yes).",
)
@click.option("--out", type=click.Path(path_type=Path), metavar="report.html", help="The HTML file to write.")
@click.option("--pdf", type=click.Path(path_type=Path), metavar="report.pdf", help="A paper version to write.")
@click.option(
    "--figures",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="A folder for every figure as SVG, PDF and PNG; made where it is missing.",
)
@click.option(
    "--csv",
    "tables",
    type=click.Path(path_type=Path),
    metavar="PATH|DIR",
    help="A folder for all tables, made where it is missing, or a .csv file for the forecasts alone.",
)
def command(
    results: Path,
    params: float,
    tokens: float,
    family: str | None,
    method: str,
    seed: int,
    atlas: bool,
    tasks: tuple[str, ...] | None,
    suite: str | None,
    require: tuple[tuple[str, float], ...],
    beside: tuple[tuple[float, float, str | None], ...],
    against: Path | None,
    by: str | None,
    date: datetime | None,
    clusters: bool,
    coverage: bool,
    out: Path | None,
    pdf: Path | None,
    figures: Path | None,
    tables: Path | None,
) -> None:
    """Write a report about the scores of a model that has not been trained.

    One HTML file that opens offline: the verdict, the forecasts with their intervals and grades, a figure per
    benchmark, what another size or length would change, the laws of the held-out losses, the backtest and everything
    else they rest on. The same on paper, its figures and its tables on demand; no browser is needed for any of them.

    \b
    Examples:
      predictor report --results store/ --params 7B --tokens 300B --out report.html
      predictor report --results evals.parquet --family base --params 7e9 --tokens 1.4T --out report.html
      predictor report --results evals.csv --params 7B --tokens 300B --tasks arc_easy,piqa --out report.html
      predictor report --results store/ --params 7B --tokens 300B --clusters --out report.html
      predictor report --results store/ --params 7B --tokens 2T --require mean=60% --beside 7B:4T --out report.html
      predictor report --results store/ --params 7B --tokens 300B --against forecast-may.json --out report.html
      predictor report --results store/ --params 7B --tokens 300B --pdf report.pdf --figures figures/ --csv tables/
    """
    from predictor.api.suites import check_names, with_suite
    from predictor.forecasting.changes import compare_forecasts
    from predictor.forecasting.target import check_target

    _check(results, out, pdf, figures, tables)
    for size, length, _ in beside:
        check_target(size, length)
    earlier = None if against is None else read_forecast(against)
    made = sign(by, date)
    from predictor.cli.console import progress
    from predictor.cli.coverage import measure_coverage
    from predictor.difficulty import analyse_tasks
    from predictor.forecasting import fit_forecaster
    from predictor.report import build_report, fit_loss_laws, write_figures, write_html, write_pdf, write_tables
    from predictor.results import read_results

    check_target(params, tokens)
    table = read_results(results)
    check_names(table, suite, dict(require))
    check_target(params, tokens, table.evals)
    options: dict[str, Any] = {"tasks": tasks, "method": method, "seed": seed, "atlas": atlas}

    def refine(answer: Forecast) -> Forecast:
        return with_suite(answer, suite, dict(require), seed)

    forecaster = fit_forecaster(table, family=family, progress=partial(progress, "Fitting"), **options)
    chosen = forecaster.panel.family
    if earlier is not None:
        # Another target is refused before the long work.
        compare_forecasts(earlier, forecaster.predict(params, tokens))
    others = []
    fitted = {chosen: forecaster}
    for size, length, name in beside:
        other = name or chosen
        if other not in fitted:
            fitted[other] = fit_forecaster(
                table, family=other, progress=partial(progress, f"Fitting {other}"), **options
            )
        others.append((fitted[other], refine(fitted[other].predict(size, length))))
    # Coverage is of the combination: a single method's intervals would be others.
    record = measure_coverage(table, chosen, tasks, seed) if coverage and method == "auto" else None
    report = build_report(
        forecaster,
        params,
        tokens,
        command=_command_line(click.get_current_context(), results, params, tokens, made),
        clusters=analyse_tasks(table, chosen, tasks) if clusters else None,
        laws=fit_loss_laws(table, chosen, params, tokens),
        record=record,
        refine=refine,
        made=made,
        against=earlier,
        beside=others,
    )
    report = replace(report, team=team_of(results))
    if out is not None:
        _say(write_html(report, out))
    if tables is not None:
        write_tables(report, tables)
        _say(tables)
    if pdf is not None:
        _say(write_pdf(report, pdf, partial(progress, "Drawing")))
    if figures is not None:
        write_figures(report, figures, partial(progress, "Drawing"))
        _say(figures)


def _check(results: Path, out: Path | None, pdf: Path | None, figures: Path | None, tables: Path | None) -> None:
    """Say what cannot be written before the work of fitting, not after it."""
    from predictor.report.figures.static import require_matplotlib
    from predictor.report.pdf import require_paper
    from predictor.report.tables import names_file
    from predictor.results.destination import check_apart, check_destination, check_folder

    if out is None and pdf is None and figures is None and tables is None:
        raise InputError(
            "nothing is to be written", "name a file with --out or --pdf, or a folder with --figures or --csv"
        )
    one_table = tables if tables is not None and names_file(tables) else None
    named = {"--out": out, "--pdf": pdf, "--csv": one_table}
    files = {option: path for option, path in named.items() if path is not None}
    for option, path in files.items():
        check_destination(path, option)
    if pdf is not None:
        require_paper()
    if figures is not None:
        require_matplotlib()
        check_folder(figures, "--figures")
    if tables is not None and one_table is None:
        check_folder(tables, "--csv")
    check_apart(files, results, [folder for folder in (figures, tables) if folder is not None and folder != one_table])


def _say(path: Path) -> None:
    click.echo(f"written to {path}", err=True)


def _command_line(context: click.Context, results: Path, params: float, tokens: float, made: Made) -> str:
    """Write the command that makes the report again; where it was written to is no part of what it says."""
    given = context.params
    words = ["predictor", "report", "--results", str(results)]
    words += [] if given["family"] is None else ["--family", given["family"]]
    words += ["--params", _exactly(params), "--tokens", _exactly(tokens)]
    words += [] if given["tasks"] is None else ["--tasks", ",".join(given["tasks"])]
    words += [] if given["suite"] is None else ["--suite", given["suite"]]
    for name, level in given["require"]:
        words += ["--require", f"{name}={level:g}"]
    for size, length, family in given["beside"]:
        words += ["--beside", ":".join([_exactly(size), _exactly(length), *([family] if family else [])])]
    words += [] if given["against"] is None else ["--against", str(given["against"])]
    words += ["--clusters"] if given["clusters"] else []
    words += [] if given["coverage"] else ["--no-coverage"]
    words += [] if given["atlas"] else ["--no-atlas"]
    words += ["--method", given["method"], "--seed", str(given["seed"]), "--by", made.by, "--date", made.date]
    return shlex.join([*words, "--out", "report.html"])


def _exactly(value: float) -> str:
    """Write a number short where that loses nothing."""
    short = format_quantity(value)
    return short if parse_quantity(short) == value else f"{value:.17g}"
