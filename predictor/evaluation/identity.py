"""The identity of a score: equal identity, never scored twice; different identity, never mixed up.

A task's *protocol* is everything that decides a score beside the checkpoint; protocol and checkpoint are the
*identity*.
"""

from __future__ import annotations

import functools
import hashlib
import importlib.metadata
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from predictor.evaluation.suites import SuiteTask
from predictor.project import Scoring
from predictor.results.table_file import canonical_json

# What `lm_eval` takes without --seed: for random, numpy, torch and the choice of few-shot examples.
DEFAULT_SEEDS = (0, 1234, 1234, 1234)


@dataclass(frozen=True)
class Protocol:
    """How one task is scored, with all that the scores depend on beside the checkpoint.

    Attributes:
        parts: what the hash is made of, plain JSON values.
    """

    parts: dict[str, Any]

    @property
    def digest(self) -> str:
        """SHA-256 of the parts."""
        return sha256_of_json(self.parts)

    def of_version(self, lm_eval: str) -> Protocol:
        """Return the protocol that an earlier version of lm-eval had, if it defines the task alike."""
        return Protocol({**self.parts, "lm_eval": lm_eval})

    def identity_parts(self, checkpoint: str, trust_remote_code: bool = False) -> dict[str, Any]:
        """Return the parts of the identity of this task's score on a checkpoint with that digest, see `identity_of`.

        Where it was kept over an upgrade of lm-eval, `scored_with` names the version that scores now.
        """
        trust = {"trust_remote_code": True} if trust_remote_code else {}
        now = versions()["lm_eval"]
        later = {"scored_with": now} if self.parts["lm_eval"] != now else {}
        return {**self.parts, "checkpoint": checkpoint, **trust, **later}


def identity_of(protocol: str, checkpoint: str, trust_remote_code: bool = False) -> str:
    """Hash a protocol's digest and a checkpoint's digest into the identity of their score.

    Args:
        protocol: digest of the protocol.
        checkpoint: digest of the checkpoint's content, code in its folder included.
        trust_remote_code: whether that code is run: where transformers has code of its own for such a model, too, these
            are two models.
    """
    trust = ',"trust_remote_code":true' if trust_remote_code else ""
    # Canonical JSON, written out: planning asks for tens of thousands of them.
    return hashlib.sha256(f'{{"checkpoint":"{checkpoint}","protocol":"{protocol}"{trust}}}'.encode()).hexdigest()


def seeds_of(scoring: Scoring) -> tuple[int, int, int, int]:
    """Seeds for random, numpy, torch and few-shot choice, as `lm_eval --seed` would set them."""
    if scoring.seed is None:
        return DEFAULT_SEEDS
    return (scoring.seed, scoring.seed, scoring.seed, scoring.seed)


def selection_of(entry: SuiteTask, scoring: Scoring) -> dict[str, Any]:
    """Which items of a task are scored: `{}` for all, or `limit`, or `items`."""
    if entry.items is not None:
        return {"items": list(entry.items[: scoring.limit])}
    limits = [limit for limit in (entry.limit, scoring.limit) if limit is not None]
    return {"limit": min(limits)} if limits else {}


def backend_of(entry: SuiteTask, scoring: Scoring) -> str:
    """The model class that scores a task: what the suite says of it, or else the configuration."""
    return entry.backend or scoring.backend


def settings_of(entry: SuiteTask, scoring: Scoring) -> str:
    """Hash what a protocol is made from without loading lm-eval, so that an unchanged plan costs no time.

    It covers the suite's words and the bytes of all local files, but neither `versions` nor a data set of the hub that
    changes under the same name.
    """
    files: dict[str, str] = {}
    for split, path in entry.data or ():
        files[f"data/{split}"] = _sha256_of_file(path)
    if entry.include_path is not None:
        files |= folder_files(entry.include_path)
    words = {
        "task": entry.task,
        "kind": entry.kind,
        "num_fewshot": entry.num_fewshot,
        "filter": entry.filter,
        "selection": selection_of(entry, scoring),
        "dtype": scoring.dtype,
        "backend": backend_of(entry, scoring),
        "seeds": list(seeds_of(scoring)),
        "files": files,
        **beside_of(entry),
    }
    return sha256_of_json(words)


def beside_of(entry: SuiteTask) -> dict[str, Any]:
    """Return what is scored beside a generated answer as a part of a protocol: `{}` for nothing."""
    reference = {} if entry.reference is None else {"reference": entry.reference}
    return reference if entry.sampling is None else {**reference, "sampling": entry.sampling.parts()}


@functools.cache
def versions() -> dict[str, str]:
    """Return the versions of the packages that load tasks and their data: `lm_eval` and `datasets`."""
    return {package: importlib.metadata.version(package) for package in ("lm_eval", "datasets")}


def named_versions() -> str:
    """Return `versions` as one line."""
    return ", ".join(f"{package} {version}" for package, version in versions().items())


def folder_files(folder: Path, pattern: str = "*") -> dict[str, str]:
    """Hash the files of a folder: relative name -> SHA-256. Compiled Python is left out."""
    return {
        path.relative_to(folder).as_posix(): _sha256_of_file(path)
        for path in sorted(folder.rglob(pattern))
        if path.is_file() and "__pycache__" not in path.parts
    }


def sha256_of_json(value: Any) -> str:
    """Hash a JSON value in its canonical form."""
    return hashlib.sha256(canonical_json(value).encode()).hexdigest()


def _sha256_of_file(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
