"""While a ladder trains, real clusters score its checkpoints, and everything that can be killed is killed.

Three coordinators watch one ladder: with the local executor, with Ray on two nodes and a ledger in PostgreSQL, and
with Slurm. Workers and coordinators are killed, PostgreSQL is restarted, checkpoints lie there half-written. In the end
every whole checkpoint is scored exactly once on every task, with the values of an undisturbed run.
"""

import collections
import hashlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest

from predictor.evaluation import evaluate, status
from predictor.project import load_project
from predictor.results.ledger import Ledger
from predictor.results.store import Store
from tests.evaluation import clusters
from tests.evaluation.tiny import save_checkpoint

pytestmark = pytest.mark.slow

TASKS = ("tiny_facts", "tiny_sort")
DEADLINE = 300.0
# What the processes that score are called, by executor.
WORKERS = {"local": "multiprocessing.spawn", "ray": "ray::predictor-", "slurm": "submitit.core._submit"}


@pytest.fixture
def needed():
    """Skip where a cluster cannot be started, and say what is missing."""
    absent = clusters.missing("slurmctld", "slurmd", "munged", "sbatch", "squeue")
    absent += [] if (clusters.POSTGRES / "initdb").exists() else ["postgresql"]
    if absent:
        pytest.skip(f"not installed: {', '.join(absent)}")
    pytest.importorskip("ray")
    pytest.importorskip("submitit")
    pytest.importorskip("psycopg")


@pytest.fixture
def ray_cluster():
    """Two nodes of Ray on this machine; gives the address."""
    # One thread, as everywhere here: the order of a sum must not depend on who scores.
    os.environ.update({"OMP_NUM_THREADS": "1", "RAY_USAGE_STATS_ENABLED": "0"})
    from ray.cluster_utils import Cluster

    nodes = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    nodes.add_node(num_cpus=1)
    yield nodes.address
    nodes.shutdown()


class Watched:
    """One coordinator that watches, its store, and the means to kill it and its workers."""

    def __init__(self, name, folder, ladder, environment, **more):
        self.name = name
        self.config = folder / f"{name}.yaml"
        project = {
            "suite": "tiny",
            "store": name,
            "families": {"tiny": {"tokens_per_step": 2048, "checkpoints": f"{ladder}/{{run}}/step_*"}},
            "runs": {"4k": {"family": "tiny", "params": 4188}},
            "scoring": {"limit": 8, "device": "cpu", "batch_size": 8, "dtype": "float32"},
            "settle_seconds": 1,
            "lease": "15s",
            "backoff": "1s",
            **more,
        }
        self.config.write_text(json.dumps(project))
        self.project = load_project(self.config)
        self.log = folder / f"{name}.log"
        self.environment = environment
        self.seen: dict[str, str] = {}
        self.process: subprocess.Popen | None = None

    def start(self):
        predictor = Path(sys.executable).with_name("predictor")
        tasks = [word for task in TASKS for word in ("--task", task)]
        with self.log.open("a") as log:
            self.process = subprocess.Popen(
                [predictor, "evaluate", "--watch", "--every", "2s", "--config", self.config, *tasks],
                stdout=log,
                stderr=log,
                env=self.environment,
            )

    def kill(self):
        """Kill the coordinator alone, and start it again."""
        self.look()
        self.process.kill()
        self.process.wait()
        self.start()

    def kill_a_worker(self, draw):
        """Kill one of the processes that score; False if there is none now."""
        found = []
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                command = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode()
                parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            except (OSError, ValueError):
                continue
            ours = self.name != "local" or parent == self.process.pid
            if WORKERS[self.name] in command and "srun" not in command and ours:
                found.append(int(folder.name))
        if found:
            os.kill(draw.choice(found), signal.SIGKILL)
        return bool(found)

    def look(self):
        """Remember the score files that are there: none of them may ever change."""
        for path in self.project.store_path.glob("scores/*/*/[!.]*.parquet"):
            self.seen.setdefault(str(path), hashlib.sha256(path.read_bytes()).hexdigest())

    def done(self):
        counts = status(self.project, tasks=TASKS).counts()
        return counts["done"] and not counts["waiting"] + counts["running"] + counts["failed"]

    def stop(self):
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                return self.process.wait(timeout=30)
            except subprocess.TimeoutExpired:
                self.process.kill()
                return self.process.wait()
        return None


