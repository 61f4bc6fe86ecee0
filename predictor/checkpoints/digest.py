"""Know a checkpoint by its content, whatever its folder is called."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable
from pathlib import Path

from predictor.checkpoints.integrity import TOKENIZER_FILES, weight_files
from predictor.errors import CheckpointError
from predictor.redaction import redact
from predictor.results.files import is_local

# Beside the weights these decide what a model says.
_ALSO = (
    "config.json",
    "generation_config.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "merges.txt",
    *TOKENIZER_FILES,
)
# Which of these name code in the folder say so as `auto_map`.
_NAME_CODE = ("config.json", "tokenizer_config.json")


def digest_of(folder: Path) -> str:
    """Hash the weights, configuration, tokenizer and code of a whole checkpoint with SHA-256.

    Chat templates are left out: no prompt is made with them.

    Raises:
        CheckpointError: a file cannot be read.
    """
    digest = hashlib.sha256()
    for path in _files(folder):
        try:
            with path.open("rb") as file:
                content = hashlib.file_digest(file, "sha256").hexdigest()
        except OSError as error:
            raise CheckpointError(f"{path} cannot be read ({error.strerror})", "check the file") from None
        digest.update(f"{path.name} {content}\n".encode())
    return digest.hexdigest()


def fingerprint_of(folder: Path) -> str:
    """Say what a digest may be remembered by: names, sizes and modification times of the files it is made of.

    Raises:
        CheckpointError: a file cannot be looked at.
    """
    try:
        parts = [
            (path.name, stat.st_size, getattr(stat, "st_mtime_ns", None) or stat.st_mtime)
            for path in _files(folder)
            for stat in (path.stat(),)
        ]
    except OSError as error:
        raise CheckpointError(f"{folder} cannot be read ({error.strerror})", "check the folder") from None
    return hashlib.sha256(repr(parts).encode()).hexdigest()


def ledger_name(folder: Path) -> str:
    """How a checkpoint's digest is remembered: by its place, which carries no secrets."""
    # resolve() would look at every folder on the way anew for each checkpoint.
    return os.path.realpath(folder) if is_local(folder) else redact(str(folder))


def _files(folder: Path) -> list[Path]:
    there = {path.name for path in folder.iterdir()}
    also = [folder / name for name in _ALSO if name in there]
    return sorted({*weight_files(folder), *also, *_code(folder, there)}, key=str)


def _code(folder: Path, names: Iterable[str]) -> list[Path]:
    """The Python files of a checkpoint whose model or tokenizer is code in its folder; other scripts are none of it."""
    code = [folder / name for name in names if name.endswith(".py")]
    return code if code and any(_names_code(folder / name) for name in _NAME_CODE) else []


def _names_code(path: Path) -> bool:
    try:
        said = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(said, dict) and bool(said.get("auto_map"))
