"""What commands on the published runs cost, cold: processor seconds (user and system) of a new process each.

    python benchmarks/speed/commands.py [--testbeds ../shared/testbeds] [--only query] [--before ../older/checkout]

Nothing is cached: each process has an empty cache folder. `--before` runs the same commands with the package of another
checkout as well. Processor time grows on a machine that other work shares, so compare only what one run prints.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

IMPORTS = "imports of the forecasting path"
# Command, its arguments with the testbeds' folder as {}, and its goal in processor seconds.
COMMANDS: dict[str, tuple[str, float]] = {
    "imports": (IMPORTS, 0.5),
    "query, pythia": ("query piqa --results {}/pythia --params 6.9B --tokens 300B --json", 2.0),
    "query, olmo_ladder": ("query arc_easy --results {}/olmo_ladder --params 7B --tokens 1T --json", 2.0),
    "forecast, pythia": ("forecast --results {}/pythia --params 6.9B --tokens 300B --json -", 5.0),
    "compare, gadre": ("compare --results {}/gadre --params 7B --tokens 300B --json -", 15.0),
    "report, olmo_ladder": ("report --results {}/olmo_ladder --params 7B --tokens 1T --out r.html --pdf r.pdf", 25.0),
}


def processor_seconds(command: str, checkout: Path, testbeds: Path) -> float | None:
    """Run a command in a new process; None where it fails, as where an older checkout lacks an option."""
    if command == IMPORTS:
        folder = "forecasting" if (checkout / "predictor" / "forecasting").is_dir() else "forecast"
        asked = ["-c", f"import predictor.{folder}"]
    else:
        asked = ["-m", "predictor", *command.format(testbeds.resolve()).split()]
    with tempfile.TemporaryDirectory() as empty:
        surroundings = {**os.environ, "PYTHONPATH": str(checkout.resolve()), "XDG_CACHE_HOME": empty}
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        done = subprocess.run([sys.executable, *asked], cwd=empty, env=surroundings, capture_output=True, check=False)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        Console(stderr=True).print(f"{command}: {done.stderr.decode()[-200:]}", markup=False)
        return None
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


@click.command(help=__doc__)
@click.option("--testbeds", type=click.Path(path_type=Path, exists=True), default=Path("../shared/testbeds"))
@click.option("--only", help="Commands whose name begins so (default: all).")
@click.option("--before", type=click.Path(path_type=Path, exists=True), help="An older checkout to run as well.")
def main(testbeds: Path, only: str | None, before: Path | None) -> None:
    checkouts = {"now": Path(__file__).resolve().parents[2]}
    if before is not None:
        checkouts = {"before": before, **checkouts}
    table = Table(title="processor seconds, cold", title_justify="left", box=None, pad_edge=False)
    for name in ("", *checkouts, "goal"):
        table.add_column(name, justify="right" if name else "left")
    for name, (command, goal) in COMMANDS.items():
        if only and not name.startswith(only):
            continue
        seconds = [processor_seconds(command, checkout, testbeds) for checkout in checkouts.values()]
        table.add_row(name, *("failed" if value is None else f"{value:.1f}" for value in seconds), f"{goal:g}")
    Console(width=80).print(table)


if __name__ == "__main__":
    main()
