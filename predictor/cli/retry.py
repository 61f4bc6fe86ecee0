"""`predictor retry`: let failed pairs be tried again."""

from __future__ import annotations

import click

from predictor.project import DEFAULT_CONFIG


@click.command()
@click.option("--config", default=DEFAULT_CONFIG, show_default=True, help="The ladder: runs, suite, store, executor.")
@click.option("--store", help="Another store than that of the configuration.")
@click.option("--run", "runs", multiple=True, help="Only this run; may be given again.")
@click.option("--task", "tasks", multiple=True, help="Only this task; may be given again.")
@click.option("--step", "steps", type=int, multiple=True, help="Only this step; may be given again.")
def command(
    config: str, store: str | None, runs: tuple[str, ...], tasks: tuple[str, ...], steps: tuple[int, ...]
) -> None:
    """Let failed pairs be tried again: their attempts are forgotten, and no rest is waited for.

    A pair that failed three times, or that would fail again as it is, is given up until this is called. Nothing is
    scored here: the next 'predictor evaluate', or the one that watches, takes it up.

    \b
    Examples:
      predictor retry
      predictor retry --run 160m --task arc_easy
    """
    from predictor.evaluation.overview import retry
    from predictor.project import load_project

    pairs = retry(load_project(config), store=store, runs=runs, tasks=tasks, steps=steps)
    for key in pairs:
        click.echo(f"{key.run} step {key.step}, {key.task}")
    click.echo(f"{len(pairs)} failed pairs wait again")
