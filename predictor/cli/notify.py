"""`predictor notify`: try the addresses out, or watch for coordinators that fall silent."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from predictor.cli.console import say
from predictor.cli.posting import sender_of
from predictor.errors import ConfigError, PredictorError
from predictor.project import DEFAULT_CONFIG

if TYPE_CHECKING:
    from predictor.project import Project

_EVERY = 60.0


@click.command()
@click.option("--config", default=DEFAULT_CONFIG, show_default=True, help="The ladder, with its section notify.")
@click.option("--test", is_flag=True, help="Send a message to every address, and print what came of it.")
@click.option("--watch", is_flag=True, help="Stay, and send when a coordinator falls silent or is heard of again.")
@click.option("--once", is_flag=True, help="Look once for silent coordinators, as cron would.")
def command(config: str, test: bool, watch: bool, once: bool) -> int:
    """Tell people what happens, as `notify:` in checkpoints.yaml says.

    'evaluate', 'resolve' and 'track' send by themselves. This command tries the addresses out, and watches, as a second
    process, for coordinators that were killed or hang. Exits with 1 if a message was not delivered.

    \b
    Examples:
      predictor notify --test
      predictor notify --watch
      predictor notify --once --config ladder/checkpoints.yaml
    """
    from predictor.project import load_project

    if test + watch + once != 1:
        raise click.UsageError("give one of --test, --watch and --once")
    project = load_project(config)
    if not project.notify.urls:
        raise ConfigError(f"{config} names nobody to tell", "write `notify: {urls: [...]}`, see docs/notify.md")
    return _test(project) if test else _watch(project, once)


def _test(project: Project) -> int:
    from predictor.notify.notifier import read_addresses

    code = 0
    for address in read_addresses(project.notify.urls):
        problem = address.deliver(f"predictor, {sender_of(project)}: a test", "This address will be told what happens.")
        click.echo(f"{address.name}: {'delivered' if problem is None else f'not delivered: {problem}'}")
        code = code if problem is None else 1
    return code


def _watch(project: Project, once: bool) -> int:
    from predictor.evaluation.presence import ledger_of, store_of
    from predictor.evaluation.watch import Stopped, stopping_on_sigterm
    from predictor.notify import Notifier, SilenceWatch

    ledger = ledger_of(project, store_of(project, None))
    if "://" not in str(ledger) and not Path(ledger).is_file():
        raise ConfigError(f"there is no ledger {ledger}", "run 'predictor evaluate' first")
    silence = SilenceWatch(ledger, project.notify.silent_after)
    try:
        with stopping_on_sigterm(), Notifier(project.notify, sender_of(project), say) as notifier:
            while True:
                try:
                    news = list(silence.look())
                except PredictorError as error:
                    if once:
                        raise
                    say(f"this look failed: {error}")
                    news = []
                for piece in news:
                    say(f"{piece.title}: {'; '.join(piece.lines)}")
                notifier.send(news)
                if once:
                    return 0
                time.sleep(min(_EVERY, project.notify.silent_after / 2))
    except Stopped:
        return 0