def half_write(whole, folder):
    """Copy a checkpoint without the end of its weights."""
    shutil.copytree(whole, folder)
    weights = folder / "model.safetensors"
    content = weights.read_bytes()
    weights.write_bytes(content[: len(content) // 2])
    return lambda: weights.write_bytes(content)


def train(ladder):
    """Train the ladder's smallest run; its checkpoints appear one after the other."""
    command = [sys.executable, "-m", "predictor.ladder", "--out", ladder, "--sizes", "4k", "--tokens", "500k"]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def test_nothing_is_lost_or_scored_twice_whatever_is_killed(needed, ray_cluster, tmp_path):
    draw = random.Random(11)
    ladder = tmp_path / "ladder"
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    with (
        clusters.postgres() as database,
        clusters.slurm(tmp_path / "slurm-cluster") as slurm_environment,
    ):
        watched = [
            Watched("local", tmp_path, ladder, environment, executor={"workers": 2}),
            Watched(
                "ray",
                tmp_path,
                ladder,
                environment,
                executor={"kind": "ray", "address": ray_cluster},
                ledger=database.url,
            ),
            Watched("slurm", tmp_path, ladder, slurm_environment, executor={"kind": "slurm", "workers": 2}),
        ]
        trainer = train(ladder)
        try:
            began = time.monotonic()
            clusters.wait_for("the first checkpoint", lambda: any(ladder.glob("4k/step_*")))
            whole = save_checkpoint(tmp_path / "elsewhere", seed=3)
            complete = half_write(whole, ladder / "4k" / "step_900")
            half_write(save_checkpoint(tmp_path / "never", seed=4), ladder / "4k" / "step_901")
            for one in watched:
                one.start()

            kills = collections.Counter()
            chaos = [(one, action) for one in watched for action in ("worker", "coordinator")]
            chaos += [(draw.choice(watched), "worker"), (None, "database")]
            draw.shuffle(chaos)
            for number, (one, action) in enumerate(chaos):
                if action == "worker":
                    clusters.wait_for(
                        f"a worker of {one.name}", lambda one=one: one.kill_a_worker(draw) or one.done(), 100
                    )
                elif action == "coordinator":
                    one.kill()
                else:
                    database.stop()
                    time.sleep(1.0)
                    database.start()
                kills[action] += 1
                if number == 4:
                    complete()
                for each in watched:
                    each.look()
                time.sleep(draw.uniform(0.0, 1.5))

            assert trainer.wait(timeout=120) == 0
            for one in watched:
                left = DEADLINE - (time.monotonic() - began)
                clusters.wait_for(f"the end of {one.name}; {one.log.read_text()[-2000:]}", one.done, left)
            codes = [one.stop() for one in watched]
        finally:
            trainer.kill()
            trainer.wait()
            for one in watched:
                one.stop()

        # An undisturbed run over the same ladder, in one process.
        calm = Watched("calm", tmp_path, ladder, environment)
        outcome = evaluate(calm.project, tasks=TASKS)
        assert outcome.failed == ()
        steps = {key.step for key in outcome.scored}
        assert {900} < steps
        assert 901 not in steps
        expected = Store(calm.project.store_path).read_scores()[0].drop(columns="scored_at")

        for one, code in zip(watched, codes, strict=True):
            assert code == 0, one.log.read_text()[-2000:]
            found, _, notes = Store(one.project.store_path).read_scores()
            assert notes == (), one.name
            pd.testing.assert_frame_equal(found.drop(columns="scored_at"), expected, check_exact=True, obj=one.name)
            one_file_each = list(one.project.store_path.glob("scores/*/*/*.parquet"))
            assert len(one_file_each) == len(steps) * len(TASKS), one.name
            now = {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in one_file_each}
            assert {path: now.get(path) for path in one.seen} == one.seen, one.name
            with Ledger(one.project.ledger_path or one.project.store_path / "ledger.sqlite") as ledger:
                history = collections.defaultdict(list)
                for event in ledger.events():
                    history[event["identity"]].append((event["event"], event["detail"]))
                assert ledger.coordinators() == []
            twice = [events for events in history.values() if [name for name, _ in events].count("finished") != 1]
            assert twice == [], one.name
            assert len(history) == len(one_file_each), one.name
            assert not list(one.project.store_path.rglob(".writing-*"))
            assert not list(one.project.store_path.glob("work/*"))
