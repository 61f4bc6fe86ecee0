"""Workers as tasks of Slurm job arrays, submitted with submitit."""

from __future__ import annotations

import contextlib
import math
import subprocess
import time
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from predictor.distribution import install_command
from predictor.errors import ConfigError, EvaluationError
from predictor.evaluation.executors.job_box import run_job
from predictor.evaluation.executors.jobs import LAST_WORD, SILENT_END, BusyError, Cluster
from predictor.evaluation.plan import Unit
from predictor.evaluation.worker import FAILED, LOST, TOO_LARGE, Gone, Workshop, tail_of
from predictor.redaction import redact
from predictor.scheduling import SlurmExecutor

# States in which a job has gone through no fault of its own.
_TAKEN_AWAY = ("PREEMPTED", "NODE_FAIL", "BOOT_FAIL", "CANCELLED", "REVOKED", "DEADLINE", "REQUEUED", "STOPPED")
# Submitted and never run: Slurm holds such a job until somebody releases it, as after a node failed or a launch did.
_HELD = "HELD"
_HOLDS = ("launch failed", "held", "jobhold")
_STUCK = ("partition", "badconstraints", "invalid", "notavail", "limit", "accountnotallowed", "reservation")
"""Words of reasons for which jobs wait that may well not pass by themselves; Priority and Resources do."""
# What sbatch says when the controller restarts, is overloaded, or cannot be reached.
_PASSES = (
    "unable to contact slurm controller",
    "timed out",
    "temporarily",
    "connection refused",
    "connect failure",
    "zero bytes were transmitted",
    "communication",
    "protocol authentication error",
)
_THERE = ("PENDING", "RUNNING", "CONFIGURING", "COMPLETING", "RESIZING", "SUSPENDED", "REQUEUE_FED")


class SlurmCluster(Cluster):
    """A Slurm cluster, spoken to from a machine that has sbatch.

    Args:
        settings: the executor's part of checkpoints.yaml.
        workshop: what a worker needs.
        on_cpu: whether workers use no GPU.

    Raises:
        ConfigError: submitit is not installed, or sbatch is not there.
    """

    poll_seconds = 1.0
    array = 1000
    """Tasks of an array at most: what Slurm allows unless MaxArraySize is set."""

    def __init__(self, settings: SlurmExecutor, workshop: Workshop, on_cpu: bool) -> None:
        try:
            import submitit
        except ModuleNotFoundError:
            raise ConfigError(
                "executor.kind is slurm, and submitit is not installed", install_command("slurm")
            ) from None
        self._settings = settings
        self._workshop = workshop
        self._gpus = settings.gpus if settings.gpus is not None else int(not on_cpu)
        self._folder = workshop.work_folder / "slurm"
        self._submitit = submitit
        self._states = _States()
        self._completed: dict[str, float] = {}
        try:
            submitit.SlurmExecutor(folder=self._folder)
        except RuntimeError:
            raise ConfigError(
                "executor.kind is slurm, and there is no sbatch here", "run this on a login node of the cluster"
            ) from None

    def slots(self) -> int:
        """What was asked for: Slurm keeps the queue."""
        return self._settings.workers

    def submit(self, packs: Sequence[Sequence[Unit]]) -> list[Any]:
        """Submit one array for the packs of each size; an array's limit keeps them from running all together."""
        handles: dict[str, Any] = {}
        by_size: dict[tuple[int, int], list[str]] = defaultdict(list)
        for first, *_ in packs:
            by_size[first.checkpoint.gpus, first.size].append(first.job)
        for (gpus, size), names in by_size.items():
            executor = self._submitit.SlurmExecutor(folder=self._folder, python=self._settings.python)
            executor.update_parameters(**self._parameters(gpus, size))
            try:
                jobs = executor.map_array(run_job, [self._workshop] * len(names), names)
            except (self._submitit.core.utils.FailedJobError, subprocess.CalledProcessError) as error:
                said = getattr(error, "stderr", "") or str(error)
                lines = [line for line in str(said).strip().splitlines() if line.strip()]
                cause = redact(lines[-1] if lines else type(error).__name__)
                # Of what was submitted before it nobody would know.
                self.cancel(list(handles.values()))
                if any(words in str(said).lower() for words in _PASSES):
                    raise BusyError(f"Slurm does not take the jobs now ({cause})", "see 'scontrol ping'") from None
                raise EvaluationError(
                    f"Slurm refuses the jobs ({cause})", "check partition, account, time and the sizes under executor"
                ) from None
            handles |= dict(zip(names, jobs, strict=True))
        return [handles[first.job] for first, *_ in packs]

    def _parameters(self, gpus: int, size: int) -> dict[str, Any]:
        settings = self._settings
        container = settings.container
        srun = [f"--container-image={container}"] if container else []
        if container and settings.container_mounts:
            srun.append(f"--container-mounts={settings.container_mounts}")
        known = {
            "partition": settings.partition,
            "account": settings.account,
            "qos": settings.qos,
            "gpus_per_node": self._gpus * gpus * size or None,
            "mem": f"{math.ceil(settings.memory_gb * size * 1024)}M" if settings.memory_gb is not None else None,
        }
        return {
            "job_name": "predictor",
            "time": max(1, math.ceil(settings.time / 60)),
            "cpus_per_task": settings.cpus,
            "nodes": 1,
            "ntasks_per_node": 1,
            "array_parallelism": settings.workers,
            "setup": list(settings.setup) or None,
            "srun_args": srun or None,
            # A job whose node fails is handed out anew by the ledger; Slurm would hold it, or run it twice.
            "additional_parameters": {"no_requeue": True, **settings.extra},
            # A worker that is stopped is not submitted again by submitit: the ledger sees to that.
            "signal_delay_s": 30,
            **{name: value for name, value in known.items() if value is not None},
        }

    def name_of(self, handle: Any) -> str:
        """The job's number, with that of its task."""
        return str(handle.job_id)

    def find(self, name: str) -> Any:
        """A job by its number."""
        return self._submitit.SlurmJob(folder=self._folder, job_id=name) if name else None

    def gone(self, handle: Any) -> Gone | None:
        """Why a job is no longer there, as squeue and sacct say."""
        state = self._states.of(handle.job_id)
        if state in _THERE:
            return None
        if state == "COMPLETED":
            since = self._completed.setdefault(handle.job_id, time.monotonic())
            over = time.monotonic() - since > LAST_WORD
            return Gone(LOST, SILENT_END) if over else None
        if state in (_HELD, "REQUEUE_HOLD", "SPECIAL_EXIT"):
            reason = self._states.reason_of(handle.job_id)
            self.cancel([handle])
            return Gone(LOST, f"Slurm holds the worker's job ({reason}); it is cancelled and submitted anew")
        log = tail_of(Path(handle.paths.stderr))
        if state == "OUT_OF_MEMORY":
            return Gone(TOO_LARGE, "Slurm ended the worker for lack of memory", log)
        if state == "TIMEOUT":
            return Gone(FAILED, f"the worker reached the time limit of {self._settings.time / 60:.0f} minutes", log)
        if state.startswith(_TAKEN_AWAY) or state == "UNKNOWN":
            return Gone(LOST, f"Slurm took the worker away ({state})", log)
        return Gone(FAILED, f"the worker ended in state {state}", log)

    def delays(self) -> list[str]:
        """Say for which reasons jobs wait that may not pass by themselves."""
        reasons = self._states.waiting_for()
        return [
            f"Slurm lets {count} jobs wait: {reason}; see 'squeue --me'"
            for reason, count in sorted(reasons.items())
            if any(word in reason.lower() for word in _STUCK) and "arraytasklimit" not in reason.lower()
        ]

    def cancel(self, handles: Sequence[Any]) -> None:
        """End jobs, waiting ones too."""
        numbers = [handle.job_id for handle in handles]
        if numbers:
            with contextlib.suppress(OSError):
                subprocess.run(["scancel", *numbers], check=False, capture_output=True, timeout=60)


