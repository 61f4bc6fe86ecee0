"""The next checkpoint's weights are read while one is scored: the scores are the same, and its faults are its own."""

import shutil
from dataclasses import replace

import pandas as pd
import pytest

from predictor.evaluation import evaluate
from predictor.evaluation.coordinator import Session
from predictor.evaluation.plan import Choice
from predictor.evaluation.scoring.weights import WeightReader
from predictor.evaluation.worker import FAILED, FINISHED, score_unit
from predictor.project import load_project
from predictor.results.layout import stem_of
from predictor.results.store import Store
from tests.evaluation.tiny import save_checkpoint, write_project

pytestmark = pytest.mark.slow

TASK = "tiny_facts"
STEPS = (10, 20, 30)


@pytest.fixture(scope="module")
def three(tmp_path_factory):
    """Three checkpoints of one architecture."""
    folder = tmp_path_factory.mktemp("three")
    for step in STEPS:
        save_checkpoint(folder / f"step_{step}", seed=step)
    return folder


@pytest.fixture
def taken(monkeypatch):
    """Steps whose weights were in memory when they were asked for, and those that were not."""
    steps = {True: [], False: []}
    take = WeightReader.take

    def watched(self, folder):
        ahead = self._ahead is not None and self._ahead.folder == folder and self._ahead.found.result() is not None
        steps[ahead].append(int(folder.name.removeprefix("step_")))
        return take(self, folder)

    monkeypatch.setattr(WeightReader, "take", watched)
    return steps


def scores_of(project):
    frame = Store(project.store_path).read_scores()[0][
        ["step", "task", "metric", "value", "stderr", "n_items", "identity"]
    ]
    return frame.sort_values(["step", "metric"]).reset_index(drop=True)


@pytest.fixture(scope="module")
def alone(three, tmp_path_factory):
    """The scores of each checkpoint, loaded anew."""
    folder = tmp_path_factory.mktemp("alone")
    frames = []
    for step in STEPS:
        shutil.copytree(three / f"step_{step}", folder / f"only_{step}" / f"step_{step}")
        (folder / f"project_{step}").mkdir()
        project = load_project(write_project(folder / f"project_{step}", folder / f"only_{step}"))
        assert evaluate(project, tasks=(TASK,)).failed == ()
        frames.append(scores_of(project))
    return pd.concat(frames, ignore_index=True)


def test_scores_are_those_of_checkpoints_that_are_loaded_anew(three, tmp_path, alone, taken):
    project = load_project(write_project(tmp_path, three))
    assert len(evaluate(project, tasks=(TASK,)).scored) == 3
    pd.testing.assert_frame_equal(scores_of(project), alone, check_exact=True)
    assert (taken[True], taken[False]) == ([20, 30], [])


def units_of(project):
    with Session(project, None, Choice(tasks=(TASK,))) as session:
        units = sorted(session.plan().units, key=lambda unit: unit.checkpoint.step)
        # What these tests do to a checkpoint would be refused as a change after the plan, where one is known.
        return session.harness(), session.store, [replace(unit, fingerprint="") for unit in units]


def score(harness, store, unit, ahead=None):
    """Score a unit; what was said of it."""
    said = score_unit(unit, harness, store, ahead=ahead)
    return [(report.event, report.reason) for report in said if report.event in (FINISHED, FAILED)]


def truncate(folder):
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-1000])


def spoil(folder):
    from safetensors.torch import load_file, save_file

    tensors = load_file(folder / "model.safetensors")
    tensors["model.norm.weight"][:] = float("nan")
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})


@pytest.mark.parametrize(
    ("harm", "reason"),
    [
        (truncate, "cannot be loaded"),
        (spoil, "is broken"),
        (shutil.rmtree, "cannot be loaded"),
        (lambda folder: (folder / "config.json").write_text("{"), "cannot be loaded"),
    ],
    ids=["half written", "not a number", "removed", "no configuration"],
)
@pytest.mark.parametrize("late", [False, True], ids=["before it is read", "after it was read"])
def test_a_fault_of_the_next_checkpoint_is_its_own(three, tmp_path, alone, harm, reason, late):
    shutil.copytree(three, tmp_path / "models")
    project = load_project(write_project(tmp_path, tmp_path / "models"))
    harness, store, (first, second, third) = units_of(project)
    if not late:
        harm(second.checkpoint.path)
    assert score(harness, store, first, ahead=second) == [(FINISHED, "")]
    module = harness._models["tree"][0].model
    if late:
        harm(second.checkpoint.path)
    ((event, said),) = score(harness, store, second, ahead=third)
    assert event == FAILED
    assert reason in said
    # The one after it goes into the same module again.
    assert score(harness, store, third) == [(FINISHED, "")]
    assert harness._models["tree"][0].model is module
    expected = alone[alone["step"] != 20].reset_index(drop=True)
    pd.testing.assert_frame_equal(scores_of(project), expected, check_exact=True)


def test_what_was_written_after_it_was_read_counts(three, tmp_path):
    shutil.copytree(three, tmp_path / "models")
    project = load_project(write_project(tmp_path, tmp_path / "models"))
    harness, store, (first, second, third) = units_of(project)
    assert score(harness, store, first, ahead=second) == [(FINISHED, "")]
    shutil.copy(third.checkpoint.path / "model.safetensors", second.checkpoint.path / "model.safetensors")
    assert score(harness, store, second) == score(harness, store, third) == [(FINISHED, "")]
    frame = scores_of(project)
    values = [frame[frame["step"] == step]["value"].tolist() for step in STEPS]
    assert values[0] != values[1] == values[2]


