"""Tell a whole checkpoint from one that is half-written, without loading it."""

from __future__ import annotations

import json
import time
from pathlib import Path

from predictor.checkpoints.safetensors_header import TruncatedHeaderError, read_header

# Files of any of these names hold a tokenizer that transformers can load.
TOKENIZER_FILES = ("tokenizer.json", "tokenizer.model", "vocab.json", "spiece.model", "vocab.txt", "tekken.json")
INDEX = "model.safetensors.index.json"
_CLOCKS_DIFFER = 5.0  # seconds by which the clocks of a file server and of this machine may well differ
_TEMPORARY = (".tmp", ".part", ".partial", ".incomplete", ".writing", ".lock")


def why_incomplete(
    folder: Path,
    settle_seconds: float = 60.0,
    now: float | None = None,
    *,
    marker: str | None = None,
    unchanged_for: float = 0.0,
    pickled: bool = False,
) -> str | None:
    """Say why a checkpoint cannot be scored yet, or None if it can.

    Args:
        folder: a folder in the form of transformers' `save_pretrained`, with its tokenizer.
        settle_seconds: a checkpoint in which a file is younger than this is taken as still being written.
        now: seconds since the epoch; the present when None.
        marker: name of the file that whoever writes checkpoints writes last; with it no time is waited.
        unchanged_for: seconds for which the caller has seen the files as they are, by a clock that is never set back.
        pickled: take weights that are not safetensors, too.
    """
    try:
        files = sorted((path for path in folder.iterdir() if path.is_file()), key=lambda path: path.name)
    except OSError as error:
        return f"the folder cannot be read ({error.strerror})"
    if not files:
        return "the folder is empty"
    if marker is not None and all(path.name != marker for path in files):
        return f"{marker} is missing: still being written"
    for path in files:
        if path.name.startswith(("tmp", ".tmp")) or path.suffix in _TEMPORARY:
            return f"{path.name} is a temporary file: still being written"
    reason = _config(folder) or _weights(folder, pickled) or _tokenizer(folder)
    if reason is not None or marker is not None or unchanged_for >= settle_seconds:
        return reason
    try:
        youngest = max(files, key=lambda path: path.stat().st_mtime)
        age = (time.time() if now is None else now) - youngest.stat().st_mtime
    except OSError as error:
        return f"a file vanished while it was looked at ({error.strerror}): still being written"
    if age < -_CLOCKS_DIFFER:
        return f"{youngest.name} was written {-age:.0f} s in the future: is a clock wrong, or was it set back?"
    if age < settle_seconds:
        return f"{youngest.name} was written {max(age, 0):.0f} s ago, less than settle_seconds ({settle_seconds:g})"
    return None


def weight_files(folder: Path) -> list[Path]:
    """List the weight files of a whole checkpoint."""
    if (folder / INDEX).is_file():
        index = json.loads((folder / INDEX).read_text(encoding="utf-8"))
        return [folder / name for name in sorted(set(index["weight_map"].values()))]
    if not (folder / "model.safetensors").is_file() and (pickled := sorted(folder.glob("pytorch_model*.bin"))):
        return pickled
    return [folder / "model.safetensors"]


def _config(folder: Path) -> str | None:
    path = folder / "config.json"
    if not path.is_file():
        return "config.json is missing"
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return "config.json cannot be read as JSON"
    if not isinstance(config, dict) or "model_type" not in config:
        return "config.json names no model_type"
    return None


def _weights(folder: Path, pickled: bool) -> str | None:
    if (folder / INDEX).is_file():
        try:
            index = json.loads((folder / INDEX).read_text(encoding="utf-8"))
            shards = sorted(set(index["weight_map"].values()))
        except (OSError, ValueError, KeyError, AttributeError, TypeError):
            return f"{INDEX} cannot be read"
        if not shards:
            return f"{INDEX} names no shards"
        missing = [name for name in shards if not (folder / name).is_file()]
        if missing:
            return f"{len(missing)} of {len(shards)} shards missing, first {missing[0]}"
        tensors: set[str] = set()
        for name in shards:
            held = _tensors(folder / name)
            if isinstance(held, str):
                return held
            tensors |= held
        absent = sorted(set(index["weight_map"]) - tensors)
        return f"no shard holds {absent[0]}, which {INDEX} names" if absent else None
    if (folder / "model.safetensors").is_file():
        held = _tensors(folder / "model.safetensors")
        return held if isinstance(held, str) else None
    if any(folder.glob("model-*-of-*.safetensors")):
        return f"{INDEX} is missing beside the shards"
    if any(folder.glob("*.bin")) or any(folder.glob("*.pt")) or any(folder.glob("*.pth")):
        # Of pickled weights only what the index names can be checked: their sizes stand nowhere.
        return (_pickled(folder) if pickled else _PICKLED) or None
    return "model.safetensors is missing"


def _pickled(folder: Path) -> str:
    index = folder / "pytorch_model.bin.index.json"
    try:
        named = sorted(set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values()))
    except OSError:
        named = ["pytorch_model.bin"]
    except (ValueError, KeyError, AttributeError, TypeError):
        return f"{index.name} cannot be read"
    return next((f"{name} is missing" for name in named if not (folder / name).is_file()), "")


_PICKLED = (
    "only pickled weights, which can run code when loaded: save with safe_serialization=True, or set pickled_weights: "
    "true for the run"
)


def _tensors(path: Path) -> set[str] | str:
    """Read a safetensors header; the names of its tensors, or what is wrong with the file."""
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            tensors = read_header(file)
            begin = file.tell()
        end = begin + max((entry["data_offsets"][1] for entry in tensors.values()), default=0)
    except OSError as error:
        return f"{path.name} cannot be read ({error.strerror})"
    except TruncatedHeaderError:
        return f"{path.name} ends within its header"
    except (ValueError, KeyError, IndexError, TypeError, AttributeError):
        return f"{path.name} has no safetensors header"
    if size != end:
        return f"{path.name} has {size} bytes, its header says {end}"
    if not tensors:
        return f"{path.name} holds no tensors"
    return set(tensors)


def _tokenizer(folder: Path) -> str | None:
    if any((folder / name).is_file() for name in TOKENIZER_FILES):
        return None
    return f"the tokenizer is missing (none of {', '.join(TOKENIZER_FILES)})"
