"""The stage of the soak test and of the longer one in benchmarks/reliability: real clusters and their faults."""

import collections
import contextlib
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

from predictor.errors import PredictorError, StoreError
from predictor.evaluation import evaluate, status
from predictor.project import load_project
from predictor.results.ledger import Ledger
from predictor.results.store import Store
from tests.evaluation import clusters

TASKS = ("tiny_facts", "tiny_sort")
# What must not happen is that it hangs; on a machine that is busy it takes longer.
DEADLINE = 1200.0
# What the processes that score are called, by executor; the second coordinator of a store scores in its own process.
WORKERS = {"local": "multiprocessing.spawn", "ray": "ray::predictor-", "slurm": "submitit.core._submit"}
FAULTS = ("worker", "coordinator", "database", "frozen", "weights", "full disk", "read-only disk", "held")


def missing():
    """Name what a cluster needs that is not installed."""
    absent = clusters.missing("slurmctld", "slurmd", "munged", "sbatch", "squeue")
    return absent + ([] if (clusters.POSTGRES / "initdb").exists() else ["postgresql"])


@contextlib.contextmanager
def ray_cluster():
    """Two nodes of Ray on this machine; yields the address."""
    # One thread, as everywhere here: the order of a sum must not depend on who scores.
    os.environ.update({"OMP_NUM_THREADS": "1", "RAY_USAGE_STATS_ENABLED": "0"})
    from ray.cluster_utils import Cluster

    nodes = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    nodes.add_node(num_cpus=1)
    try:
        yield nodes.address
    finally:
        nodes.shutdown()


@contextlib.contextmanager
def small_disk(folder):
    """A file system of its own; yields whether there is one, which only root can mount."""
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", str(folder)]
    mounted = os.geteuid() == 0 and subprocess.run(mount, capture_output=True, check=False).returncode == 0
    try:
        yield mounted
    finally:
        if mounted:
            subprocess.run(["umount", "--lazy", str(folder)], check=True)


class Watched:
    """One coordinator that watches, its store, and the means to kill it and its workers."""

    def __init__(self, name, folder, ladder, environment, **more):
        self.name = name
        self.partners = [self]
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

    def start_if_ended(self):
        """Start a coordinator again that gave up with one line, as a service manager does; how often it did."""
        if self.process.poll() is None:
            return 0
        assert self.process.returncode == 2, (self.name, self.process.returncode, self.log.read_text()[-2000:])
        self.start()
        return 1

    def signal_a_worker(self, draw, number=signal.SIGKILL):
        """Kill or stop one of the processes that score; False if there is none now."""
        workers = self.workers()
        if not workers:
            return False
        with contextlib.suppress(ProcessLookupError):
            os.kill(draw.choice(workers), number)
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
            known = WORKERS.get(self.name)
            if known and known in command and "srun" not in command and self._is_ours(folder, command):
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
        alive = {one.process.pid for one in self.partners}
        return len(heard) >= counts["done"] and self.process.pid in listed and set(listed) <= alive

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


def another(whole, folder, seed):
    """Save a checkpoint as a trained one with other weights; of the same size to the byte."""
    from safetensors.torch import load_file, save_file

    shutil.copytree(whole, folder)
    weights = load_file(folder / "model.safetensors")
    factor = 1.0 + 0.01 * (seed + 1)
    save_file(
        {name: factor * tensor for name, tensor in weights.items()}, folder / "model.safetensors", {"format": "pt"}
    )
    return folder


