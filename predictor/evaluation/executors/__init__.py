"""Where workers run, behind one small interface: on this machine, as Ray tasks, or as Slurm job arrays."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from predictor.evaluation.harness import Harness
from predictor.evaluation.work_queue import WorkQueue
from predictor.evaluation.worker import Events, Workshop
from predictor.project import Project
from predictor.scheduling import LocalExecutor, RayExecutor

__all__ = ["Executor", "make_executor"]


class Executor(Protocol):
    """Runs units of work somewhere."""

    @property
    def largest(self) -> int:
        """How large a worker can be made for work that is too large for a normal one, in multiples of that."""

    def adopt(self, work: WorkQueue) -> list[str]:
        """Take over workers that outlived an earlier coordinator; the names of their jobs."""

    def run(self, work: WorkQueue) -> Events:
        """Score until there is no work and nothing in hand; what is yielded is recorded before the next is asked for.

        Closing it ends the workers.
        """


def make_executor(project: Project, workshop: Workshop, harness: Callable[[], Harness], owner: str) -> Executor:
    """Build the executor that checkpoints.yaml asks for.

    Args:
        project: checkpoints.yaml.
        workshop: what its workers need.
        harness: lm-eval in this process, for workers that run in it.
        owner: the coordinator's name, by which its jobs are known.

    Raises:
        ConfigError: a package for it is not installed.
    """
    settings = project.executor
    if isinstance(settings, LocalExecutor):
        from predictor.evaluation.executors.local import InProcess, Processes, count_gpus

        gpus = () if project.scoring.device not in ("auto", "cuda") else count_gpus()
        workers = settings.workers if settings.workers != "auto" else max(1, len(gpus))
        if workers == 1 and len(gpus) <= 1:
            return InProcess(workshop, harness)
        return Processes(workshop, workers, gpus, project.lease)
    from predictor.evaluation.executors.jobs import Jobs

    on_cpu = project.scoring.device == "cpu"
    if isinstance(settings, RayExecutor):
        from predictor.evaluation.executors.on_ray import RayCluster

        return Jobs(workshop, RayCluster(settings, workshop, on_cpu), owner, project.lease)
    from predictor.evaluation.executors.on_slurm import SlurmCluster

    return Jobs(workshop, SlurmCluster(settings, workshop, on_cpu), owner, project.lease)