def test_a_checkpoint_may_be_removed_once_it_is_scored(three, tmp_path, alone):
    shutil.copytree(three, tmp_path / "models")
    project = load_project(write_project(tmp_path, tmp_path / "models"))
    harness, store, units = units_of(project)
    for unit, ahead in zip(units, [*units[1:], None], strict=True):
        assert score(harness, store, unit, ahead=ahead) == [(FINISHED, "")]
        shutil.rmtree(unit.checkpoint.path)
    pd.testing.assert_frame_equal(scores_of(project), alone, check_exact=True)


def test_code_that_one_run_may_run_and_another_may_not_share_no_module(three, tmp_path):
    project = load_project(write_project(tmp_path, three))
    harness, store, (first, second, third) = units_of(project)
    assert score(harness, store, first) == [(FINISHED, "")]
    module = harness._models["tree"][0].model
    trusted = replace(second, checkpoint=replace(second.checkpoint, trust_remote_code=True))
    assert score(harness, store, trusted, ahead=third) == [(FINISHED, "")]
    other = harness._models["tree"][0]
    assert other.model is not module
    assert not other.drop_ahead()
    assert score(harness, store, third) == [(FINISHED, "")]
    assert harness._models["tree"][0].model is not other.model


def test_out_of_memory_lets_go_of_the_next_checkpoint_first(three, tmp_path, monkeypatch):
    project = load_project(write_project(tmp_path, three))
    harness, store, (first, second, _) = units_of(project)
    run, sizes = harness.run, []

    def short_of_memory(model, loaded):
        if model._weights._ahead is not None:
            raise MemoryError
        sizes.append(model.batch_size_per_gpu)
        return run(model, loaded)

    monkeypatch.setattr(harness, "run", short_of_memory)
    assert score(harness, store, first, ahead=second) == [(FINISHED, "")]
    assert sizes == [8]


def test_nothing_is_read_ahead_that_memory_is_too_short_for(three, tmp_path, monkeypatch, taken):
    monkeypatch.setattr("predictor.evaluation.scoring.weights.free_memory", lambda: 100_000)
    project = load_project(write_project(tmp_path, three))
    assert len(evaluate(project, tasks=(TASK,)).scored) == 3
    assert (taken[True], taken[False]) == ([], [20, 30])


def test_a_promised_checkpoint_is_left_to_its_worker_while_others_wait(three, tmp_path):
    project = load_project(write_project(tmp_path, three))
    with Session(project, None, Choice(tasks=(TASK, "tiny_heldout"))) as session:
        units = session.plan().units
        session.queue.piece_seconds = 1.0
        assert session.queue.add(units) == 6
        first = session.queue.take(worker=1)
        promised = session.queue.ahead(worker=1)
        # The other half of the same checkpoint: nothing need be loaded for it.
        assert promised.digest == first.digest
        other = session.queue.take(worker=2)
        assert other.digest != first.digest
        assert session.queue.take(worker=1).pairs == promised.pairs
        assert session.queue.ahead(worker=1, idle=3) is None
        # At the end a promise keeps nobody idle.
        session.queue.ahead(worker=1)
        assert [session.queue.take(worker=2) is None for _ in range(4)] == [False, False, False, True]


def test_small_pieces_share_a_job_as_long_as_there_is_one_for_every_worker(three, tmp_path):
    project = load_project(write_project(tmp_path, three))
    with Session(project, None, Choice(tasks=(TASK, "tiny_heldout"))) as session:
        queue = session.queue
        assert queue.add(session.plan().units) == 6
        # A pair that was never measured counts as a minute: all three checkpoints fit into ten.
        (pack,) = queue.packs(slots=1, running=0, array=1000)
        assert sorted(unit.checkpoint.step for unit in pack) == list(STEPS)
        assert len({unit.job for unit in pack}) == 1
        queue.give_back(pack)
        assert (queue.waiting, queue.in_hand) == (6, 0)
        packs = queue.packs(slots=3, running=0, array=1000)
        assert [len(pack) for pack in packs] == [1, 1, 1]
        for pack in reversed(packs):
            queue.give_back(pack)
        # Two checkpoints take four minutes.
        queue.piece_seconds = 230.0
        assert [len(pack) for pack in queue.packs(slots=1, running=0, array=1000)] == [1, 1, 1]


def test_the_newest_checkpoint_is_scored_by_all_workers_where_it_is_wanted_first(three, tmp_path):
    project = load_project(write_project(tmp_path, three, select={"newest_first": True}))
    with Session(project, None, Choice(tasks=(TASK, "tiny_heldout", "tiny_parity"))) as session:
        middle, *others = sorted(session.plan().units, key=lambda unit: unit.checkpoint.step != 20)
        session.queue.piece_seconds = 1.0
        session.queue.add([middle])
        assert session.queue.take(worker=1).checkpoint.step == 20
        # What appears while others wait comes first, the newest of it before all.
        session.queue.add(others)
        assert session.queue.ahead(worker=1).checkpoint.step == 30
        taken = [session.queue.take(worker=worker).checkpoint.step for worker in (2, 3, 1, 2, 3, 1)]
        assert taken == [30, 30, 30, 20, 20, 10]


def test_what_another_coordinator_takes_meanwhile_is_not_kept_in_memory(three, tmp_path):
    project = load_project(write_project(tmp_path, three))
    with Session(project, None, Choice(tasks=(TASK,))) as session:
        first, *others = session.plan().units
        rest = [pair.key for unit in others for pair in unit.pairs]
        session.queue.add([first, *others])
        for report in session.executor.run(session.queue):
            if session.queue.record(report) is not None:
                session.ledger.leases.claim(rest, "another", "job", 60)
        key = first.pairs[0].key
        assert set(session.store.done()) == {stem_of(key.run, key.step, key.task, key.identity)}
        assert not session.harness().drop_ahead()
