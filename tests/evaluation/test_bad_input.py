"""What is wrong with a checkpoint, a store or its credentials is said in one line, and touches nothing else."""

import http.server
import json
import shutil
import threading

import pytest

from predictor.errors import CheckpointError, ConfigError, StoreError
from predictor.evaluation import evaluate, status
from predictor.evaluation.coordinator import Session
from predictor.project import load_project

EXPIRED = b"<Error><Code>ExpiredToken</Code><Message>The provided token has expired.</Message></Error>"


@pytest.fixture
def expired_credentials(monkeypatch):
    """An object store on this machine that answers everything with: the token has expired."""

    class Refusing(http.server.BaseHTTPRequestHandler):
        def _refuse(self):
            self.send_response(400)
            self.send_header("Content-Type", "application/xml")
            self.send_header("Content-Length", str(len(EXPIRED)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(EXPIRED)

        do_GET = do_PUT = do_HEAD = do_POST = do_DELETE = _refuse

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Refusing)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{server.server_port}")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.setenv(name, "a-secret-that-expired")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    yield
    server.shutdown()
    server.server_close()


def test_expired_credentials_are_named_without_their_value(expired_credentials, project_file, tmp_path):
    pytest.importorskip("s3fs")
    project = load_project(project_file(store="s3://bucket/store", ledger="ledger.sqlite"))
    with pytest.raises(StoreError, match=r"s3://bucket/store cannot be reached .*credentials") as caught:
        evaluate(project)
    assert "a-secret-that-expired" not in str(caught.value)
    runs = {"small": {"family": "random", "params": "26.9k", "checkpoints": "s3://bucket/run/step_*"}}
    with pytest.raises(CheckpointError, match=r"checkpoints of run small in s3://bucket/run .*credentials"):
        status(load_project(project_file(runs=runs)))


def test_a_store_on_an_object_store_needs_a_ledger_elsewhere(project_file):
    with pytest.raises(ConfigError, match="cannot hold the ledger; give `ledger:`"):
        evaluate(load_project(project_file(store="memory://bucket/store")))


def test_a_variable_that_is_not_set_is_named(project_file):
    project = load_project(project_file(ledger="postgresql://me:${NO_SUCH_VARIABLE}@db/x"))
    with pytest.raises(ConfigError, match="names the variable NO_SUCH_VARIABLE, which is not set"), Session(project):
        pass


def test_a_store_that_is_a_file_is_one_line(project_file, tmp_path):
    (tmp_path / "store").write_text("not a folder")
    with pytest.raises(StoreError, match="cannot be made"):
        evaluate(load_project(project_file()))


@pytest.mark.parametrize(
    ("executor", "package"),
    [({"kind": "ray"}, "ray"), ({"kind": "slurm"}, "submitit")],
)
def test_an_executor_whose_package_is_missing_names_the_extra(project_file, monkeypatch, executor, package):
    monkeypatch.setitem(__import__("sys").modules, package, None)
    with pytest.raises(ConfigError, match=rf"not installed; pip install 'downstream-predictor\[{executor['kind']}\]'"):
        evaluate(load_project(project_file(executor=executor)))


@pytest.mark.slow
def test_checkpoints_and_scores_on_an_object_store_are_those_of_folders(project_file, checkpoints, tmp_path):
    from upath import UPath

    from predictor.results.store import Store

    for path in (checkpoints / "step_10").iterdir():
        target = UPath("memory://models/small/step_10") / path.name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(path.read_bytes())
    family = {"tokens_per_step": 1000, "checkpoints": "memory://models/{run}/step_{step}"}
    remote = load_project(
        project_file(store="memory://scores/store", ledger="ledger.sqlite", families={"random": family})
    )
    assert len(evaluate(remote, tasks=("tiny_facts",)).scored) == 1
    assert evaluate(remote, tasks=("tiny_facts",)).planned == ()
    assert status(remote, tasks=("tiny_facts",)).counts()["done"] == 1
    local = load_project(project_file())
    evaluate(local, tasks=("tiny_facts",))
    there, here = (Store(project.store_path).read_scores()[0] for project in (remote, local))
    assert there["value"].tolist() == here[here["step"] == 10]["value"].tolist()
    assert there["identity"].tolist() == here[here["step"] == 10]["identity"].tolist()


@pytest.mark.slow
def test_weights_of_a_wrong_type_or_shape_fail_their_checkpoint_alone(project_file, checkpoints, tmp_path):
    from safetensors.torch import load_file, save_file

    folder = tmp_path / "mine"
    shutil.copytree(checkpoints, folder)
    weights = folder / "step_10" / "model.safetensors"
    tensors = load_file(weights)
    tensors["model.norm.weight"] = tensors["model.norm.weight"][:-1].clone()
    save_file(tensors, weights, metadata={"format": "pt"})
    outcome = evaluate(load_project(project_file(checkpoints=folder)), tasks=("tiny_facts",))
    assert [key.step for key in outcome.scored] == [20]
    ((key, reason),) = outcome.failed
    assert key.step == 10
    assert "do not fit its config.json: 1 of another shape (model.norm.weight)" in reason


@pytest.mark.slow
def test_memory_that_is_short_halves_the_batch_and_then_asks_for_a_larger_worker(project_file, checkpoints):
    from predictor.evaluation.harness import Harness
    from predictor.evaluation.worker import TOO_LARGE, Report, score_unit
    from predictor.results.store import Store

    project = load_project(project_file())
    sizes = []

    class Small(Harness):
        """Too little memory for batches above a size: torch's own error, raised where the model would."""

        room = 2

        def run(self, model, loaded):
            sizes.append(model.batch_size)
            if model.batch_size > self.room:
                import torch

                raise torch.OutOfMemoryError("CUDA out of memory")
            return super().run(model, loaded)

    with Session(project) as session:
        session.choice = type(session.choice)(tasks=("tiny_facts",))
        unit = session.plan().units[0]
        harness, store = Small(project.scoring), Store(project.store_path)
        events = [report.event for report in score_unit(unit, harness, store)]
        assert (sizes, events) == ([8, 4, 2], ["started", "finished"])
        unit = session.plan().units[0]
        Small.room = 0
        assert [report.event for report in score_unit(unit, harness, store)] == ["started", TOO_LARGE]
        # Handed back, the pair waits for a worker twice as large.
        session.queue.largest = 2
        session.queue.add([unit])
        taken = session.queue.take()
        session.queue.record(Report(TOO_LARGE, taken.pairs[0].key, "out of memory"))
        assert session.queue.take().size == 2


def test_one_name_for_two_runs_is_refused(tmp_path):
    text = json.dumps({"suite": "tiny", "families": {"f": {"tokens_per_step": 1, "checkpoints": "{run}/{step}"}}})
    run = '"a": {"family": "f", "params": 1}'
    (tmp_path / "checkpoints.yaml").write_text(f'{text[:-1]}, "runs": {{{run}, {run}}}}}')
    with pytest.raises(ConfigError, match=r"runs\.a is said twice"):
        load_project(tmp_path / "checkpoints.yaml")


def test_a_run_is_not_named_as_the_scores_of_others_are(project_file):
    runs = {"imported": {"family": "random", "params": "26.9k"}}
    with pytest.raises(ConfigError, match=r"runs\.imported: .*give the run another one"):
        evaluate(load_project(project_file(runs=runs)))
