"""Check what a machine has for scoring and forecasting."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import re
import shutil
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, get_args

from predictor import __version__
from predictor.distribution import DISTRIBUTION, Extra, install_command
from predictor.errors import PredictorError
from predictor.project import Project, load_project
from predictor.redaction import redact

OK, NOTE, MISSING = "ok", "note", "missing"
_PACKAGES = ("torch", "transformers", "lm-eval", "numpy", "pandas", "scipy")
_REQUIREMENT = re.compile(r"""^([\w.-]+).*\bextra == ["']([\w-]+)["']""")
_FREE = 5 << 30
"""Bytes of a disk below which scoring may run out of it."""


@dataclass(frozen=True)
class Check:
    """One thing that was looked at.

    Attributes:
        name: the thing.
        state: `ok`, `note` (nothing needs it here) or `missing`.
        found: what is there.
        remedy: what to do about it, empty where nothing is to be done.
    """

    name: str
    state: str
    found: str
    remedy: str = ""


@dataclass(frozen=True)
class Diagnosis:
    """All checks."""

    checks: tuple[Check, ...]

    @property
    def is_well(self) -> bool:
        """Whether nothing is missing."""
        return all(check.state != MISSING for check in self.checks)

    def to_json(self) -> dict[str, Any]:
        """Return the object of `doctor --json`."""
        return {"well": self.is_well, "checks": [asdict(check) for check in self.checks]}


def diagnose(config: str | Path) -> Diagnosis:
    """Check versions, devices, the hub, and the store of a project where there is one.

    Args:
        config: a checkpoints.yaml, which may be missing.
    """
    checks = [Check("predictor", OK, f"{__version__}, Python {platform.python_version()}")]
    checks += [_package(name) for name in _PACKAGES]
    checks += [_device(), *_extras(), _hub()]
    try:
        project = load_project(config) if Path(config).exists() else None
    except PredictorError as error:
        checks.append(Check("project", MISSING, error.message, error.remedy))
        project = None
    else:
        if project is None:
            checks.append(Check("project", NOTE, f"no {config} here", "write one with 'predictor init DIR'"))
    checks += list(_of_project(project)) if project is not None else [_disk(Path())]
    return Diagnosis(tuple(checks))


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _package(name: str) -> Check:
    version = _version(name)
    return Check(name, OK, version) if version else Check(name, MISSING, "not installed", install_command())


def _extras() -> Iterator[Check]:
    packages: dict[str, list[str]] = {}
    for requirement in _requirements():
        if (match := _REQUIREMENT.match(requirement)) is not None:
            packages.setdefault(match[2], []).append(match[1])
    extras: list[Extra] = [extra for extra in get_args(Extra) if extra in packages]
    absent = [extra for extra in extras if any(_version(name) is None for name in packages[extra])]
    yield Check("extras", OK, ", ".join(extra for extra in extras if extra not in absent) or "none")
    if absent:
        yield Check("extras", NOTE, f"not installed: {', '.join(absent)}", f"as {install_command(absent[0])}")


def _requirements() -> list[str]:
    try:
        return importlib.metadata.requires(DISTRIBUTION) or []
    except importlib.metadata.PackageNotFoundError:
        return []


def _device() -> Check:
    if _version("torch") is None:
        return Check("device", MISSING, "torch is not installed")
    import torch

    if not torch.cuda.is_available():
        return Check("device", NOTE, f"no GPU; {os.cpu_count()} processor cores, {torch.get_num_threads()} threads")
    names = {torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())}
    return Check("device", OK, f"{torch.cuda.device_count()} x {', '.join(sorted(names))}, CUDA {torch.version.cuda}")


def _hub() -> Check:
    home = Path(os.environ.get("HF_HOME", Path.home() / ".cache" / "huggingface"))
    kept = [name for name in ("hub", "datasets") if (home / name).is_dir()]
    if kept:
        return Check("hub cache", OK, f"{home} with {' and '.join(kept)}")
    return Check("hub cache", NOTE, f"{home} is empty", "fill it with 'predictor prefetch' on a machine with a network")


def _of_project(project: Project) -> Iterator[Check]:
    from predictor.evaluation.presence import ledger_of, store_of
    from predictor.results.ledger import Ledger

    yield Check("project", OK, f"{len(project.runs)} runs, suite {project.suite}")
    yield Check("offline", OK if not project.offline else NOTE, str(project.offline).lower())
    try:
        store = store_of(project, None)
        exists = store.is_local and store.path.is_dir()
        yield Check("store", OK if exists else NOTE, f"{redact(str(store.path))}{'' if exists else ', not made yet'}")
        where = ledger_of(project, store)
        if "://" in str(where) or Path(where).is_file():
            with Ledger(where, read_only=True) as ledger:
                failed = sum(1 for _ in ledger.failures())
            yield Check("ledger", OK, f"{redact(str(where))}, {failed} failed pairs")
        else:
            yield Check("ledger", NOTE, "none yet")
        yield _disk(store.path if exists else project.root)
    except PredictorError as error:
        yield Check("store", MISSING, error.message, error.remedy)


def _disk(folder: Path) -> Check:
    free = shutil.disk_usage(folder).free
    found = f"{free / 1e9:.0f} GB free at {folder.resolve()}"
    return Check("disk", OK, found) if free >= _FREE else Check("disk", MISSING, found, "make room before scoring")
