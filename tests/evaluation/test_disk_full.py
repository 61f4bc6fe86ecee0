"""A disk that is full stops the scoring with one line; nothing half-written is believed, and making room is enough."""

import os
import shutil
import subprocess

import pandas as pd
import pytest

from predictor.errors import StoreError
from predictor.evaluation import evaluate, status
from predictor.project import load_project
from predictor.results.ledger import Ledger
from predictor.results.store import Store
from predictor.results.upkeep import check

pytestmark = pytest.mark.slow
TASKS = ("tiny_facts",)


@pytest.fixture
def small_disk(tmp_path):
    """A file system of two megabytes."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(folder)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        pytest.skip("a file system of its own can only be mounted by root")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def fill(folder, room):
    """Leave only so many bytes of a file system free."""
    filler = folder / "filler"
    filler.unlink(missing_ok=True)
    free = shutil.disk_usage(folder).free
    filler.write_bytes(b"x" * max(0, free - room))


def test_a_full_disk_stops_scoring_and_room_lets_it_go_on(small_disk, project_file, capfd):
    project = load_project(project_file(store=str(small_disk / "store")))
    store = Store(project.store_path)
    stopped = []
    # From no room at all to room for all but the last files.
    for room in (0, 4096, 20_480, 65_536, 98_304, 131_072, 163_840, 180_224, 196_608):
        fill(small_disk, room)
        try:
            evaluate(project, tasks=TASKS)
        except StoreError as error:
            stopped.append(str(error))
        fill(small_disk, 1_000_000)
        done = len(store.done()) if (store.path / "scores").is_dir() else 0
        assert status(project, tasks=TASKS).counts()["done"] == done
        if done:
            assert check(store).damaged == ()
    assert len(stopped) >= 3
    assert [line for line in stopped if "make room" not in line] == []
    (small_disk / "filler").unlink()
    evaluate(project, tasks=TASKS)
    assert status(project, tasks=TASKS).counts() == {"done": 2, "running": 0, "waiting": 0, "failed": 0}
    with Ledger(store.path / "ledger.sqlite") as ledger:
        assert [event["event"] for event in ledger.events()].count("finished") == 2
        assert [event["event"] for event in ledger.events()].count("failed") == 0
    assert "Traceback" not in capfd.readouterr().err

    calm = load_project(project_file(store="calm"))
    evaluate(calm, tasks=TASKS)
    frames = [Store(each.store_path).read_scores()[0].drop(columns="scored_at") for each in (project, calm)]
    pd.testing.assert_frame_equal(*frames, check_exact=True)
