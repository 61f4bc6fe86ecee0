"""While a ladder trains, real clusters score its checkpoints, and everything that can be killed is killed.

Three coordinators watch one ladder: with the local executor, with Ray on two nodes and a ledger in PostgreSQL, and
with Slurm. Of each, workers and the coordinator are killed; PostgreSQL is restarted, checkpoints lie half-written, and
new ones come until all that was to be killed was seen at work and killed. In the end every whole checkpoint is scored
exactly once on every task, with the values of an undisturbed run.
"""

import collections
import contextlib
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

from predictor.errors import PredictorError
from predictor.evaluation import evaluate, status
from predictor.project import load_project
from predictor.results.ledger import Ledger
from predictor.results.store import Store
from tests.evaluation import clusters
from tests.evaluation.tiny import save_checkpoint

pytestmark = pytest.mark.slow

TASKS = ("tiny_facts", "tiny_sort")
# It takes three minutes on two cores. What must not happen is that it hangs; on a machine that is busy it takes longer.
DEADLINE = 1200.0
# Of each executor. A pair whose worker was killed three times would be given up.
WORKER_KILLS = 2
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
                [predictor, "evaluate", "--watch", "--every", "2s", "--config", self.config.name, *tasks],
                # As a user would: workers elsewhere must not depend on where the coordinator was started.
                cwd=self.config.parent,
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
        workers = self.workers()
        if not workers:
            return False
        with contextlib.suppress(ProcessLookupError):
            os.kill(draw.choice(workers), signal.SIGKILL)
            return True
        return False

    def workers(self):
        """Numbers of the processes that score for this coordinator."""
        found = []
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                command = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            except OSError:
                continue
            # srun waits for the worker and has its command line, too.
            if WORKERS[self.name] in command and "srun" not in command and self._is_ours(folder, command):
                found.append(int(folder.name))
        return found

    def _is_ours(self, folder, command):
        if self.name == "slurm":
            return str(self.project.store_path) in command
        # The local worker's parent is the coordinator; Ray's is a raylet, which this process started.
        wanted = self.process.pid if self.name == "local" else os.getpid()
        number = int(folder.name)
        while number > 1 and number != wanted:
            try:
                number = int(Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[1])
            except OSError:
                return False
        return number == wanted

    def look(self):
        """Remember the score files that are there: none of them may ever change."""
        for path in self.project.store_path.glob("scores/*/*/[!.]*.parquet"):
            self.seen.setdefault(str(path), hashlib.sha256(path.read_bytes()).hexdigest())

    def done(self):
        """Tell whether everything is scored, and the coordinator that lives now has heard of it."""
        counts = status(self.project, tasks=TASKS).counts()
        if not counts["done"] or counts["waiting"] + counts["running"] + counts["failed"]:
            return False
        # A worker or coordinator that is killed once the file is in place says nothing: the next look finds the file.
        with Ledger(self.project.ledger_path or self.project.store_path / "ledger.sqlite") as ledger:
            heard = {event["identity"] for event in ledger.events() if event["event"] == "finished"}
            # One that was killed is listed until its silence has lasted; the one that follows it is at work by then.
            listed = [coordinator.pid for coordinator in ledger.coordinators.listed()]
        return len(heard) >= counts["done"] and listed == [self.process.pid]

    def tell(self):
        """Say how it stands, for whoever reads why this test failed."""
        print(f"\n== {self.name}: coordinator's exit code {self.process and self.process.poll()}; {self.workers()}")
        print(self.log.read_text()[-3000:] if self.log.is_file() else "never started")
        with contextlib.suppress(PredictorError):
            state = status(self.project, tasks=TASKS)
            print(state.counts(), [(one.activity, one.age) for one in state.coordinators])
            print(*[pair for pair in state.pairs if pair.state != "done"], sep="\n")

    def stop(self):
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                return self.process.wait(timeout=120)
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


