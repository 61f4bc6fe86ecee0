"""`predictor store`: look after a store."""

from __future__ import annotations

import click

from predictor.cli.options import json_option, write_json


@click.group()
def command() -> None:
    """Look after a store of scores.

    \b
    Examples:
      predictor store check --store store/
      predictor store compact --store store/
    """


@command.command("check")
@click.option("--store", required=True, help="The store: a folder, or a URL such as s3://bucket/store.")
@click.option("--dry-run", is_flag=True, help="Only say what is damaged; set nothing aside.")
@json_option("Write what was found as JSON")
def check(store: str, dry_run: bool, json_path: str | None) -> int:
    """Read every file of a store and compare its checksums.

    Damaged files are moved to damaged/ in the store, and the next 'predictor evaluate' scores their pairs again.
    Registered forecasts that were changed or removed are named, and stay where they are. Exits with 1 if there were any
    of either.

    \b
    Examples:
      predictor store check --store store/
      predictor store check --store store/ --dry-run --json -
    """
    from predictor.project import place
    from predictor.results.chain import Chain
    from predictor.results.layout import FORECASTS
    from predictor.results.store import Store
    from predictor.results.upkeep import check as check_store

    home = Store(place(store))
    found = check_store(home, set_aside=not dry_run)
    records = Chain(home.path / FORECASTS).verify()
    if json_path is not None:
        lists = {"without_items": found.without_items, "without_scores": found.without_scores}
        damaged = [{"file": str(path), "reason": reason} for path, reason in found.damaged]
        paths = {name: [str(path) for path in paths] for name, paths in lists.items()}
        changed = [{"file": f"{FORECASTS}/{file}", "reason": reason} for file, reason in records.faults]
        write_json(
            {"files": found.files, "damaged": damaged, "records": records.last, "changed": changed, **paths}, json_path
        )
    else:
        for path, reason in found.damaged:
            click.echo(f"damaged: {path.relative_to(home.path)}: {reason}")
        for file, reason in records.faults:
            click.echo(f"changed: {FORECASTS}/{file}: {reason}; bring it back from a backup")
        for title, files in (("scores without items", found.without_items), ("left over", found.without_scores)):
            if files:
                click.echo(f"{title}: {len(files)} files, first {files[0].relative_to(home.path)}")
        fate = "damaged" if dry_run else "damaged and set aside"
        click.echo(f"{found.files} files read, {len(found.damaged)} {fate}")
    return 1 if found.damaged or records.faults else 0


@command.command("compact")
@click.option("--store", required=True, help="The store's folder.")
def compact(store: str) -> None:
    """Merge the scores of each run into one file, so that a store of many checkpoints is read fast.

    What is done stays done, and items stay as they are. Not while 'predictor evaluate' runs on the store.

    \b
    Examples:
      predictor store compact --store store/
    """
    from predictor.errors import StoreError
    from predictor.evaluation.presence import store_lock
    from predictor.project import place
    from predictor.results.store import Store
    from predictor.results.upkeep import compact as compact_store

    home = Store(place(store))
    if not home.is_local:
        raise StoreError(f"the store {store} is on an object store", "compact a local copy of it")
    if not Store.looks_like(home.path):
        raise StoreError(f"{store} is no store", "give the folder that 'predictor evaluate' writes")
    with store_lock(home.path):
        files, runs = compact_store(home)
    click.echo(f"{files} score files merged into {runs}" if files else "nothing to merge")
