"""`predictor diff`: is B better than A, or is it noise?"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from predictor.cli.options import TaskList, deliver, json_option, results_option
from predictor.cli.project_store import store_of_project
from predictor.errors import InputError, PredictorError

if TYPE_CHECKING:
    from rich.table import Table

    from predictor.statistics import Difference, Differences

# Exit code that says: the candidate is worse.
ALARM = 3


@click.command()
@click.argument("a")
@click.argument("b", required=False)
@results_option(required=False)
@click.option("--against", multiple=True, metavar="C", help="A further baseline for the last of A and B; repeatable.")
@click.option("--tasks", type=TaskList(), metavar="a,b", help="Benchmarks to look at (default: all).")
@click.option("--family", metavar="F", help="Family of the runs, where several have a run of that name.")
@click.option(
    "--measures",
    type=TaskList(),
    default="score,bpb",
    show_default=True,
    metavar="a,b",
    help="What to compare: score, bpb (bits per byte of the right answer), nll_answer, probability, margin.",
)
@click.option(
    "--level",
    type=click.FloatRange(0.5, 1, max_open=True),
    default=0.95,
    show_default=True,
    help="Level of intervals and verdicts.",
)
@click.option(
    "--cluster",
    default="auto",
    show_default=True,
    metavar="HOW",
    help="How items come in groups: auto, none, subtask, document, or a file with doc_id and group.",
)
@click.option(
    "--detect",
    type=click.FloatRange(min=0, min_open=True),
    default=0.01,
    show_default=True,
    help="Difference for which to print the number of items that would show it, in the measure's unit.",
)
@click.option("--html", type=click.Path(path_type=Path), metavar="OUT.html", help="Write the comparison as a page.")
@click.option("--fail-if", type=click.Choice(["worse"]), help="Exit with 3 if B is worse by the first measure.")
@json_option("Write the differences as JSON")
def command(
    a: str,
    b: str | None,
    results: Path | None,
    against: tuple[str, ...],
    tasks: tuple[str, ...] | None,
    family: str | None,
    measures: tuple[str, ...],
    level: float,
    cluster: str,
    detect: float,
    html: Path | None,
    fail_if: str | None,
    json_path: str | None,
) -> None:
    """Compare B with A item by item, on every benchmark that both were scored on and on average.

    A and B are each RUN (its newest checkpoint), RUN@STEP, several runs of one recipe with other seeds as RUN1,RUN2 or
    'seed*', or PATH:RUN for results elsewhere. With --against alone A is the candidate. Without --results the store of
    the checkpoints.yaml in this folder is read. See docs/statistics.md.

    \b
    Examples:
      predictor diff 1b@28000 1b@56000 --results store/
      predictor diff new --against old --against older --tasks arc_easy,mmlu --html diff.html
      predictor diff base-7b mix-7b --results store/ --fail-if worse --json -
    """
    from predictor.cli.console import progress
    from predictor.results.destination import check_destination
    from predictor.statistics import diff

    if html is not None:
        check_destination(html, "--html")
        if json_path not in (None, "-") and Path(str(json_path)).resolve() == html.resolve():
            raise InputError(f"--html and --json name the same file {html}", "name two files")
    answer = diff(
        a,
        b,
        results=results or _project_store_if_any(),
        against=against,
        family=family,
        tasks=tasks,
        measures=measures,
        level=level,
        cluster=cluster,
        detect=detect,
        progress=lambda total: progress("Comparing", total),
    )
    if html is not None:
        from predictor.report import write_diff

        write_diff(answer, html)
    deliver(answer, json_path, print_differences)
    if html is not None:
        click.echo(f"written to {html}", err=True)
    if fail_if == "worse" and answer.is_worse():
        sys.exit(ALARM)


def _project_store_if_any() -> Path | None:
    """Return the project's store; None where there is no project, as sides may name their own results."""
    try:
        return store_of_project()
    except PredictorError:
        if Path("checkpoints.yaml").exists():
            raise
        return None


def print_differences(answer: Differences) -> None:
    """Print the differences, then tests and power; notes go to standard error."""
    from predictor.cli.tables import console

    shown = console()
    for table in (_differences(answer), _tests(answer)):
        shown.print(table)
        shown.print()
    for row in (*answer.suites, *answer.rows):
        if row.bounds is not None:
            shown.print(_bounds(answer.name(row), row), highlight=False)
    for name, why in answer.left_out.items():
        click.echo(f"note: {name} is not compared: {why}", err=True)
    for note in answer.notes:
        click.echo(f"note: {note}", err=True)


def _differences(answer: Differences) -> Table:
    from predictor.statistics import words

    several = len(answer.baselines) > 1
    names = ("baseline", answer.candidate) if several else (answer.baselines[0], answer.candidate)
    title = f"{answer.candidate} less {', '.join(answer.baselines)}: {100 * answer.level:g}% intervals, scores in %"
    left = ["against", "benchmark", "metric"] if several else ["benchmark", "metric"]
    table = _table(title, left, [*names, "difference", "interval", "visible"], ["verdict"])
    for row in (*answer.suites, *answer.rows):
        table.add_row(
            *([row.baseline] if several else []),
            answer.name(row),
            row.metric,
            words.score(row, row.a),
            words.score(row, row.b),
            words.change(row, row.difference),
            words.interval(row, row.interval),
            words.score(row, row.detectable),
            words.verdict(row),
        )
    return table


def _tests(answer: Differences) -> Table:
    from predictor.statistics import words

    several = len(answer.baselines) > 1
    left = ["against", "benchmark", "metric"] if several else ["benchmark", "metric"]
    unit = f"for {answer.detect:g}"
    numbers = ["items", "groups", "only A", "only B", "McNemar", "Holm", "BH", "unpaired", unit]
    table = _table("items, tests adjusted for their number, and items needed", left, numbers, [])
    for row in (*answer.suites, *answer.rows):
        test = row.mcnemar
        table.add_row(
            *([row.baseline] if several else []),
            answer.name(row),
            row.metric,
            _count(row.items),
            "-" if row.groups is None else f"{row.groups} {row.grouped_by}s",
            _count(test.only_a if test else None),
            _count(test.only_b if test else None),
            words.p_value(test.p_value if test else None),
            words.p_value(row.holm),
            words.p_value(row.bh),
            words.interval(row, row.unpaired),
            _count(row.items_needed),
        )
    return table


def _table(title: str, left: list[str], numbers: list[str], last: list[str]) -> Table:
    from rich.table import Table

    table = Table(title=title, title_justify="left", box=None, pad_edge=False, header_style="bold")
    for name in left:
        table.add_column(name, overflow="fold")
    for name in numbers:
        table.add_column(name, justify="right", no_wrap=name not in ("interval", "unpaired"))
    for name in last:
        table.add_column(name)
    return table


def _count(value: int | None) -> str:
    return "-" if value is None else f"{value:,}"


def _bounds(name: str, row: Difference) -> str:
    from predictor.statistics import words

    return (
        f"{name} {row.metric}: {row.ungraded[0]} and {row.ungraded[1]} items without a grade; whatever they "
        f"were, the difference is {words.interval(row, row.bounds)}"
    )