class Disturbance:
    """Kills what works, in an order that is drawn, until all was killed that was to be killed.

    Whose turn it is to lose a worker must have one at work: where it has scored everything, a new checkpoint comes.
    """

    def __init__(self, watched, database, ladder, elsewhere, draw):
        self.watched, self.database, self.ladder, self.elsewhere, self.draw = watched, database, ladder, elsewhere, draw
        self.kills = collections.Counter()
        self.left = [(one, "worker") for one in watched for _ in range(WORKER_KILLS)]
        self.left += [(one, "coordinator") for one in watched] + [(None, "database")]
        draw.shuffle(self.left)
        self.added = 0

    def step(self):
        """Kill once; False if nothing of what is left could be killed now."""
        one, action = self.left[0]
        if action == "database":
            self.database.stop()
            time.sleep(1.0)
            self.database.start()
        elif action == "coordinator":
            one.kill()
        else:
            seen = next((turn for turn in self.left if turn[1] == "worker" and turn[0].kill_a_worker(self.draw)), None)
            if seen is None:
                if one.done():
                    self.add_checkpoint()
                return False
            one = seen[0]
        self.left.remove((one, action))
        self.kills[one.name if one else "", action] += 1
        for each in self.watched:
            each.look()
        return True

    def add_checkpoint(self):
        """Let one more checkpoint appear, whole at once."""
        self.added += 1
        new = save_checkpoint(self.elsewhere / str(self.added), seed=100 + self.added)
        new.rename(self.ladder / "4k" / f"step_{1000 + self.added}")


@contextlib.contextmanager
def told_when_it_fails(watched, slurm):
    """Print how everything stood, where the body fails."""
    try:
        yield
    except BaseException:
        for one in watched:
            one.tell()
        for command in (["squeue", "--states=all", "--array"], ["sinfo", "--list-reasons"], ["sinfo", "--long"]):
            done = subprocess.run(command, env=slurm.environment, capture_output=True, text=True, check=False)
            print(f"\n== {' '.join(command)}\n{done.stdout}{done.stderr}")
        for name in ("slurmctld.log", "slurmd.log"):
            print(f"\n== {name}\n{(slurm.folder / name).read_text()[-4000:]}")
        raise


def test_nothing_is_lost_or_scored_twice_whatever_is_killed(needed, ray_cluster, tmp_path):
    draw = random.Random(11)
    ladder = tmp_path / "ladder"
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    with (
        clusters.postgres() as database,
        clusters.slurm(tmp_path / "slurm-cluster") as slurm,
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
            Watched(
                "slurm",
                tmp_path,
                ladder,
                {**slurm.environment, "OMP_NUM_THREADS": "1"},
                executor={"kind": "slurm", "workers": 2},
            ),
        ]
        trainer = train(ladder)
        try:
            began = time.monotonic()
            clusters.wait_for("the first checkpoint", lambda: any(ladder.glob("4k/step_*")), DEADLINE)
            whole = save_checkpoint(tmp_path / "elsewhere", seed=3)
            complete = half_write(whole, ladder / "4k" / "step_900")
            half_write(save_checkpoint(tmp_path / "never", seed=4), ladder / "4k" / "step_901")
            for one in watched:
                one.start()

            disturbance = Disturbance(watched, database, ladder, tmp_path / "added", draw)
            with told_when_it_fails(watched, slurm):
                while disturbance.left:
                    assert time.monotonic() - began < DEADLINE, f"never seen: {disturbance.left}"
                    killed = disturbance.step()
                    if killed and len(disturbance.left) == 5:
                        complete()
                    time.sleep(draw.uniform(0.0, 1.5) if killed else 0.2)
                    assert [one.process.poll() for one in watched] == [None] * len(watched)
                assert trainer.wait(timeout=DEADLINE) == 0
                for one in watched:
                    left = DEADLINE - (time.monotonic() - began)
                    clusters.wait_for(f"the end of {one.name}", one.done, left)
                codes = [one.stop() for one in watched]
                assert codes == [0, 0, 0]
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

        for one in watched:
            assert disturbance.kills[one.name, "worker"] == WORKER_KILLS
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
                assert ledger.coordinators.listed() == []
            twice = [events for events in history.values() if [name for name, _ in events].count("finished") != 1]
            assert twice == [], one.name
            assert len(history) == len(one_file_each), one.name
            # What a worker was writing as it was killed; no reader takes it for a score.
            assert len(list(one.project.store_path.rglob(".writing-*"))) <= WORKER_KILLS
            assert not list(one.project.store_path.glob("work/*"))
