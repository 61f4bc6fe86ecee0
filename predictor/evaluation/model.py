"""The lm-eval models that checkpoints are scored with: the prefix-tree scorer, `hf`, vLLM."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import torch
from lm_eval.api.registry import get_model
from lm_eval.models.huggingface import HFLM

from predictor.distribution import install_command
from predictor.errors import EvaluationError
from predictor.evaluation.scoring import TreeLM
from predictor.evaluation.scoring.cache import TreeCache
from predictor.evaluation.scoring.loading import ChecksTensors, check_tensors
from predictor.project import Scoring


def load_model(
    folder: Path,
    backend: str,
    scoring: Scoring,
    trees: TreeCache,
    *,
    tokenizer: Path | None = None,
    trust_remote_code: bool = False,
    spread: bool = False,
) -> Any:
    """Load a checkpoint.

    Args:
        folder: the checkpoint.
        backend: `tree`, `hf` or `vllm`.
        scoring: device, dtype and batch size.
        trees: shared by all models of a process.
        tokenizer: the folder of its tokenizer where that is another one.
        trust_remote_code: run Python code that lies in the folder.
        spread: divide the layers among all GPUs that are visible.

    Raises:
        MisfitError: its tensors are not those of its configuration.
        EvaluationError: the backend is not installed.
    """
    device = scoring.device
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    options: dict[str, Any] = {
        "pretrained": str(folder),
        "device": device,
        "dtype": scoring.dtype,
        "trust_remote_code": trust_remote_code,
        "tokenizer": None if tokenizer is None else str(tokenizer),
    }
    parallelize = spread and torch.cuda.device_count() > 1
    if backend == "tree":
        return TreeLM(**options, batch_size=scoring.batch_size, trees=trees, parallelize=parallelize)
    if backend == "hf":
        return RememberingHFLM(**options, batch_size=scoring.batch_size, parallelize=parallelize)
    if importlib.util.find_spec("vllm") is None:
        raise EvaluationError("the backend vllm is not installed", f"{install_command('vllm')}, or set backend: tree")
    check_tensors(folder, trust_remote_code=trust_remote_code)
    return get_model("vllm")(**options, batch_size="auto", enable_prefix_caching=True)


class RememberingHFLM(ChecksTensors, HFLM):
    """`hf` that tokenizes every text once: ladders share a tokenizer, and tasks repeat a prompt with each answer."""

    _memory: dict[Any, list[int]] | None = None
    _room = 0

    def remember_in(self, memory: dict[Any, list[int]], characters: int) -> None:
        """Keep encodings in `memory`, up to so many characters of text, and take them from there.

        Args:
            memory: shared between models whose tokenizers are equal.
            characters: the most text to remember, over all models that share the memory.
        """
        self._memory = memory
        self._room = characters - sum(len(key[0]) for key in memory)

    def loglikelihood(self, requests: list[Any], disable_tqdm: bool = True) -> Any:
        """As `hf` does, without its progress bars; so do the three below."""
        return super().loglikelihood(requests, disable_tqdm=True)

    def loglikelihood_rolling(self, requests: list[Any], disable_tqdm: bool = True) -> Any:
        """Log-likelihood of whole texts."""
        return super().loglikelihood_rolling(requests, disable_tqdm=True)

    def generate_until(self, requests: list[Any], disable_tqdm: bool = True) -> Any:
        """Generated text."""
        return super().generate_until(requests, disable_tqdm=True)

    def _loglikelihood_tokens(self, requests: Any, disable_tqdm: bool = True, override_bs: int | None = None) -> Any:
        return super()._loglikelihood_tokens(requests, disable_tqdm=True, override_bs=override_bs)

    def tok_encode(self, string: str, add_special_tokens: bool | None = None, **kwargs: Any) -> list[int]:
        """Encode a text, as `hf` does."""
        if self._memory is None or kwargs:
            return list(super().tok_encode(string, add_special_tokens=add_special_tokens, **kwargs))
        key = (string, add_special_tokens)
        known = self._memory.get(key)
        if known is None:
            known = super().tok_encode(string, add_special_tokens=add_special_tokens)
            if len(string) <= self._room:
                self._memory[key] = known
                self._room -= len(string)
        return list(known)
