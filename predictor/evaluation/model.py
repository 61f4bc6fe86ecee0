"""lm-eval's `hf` model that tokenizes every text once. Its scores are those of `hf`."""

from __future__ import annotations

from typing import Any

from lm_eval.models.huggingface import HFLM


class RememberingHFLM(HFLM):
    """`hf`, for a ladder of checkpoints with one tokenizer and for tasks that repeat a prompt with each answer."""

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