def half_write(whole, folder):
    """Copy a checkpoint without the end of its weights."""
    shutil.copytree(whole, folder)
    weights = folder / "model.safetensors"
    content = weights.read_bytes()
    weights.write_bytes(content[: len(content) // 2])
    return lambda: weights.write_bytes(content)


def train(ladder):
    """Train the ladder's smallest run; its checkpoints appear one after the other."""
    command = [sys.executable, "-m", "predictor.ladder", "--out", ladder, "--sizes", "4k", "--tokens", "300k"]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


class Stage:
    """A ladder that trains, four coordinators that watch it, and what can be done to them.

    Args:
        folder: where everything is.
        draw: decides what happens to whom.
    """

    def __init__(self, folder, draw):
        self.folder, self.draw, self.ladder = folder, draw, folder / "ladder"
        self.injected = collections.Counter()
        self.restarts = 0
        self.added = []
        self._stack = contextlib.ExitStack()

    def __enter__(self):
        with contextlib.ExitStack() as stack:
            self._set_up(stack)
            self._stack = stack.pop_all()
        return self

    def _set_up(self, stack):
        folder, environment = self.folder, {**os.environ, "OMP_NUM_THREADS": "1"}
        self.database = stack.enter_context(clusters.postgres())
        self.slurm = stack.enter_context(clusters.slurm(folder / "slurm-cluster"))
        address = stack.enter_context(ray_cluster())
        self.disk = folder / "disk"
        self.has_disk = stack.enter_context(small_disk(self.disk))
        shared = {"store": "ray", "ledger": self.database.url}
        on_slurm = {**self.slurm.environment, "OMP_NUM_THREADS": "1"}

        def watched(name, surroundings=environment, **more):
            return Watched(name, folder, self.ladder, surroundings, **more)

        self.watched = [
            watched("local", store=str(self.disk / "local"), executor={"workers": 2}),
            watched("ray", executor={"kind": "ray", "address": address}, **shared),
            watched("second", executor={"workers": 1}, **shared),
            watched("slurm", on_slurm, executor={"kind": "slurm", "workers": 2, "piece": "10s"}),
        ]
        self.local, ray, second, self.on_slurm = self.watched
        ray.partners = second.partners = [ray, second]
        self.trainer = train(self.ladder)
        stack.callback(self._end)
        clusters.wait_for("the first checkpoint", lambda: len(list(self.ladder.glob("4k/step_*"))) > 1, DEADLINE)
        # The first one is whole where the second has come.
        first = min(self.ladder.glob("4k/step_*"), key=lambda path: path.stat().st_mtime)
        self.whole = shutil.copytree(first, folder / "elsewhere")
        self.complete = half_write(another(self.whole, folder / "900", 3), self.ladder / "4k" / "step_900")
        half_write(another(self.whole, folder / "901", 4), self.ladder / "4k" / "step_901")
        for one in self.watched:
            one.start()

    def _end(self):
        self.trainer.kill()
        self.trainer.wait()
        for one in self.watched:
            one.stop()

    def __exit__(self, *error):
        self._stack.close()

    def faults(self):
        """What can be done here: fault, and to whom."""
        scoring = [one for one in self.watched if one.name in WORKERS]
        some = [("worker", one) for one in scoring] + [("coordinator", one) for one in self.watched]
        some += [("database", None), ("weights", None), ("held", self.on_slurm)]
        some += [("frozen", one) for one in scoring]
        return some + ([("full disk", self.local), ("read-only disk", self.local)] if self.has_disk else [])

    def inject(self, fault, one):
        """Do it; False if it cannot be done now, as nobody is at work: then a new checkpoint comes."""
        if fault in ("worker", "frozen"):
            done = one.signal_a_worker(self.draw, signal.SIGKILL if fault == "worker" else signal.SIGSTOP)
        elif fault == "held":
            done = self._hold()
        else:
            act = {"coordinator": self._kill, "database": self._restart, "weights": self._replace}
            act |= {"full disk": self._fill, "read-only disk": self._freeze_disk}
            act[fault](one)
            done = True
        if done:
            self.injected[fault] += 1
        elif one.done():
            self.add_checkpoint()
        for each in self.watched:
            each.look()
            self.restarts += each.start_if_ended()
        return done

    def add_checkpoint(self):
        """Let one more checkpoint appear, whole at once."""
        new = another(self.whole, self.folder / f"added-{len(self.added)}", 100 + len(self.added))
        home = self.ladder / "4k" / f"step_{1000 + len(self.added)}"
        new.rename(home)
        self.added.append(home)

    def _kill(self, one):
        one.kill()

    def _restart(self, _):
        self.database.stop()
        time.sleep(1.0)
        self.database.start()

    def _replace(self, _):
        """Put other weights of the same size and time in the place of a checkpoint's."""
        if not self.added:
            self.add_checkpoint()
        weights = self.draw.choice(self.added) / "model.safetensors"
        number = self.injected["weights"]
        other = another(self.whole, self.folder / f"replacing-{number}", 500 + number) / weights.name
        before = weights.stat()
        assert other.stat().st_size == before.st_size
        os.utime(other, ns=(before.st_atime_ns, before.st_mtime_ns))
        other.rename(weights)

    def _fill(self, one):
        filler = self.disk / "filler"
        free = shutil.disk_usage(self.disk).free
        # What was scored in the meantime leaves less room, so that not all of it is written.
        with contextlib.suppress(OSError):
            filler.write_bytes(b"x" * max(0, free - self.draw.choice([0, 4096, 65_536])))
        self.add_checkpoint()
        time.sleep(5.0)
        filler.unlink()

    def _freeze_disk(self, one):
        """A coordinator that starts on a read-only disk says so and ends."""
        one.look()
        workers = one.workers()
        one.process.kill()
        one.process.wait()
        # Those that were stopped would hold their files for good: nothing can end them while no coordinator can start.
        for worker in workers:
            with contextlib.suppress(ProcessLookupError):
                os.kill(worker, signal.SIGKILL)
        remount = ["mount", "-o", "remount,ro", str(self.disk)]
        # Workers that are left end by themselves, and hold files till then.
        clusters.wait_for("a read-only disk", lambda: subprocess.run(remount, capture_output=True).returncode == 0)
        one.start()
        try:
            assert one.process.wait(timeout=120) == 2
        finally:
            subprocess.run(["mount", "-o", "remount,rw", str(self.disk)], check=True)
        one.start()

    def _hold(self):
        listed = ["squeue", "--array", "--noheader", "--states=PENDING", "--format=%i"]
        done = subprocess.run(listed, env=self.slurm.environment, capture_output=True, text=True, check=False)
        waiting = done.stdout.split()
        if not waiting:
            return False
        hold = ["scontrol", "hold", self.draw.choice(waiting)]
        return subprocess.run(hold, env=self.slurm.environment, capture_output=True, check=False).returncode == 0

    def wait_until_done(self, seconds=DEADLINE):
        """Wait until every coordinator has everything scored, and end them; their exit codes."""
        assert self.trainer.wait(timeout=seconds) == 0
        until = time.monotonic() + seconds
        for one in self.watched:
            clusters.wait_for(f"the end of {one.name}", one.done, max(1.0, until - time.monotonic()))
        return [one.stop() for one in self.watched]

    def tell(self):
        """Print how everything stands, for whoever reads why it failed."""
        for one in self.watched:
            one.tell()
        for command in (["squeue", "--states=all", "--array"], ["sinfo", "--list-reasons"], ["sinfo", "--long"]):
            done = subprocess.run(command, env=self.slurm.environment, capture_output=True, text=True, check=False)
            print(f"\n== {' '.join(command)}\n{done.stdout}{done.stderr}")
        for name in ("slurmctld.log", "slurmd.log"):
            print(f"\n== {name}\n{(self.slurm.folder / name).read_text()[-4000:]}")

    def verdict(self):
        """Compare every store with an undisturbed run over the same ladder: store -> pairs, lost, duplicated, wrong."""
        calm = Watched("calm", self.folder, self.ladder, {**os.environ, "OMP_NUM_THREADS": "1"})
        outcome = evaluate(calm.project, tasks=TASKS)
        assert outcome.failed == ()
        assert {key.step for key in outcome.scored} >= {900}
        assert 901 not in {key.step for key in outcome.scored}
        expected = _values(calm)
        return {one.name: self._judge(one, expected) for one in self.watched}

    def _judge(self, one, expected):
        found = _values(one)
        with Ledger(one.project.ledger_path or one.project.store_path / "ledger.sqlite") as ledger:
            finished = collections.Counter(
                event["identity"] for event in ledger.events() if event["event"] == "finished"
            )
        files = list(one.project.store_path.glob("scores/*/*/[!.]*.parquet"))
        now = {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}
        return {
            "pairs": len({key[:2] for key in expected}),
            "lost": len({key[:2] for key in expected.keys() - found.keys()}),
            # An identity that was finished twice, or a file that was written again.
            "duplicated": sum(count > 1 for count in finished.values())
            + sum(now.get(path, digest) != digest for path, digest in one.seen.items()),
            "wrong": len({key[:2] for key in found if found[key] != expected.get(key)}),
        }


def _values(one):
    """The scores that count: (step, task, metric) -> value and the content it is of."""
    try:
        frame = Store(one.project.store_path).read_scores()[0]
    except StoreError:
        return {}
    rows = frame[["step", "task", "metric", "value", "checkpoint"]].itertuples(index=False, name=None)
    return {(step, task, metric): (value, checkpoint) for step, task, metric, value, checkpoint in rows}