class _States:
    """States of jobs, asked for all at once and not oftener than every few seconds."""

    def __init__(self, seconds: float = 2.0) -> None:
        self._seconds = seconds
        self._asked_at = -math.inf
        self._asked: set[str] = set()
        self._known: dict[str, str] = {}
        self._reasons: dict[str, str] = {}

    def reason_of(self, job_id: str) -> str:
        """Why a job waits or is held, as Slurm puts it."""
        return redact(self._reasons.get(job_id, "unknown reason"))

    def waiting_for(self) -> Counter[str]:
        """Count the jobs that wait by the reason for it."""
        waiting = [number for number, state in self._known.items() if state == "PENDING"]
        return Counter(self._reasons[number] for number in waiting if number in self._reasons)

    def of(self, job_id: str) -> str:
        """The state of a job; `UNKNOWN` if Slurm has forgotten it, `PENDING` while Slurm does not answer."""
        self._asked.add(job_id)
        if job_id not in self._known or time.monotonic() - self._asked_at > self._seconds:
            self._ask()
        return self._known.get(job_id, "UNKNOWN")

    def _ask(self) -> None:
        # squeue knows jobs for minutes after their end, and unlike sacct it needs no accounting database.
        command = ["squeue", "--states=all", "--array", "--noheader", "--format=%i|%T|%r"]
        whole = ",".join(sorted({number.split("_")[0] for number in self._asked}))
        try:
            done = subprocess.run(
                [*command, f"--jobs={whole}"], capture_output=True, text=True, timeout=60, check=False
            )
        except (OSError, subprocess.TimeoutExpired):
            return
        self._asked_at = time.monotonic()
        if done.returncode != 0 and "Invalid job id" not in done.stderr:
            # The controller restarts or is overloaded: jobs go on without it.
            self._known |= dict.fromkeys(self._asked - set(self._known), "PENDING")
            return
        rows, self._reasons = {}, {}
        for line in done.stdout.splitlines():
            if line.count("|") < 2:
                continue
            number, state, reason = line.strip().split("|", 2)
            plain = reason.replace("_", " ").lower()
            is_held = state == "PENDING" and any(word in plain for word in _HOLDS)
            rows[number], self._reasons[number] = _HELD if is_held else state, reason
        forgotten = {number: _of_accounting(number) for number in self._asked - set(rows)}
        self._known = rows | forgotten
        self._asked = {number for number in self._asked if self._known.get(number) in _THERE}


def _of_accounting(number: str) -> str:
    command = ["sacct", "--allocations", "--noheader", "--parsable2", "--format=State", f"--jobs={number}"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return "UNKNOWN"
    words = done.stdout.split()
    return words[0] if done.returncode == 0 and words else "UNKNOWN"
