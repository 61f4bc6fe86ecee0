"""The next checkpoint's weights, read while the present one is scored and copied into the same module."""

from __future__ import annotations

import json
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open

# What a configuration may say otherwise without the module being another one.
_SAID_OTHERWISE = ("_name_or_path", "transformers_version")
_FILES_OF_THE_TOKENIZER = (
    "tokenizer*",
    "special_tokens_map.json",
    "added_tokens.json",
    "merges.txt",
    "vocab.*",
    "*.model",
)


def same_architecture(one: Path, other: Path) -> bool:
    """Whether two checkpoints differ in their weights alone: equal configuration, tokenizer and generation settings."""
    return _configuration(one) == _configuration(other) and _tokenizer(one) == _tokenizer(other)


def _configuration(folder: Path) -> tuple[Any, bytes]:
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    generation = folder / "generation_config.json"
    kept = {name: value for name, value in config.items() if name not in _SAID_OTHERWISE}
    return kept, generation.read_bytes() if generation.exists() else b""


def _tokenizer(folder: Path) -> dict[str, bytes]:
    paths = [path for pattern in _FILES_OF_THE_TOKENIZER for path in sorted(folder.glob(pattern))]
    return {path.name: path.read_bytes() for path in paths}


class WeightReader:
    """Reads the weights of checkpoints, one ahead of the one that is asked for."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix="weights")
        self._ahead: tuple[Path, Future[dict[str, torch.Tensor]]] | None = None

    def read_ahead(self, folder: Path) -> None:
        """Begin to read a checkpoint's weights in the background."""
        if self._ahead is None or self._ahead[0] != folder:
            self._ahead = (folder, self._pool.submit(read_weights, folder))

    def take(self, folder: Path) -> dict[str, torch.Tensor]:
        """The weights of a checkpoint, waiting for them if they are being read."""
        ahead, self._ahead = self._ahead, None
        if ahead is not None and ahead[0] == folder:
            return ahead[1].result()
        return read_weights(folder)


def read_weights(folder: Path) -> dict[str, torch.Tensor]:
    """Read all tensors of a checkpoint's safetensors files into memory, by name.

    Raises:
        OSError, safetensors.SafetensorError: a file is missing or damaged.
    """
    index = folder / "model.safetensors.index.json"
    names = ["model.safetensors"]
    if index.exists():
        names = sorted(set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values()))
    weights: dict[str, torch.Tensor] = {}
    for name in names:
        with safe_open(folder / name, framework="pt") as file:
            for key in file.keys():  # noqa: SIM118 - the file is no mapping
                # A copy, as the file is mapped and would be read only when it is used.
                tensor = file.get_tensor(key).clone()
                weights[key] = tensor.pin_memory() if torch.cuda.is_available() else tensor
    return weights


def copy_weights(model: Any, weights: dict[str, torch.Tensor], convert: bool) -> bool:
    """Copy weights into a model's parameters; False, with nothing changed, where they do not fit one to one.

    Args:
        model: a model of transformers.
        weights: a checkpoint's tensors under the names that they have in its files.
        convert: whether they may be of another precision than the parameters, as where a precision was asked for.
    """
    state: dict[str, torch.Tensor] = model.state_dict()
    fitting = all(
        name in state and state[name].shape == tensor.shape and (convert or state[name].dtype == tensor.dtype)
        for name, tensor in weights.items()
    )
    # Tied parameters are in the file once; everything else must be in it.
    written = {state[name].data_ptr() for name in weights if name in state}
    if not fitting or any(tensor.data_ptr() not in written for tensor in state.values()):
        return False
    with torch.no_grad():
        for name, tensor in weights.items():
            state[name].copy_(tensor, non_blocking=True)
    return True
