"""Workers as Ray tasks, on a cluster that runs already."""

from __future__ import annotations

import contextlib
import io
import logging
import os
import signal
import time
from collections.abc import Sequence
from typing import Any

from predictor.distribution import install_command
from predictor.errors import ConfigError, EvaluationError
from predictor.evaluation.executors.job_box import run_job
from predictor.evaluation.executors.jobs import LAST_WORD, SILENT_END, Cluster
from predictor.evaluation.plan import Unit
from predictor.evaluation.worker import FAILED, LOST, TOO_LARGE, Gone, Workshop
from predictor.redaction import redact
from predictor.scheduling import RayExecutor


class RayCluster(Cluster):
    """A Ray cluster; a task belongs to the process that started it, and ends with it.

    Args:
        settings: the executor's part of checkpoints.yaml.
        workshop: what a worker needs.
        on_cpu: whether workers use no GPU.

    Raises:
        ConfigError: Ray is not installed, or there is no cluster at the address.
    """

    poll_seconds = 0.5

    def __init__(self, settings: RayExecutor, workshop: Workshop, on_cpu: bool) -> None:
        # Ray looks for telemetry and warns of future changes; neither is wanted on a compute node.
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
        try:
            import ray
        except ModuleNotFoundError:
            raise ConfigError("executor.kind is ray, and Ray is not installed", install_command("ray")) from None
        self._ray = ray
        self._settings = settings
        self._workshop = workshop
        self._gpus = settings.gpus if settings.gpus is not None else float(not on_cpu)
        if not ray.is_initialized():
            # Ray takes SIGTERM for itself, and would end the process without giving back what is in hand.
            on_sigterm = signal.getsignal(signal.SIGTERM)
            try:
                with contextlib.redirect_stderr(io.StringIO()):
                    ray.init(settings.address, log_to_driver=False, logging_level=logging.ERROR)
            except Exception as error:
                cause = redact(str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__)
                raise ConfigError(
                    f"there is no Ray cluster at {redact(settings.address)} ({cause[:200]})",
                    "start one with 'ray start --head', or give executor.address",
                ) from None
            if on_sigterm is not None:
                signal.signal(signal.SIGTERM, on_sigterm)
        self._completed: dict[Any, float] = {}
        # A crash is ours to judge: Ray must not run a task again by itself. A process that has used a GPU must end with
        # its task, as it cannot go on with another one and would keep a model in its memory; Ray sees to that only
        # where a task's GPUs are known before `options`.
        self._task = ray.remote(max_retries=0, max_calls=1 if self._gpus else 0)(run_job)

    def slots(self) -> int:
        """What was asked for, or what the cluster has room for."""
        if self._settings.workers is not None:
            return self._settings.workers
        room = self._ray.cluster_resources()
        needs = {"CPU": self._settings.cpus, "GPU": self._gpus, **self._settings.resources}
        fits = [int(room.get(name, 0) // amount) for name, amount in needs.items() if amount]
        return max(1, min(fits, default=1))

    def submit(self, packs: Sequence[Sequence[Unit]]) -> list[Any]:
        """Start a task for each pack."""
        room = self._ray.cluster_resources().get("GPU", 0)
        for first, *_ in packs:
            if self._gpus_of(first) > room:
                raise EvaluationError(
                    f"a worker for {first.checkpoint.run} needs {self._gpus_of(first):g} GPUs, the Ray cluster has "
                    f"{room:g}",
                    "add nodes, or set executor.gpus",
                )
        return [self._submit(first) for first, *_ in packs]

    def _gpus_of(self, unit: Unit) -> float:
        return self._gpus * unit.checkpoint.gpus * unit.size

    def _submit(self, unit: Unit) -> Any:
        gpus = self._gpus_of(unit)
        options: dict[str, Any] = {"num_cpus": self._settings.cpus, "num_gpus": gpus, "name": f"predictor-{unit.job}"}
        if self._settings.memory_gb is not None:
            options["memory"] = int(self._settings.memory_gb * unit.size * 2**30)
        return self._task.options(**options, resources=self._settings.resources).remote(self._workshop, unit.job)

    def gone(self, handle: Any) -> Gone | None:
        """Why a task is no longer there."""
        ready, _ = self._ray.wait([handle], timeout=0)
        if not ready:
            return None
        errors = self._ray.exceptions
        try:
            self._ray.get(handle)
        except errors.OutOfMemoryError as error:
            return Gone(TOO_LARGE, f"Ray ended the worker for lack of memory ({_first_line(error)})")
        except (errors.NodeDiedError, errors.TaskCancelledError, errors.OwnerDiedError) as error:
            return Gone(LOST, f"the worker's node has gone ({_first_line(error)})")
        except errors.WorkerCrashedError:
            return Gone(FAILED, "the worker was killed; is memory short?")
        except errors.RayTaskError as error:
            return Gone(FAILED, f"the worker failed ({_first_line(error.cause)})", redact(str(error))[-2000:])
        except errors.RayError as error:
            return Gone(LOST, f"the worker has gone ({_first_line(error)})")
        since = self._completed.setdefault(handle, time.monotonic())
        return Gone(LOST, SILENT_END) if time.monotonic() - since > LAST_WORD else None

    def cancel(self, handles: Sequence[Any]) -> None:
        """End tasks, whatever they do."""
        for handle in handles:
            with contextlib.suppress(self._ray.exceptions.RayError):
                self._ray.cancel(handle, force=True)


def _first_line(error: object) -> str:
    lines = str(error).strip().splitlines()
    return redact(lines[0][:200]) if lines else type(error).__name__
