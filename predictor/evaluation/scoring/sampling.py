"""How generated answers are drawn and ended, as lm-eval's `hf` and transformers do it."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch

from predictor.evaluation.scoring.attention import put
from predictor.evaluation.scoring.lm_eval_internals import generation_options, stop_sequences
from predictor.evaluation.scoring.transformers_internals import generation_settings, logits_processors

# What requests may ask for; anything else is left to `hf`.
_KNOWN = {"until", "max_gen_toks", "do_sample", "temperature", "top_k", "top_p", "min_p", "typical_p"}
# What transformers may do to scores that depends on the scores alone.
_WARPERS = {
    "TemperatureLogitsWarper",
    "TopKLogitsWarper",
    "TopPLogitsWarper",
    "MinPLogitsWarper",
    "TypicalLogitsWarper",
}
# Settings of a checkpoint that no such processor stands for.
_SETTINGS = (
    "max_new_tokens",
    "min_new_tokens",
    "min_length",
    "exponential_decay_length_penalty",
    "stop_strings",
    "max_time",
    "prompt_lookup_num_tokens",
    "penalty_alpha",
    "dola_layers",
)
# The looks back that lm-eval takes beyond a stop sequence's own tokens.
_LOOK_BACK = 2


class Decoding:
    """How the answers to requests with the same options are made.

    Args:
        lm: a `TreeLM`.
        options: lm-eval's `generation_kwargs`.

    Attributes:
        most_new: the most tokens of an answer.
        until: the stop sequences, that of the end of text included.
        why_hf: why these options are left to `hf`; None if they are not.
    """

    def __init__(self, lm: Any, options: dict[str, Any]) -> None:
        normalized = generation_options(options, lm.max_gen_toks)
        given = dict(options) if normalized is None else normalized
        self.until = stop_sequences(given.pop("until", None), lm.tok_decode(lm.eot_token_id, False))
        self.most_new = int(given.pop("max_gen_toks", lm.max_gen_toks))
        self.sample = bool(given.get("do_sample"))
        self.why_hf: str | None = None
        self._lm = lm
        if normalized is None:
            self.why_hf = "this lm-eval is older than 0.4.10"
            return
        if lm.truncation:
            self.why_hf = "the tokenizer truncates prompts"
            return
        strange = sorted(set(given) - _KNOWN)
        if strange:
            self.why_hf = f"generation takes {', '.join(strange)}"
            return
        if not self.sample:
            given.pop("temperature", None)
        elif not given.get("temperature"):
            self.why_hf = "it samples at temperature 0"
            return
        config, more = generation_settings(lm.model, given)
        processors = logits_processors(lm.model, config, lm.device)
        unknown = sorted({type(one).__name__ for one in processors} - _WARPERS)
        unknown += [name for name in _SETTINGS if getattr(config, name, None)]
        if unknown or more or config.num_beams != 1 or config.num_return_sequences != 1:
            self.why_hf = f"generation uses {', '.join(unknown) or 'more than one beam'}"
        self._processors = processors if self.sample else []
        ends = config.eos_token_id
        self._ends = set(ends if isinstance(ends, list) else [] if ends is None else [ends])
        sizes = [len(lm.tokenizer.encode(stop, add_special_tokens=False)) for stop in self.until]
        self._window = max(sizes, default=0) + _LOOK_BACK

    def ended(self, tokens: list[int]) -> bool:
        """Whether new tokens end with the end of text or contain a stop sequence near their end."""
        if tokens[-1] in self._ends:
            return True
        text = self._lm.tokenizer.decode(tokens[-self._window :])
        return any(stop in text for stop in self.until)

    def chooser(self, prompts: Sequence[str]) -> Callable[[torch.Tensor, np.ndarray, int], torch.Tensor]:
        """What picks next tokens: the most probable, or draws that depend on torch's seed, the prompt and which of its
        repetitions it is, so that they are the same however sequences are batched.
        """
        if not self.sample:
            return lambda logits, numbers, step: logits.argmax(dim=-1)
        seed, seen = torch.initial_seed(), Counter[str]()
        draws = np.empty((len(prompts), self.most_new), dtype=np.float32)
        for row, prompt in enumerate(prompts):
            content = hashlib.sha256(f"{seed} {seen[prompt]} {prompt}".encode("utf-8", "surrogatepass")).digest()
            draws[row] = np.random.default_rng(list(content)).random(self.most_new, dtype=np.float32)
            seen[prompt] += 1
        uniform = put(torch.from_numpy(draws), self._lm.device)

        def draw(logits: torch.Tensor, numbers: np.ndarray, step: int) -> torch.Tensor:
            for process in self._processors:
                logits = process(None, logits)
            cumulative = logits.softmax(dim=-1).cumsum(dim=-1)
            rows = put(torch.from_numpy(numbers), logits.device)
            wanted = uniform[rows, step].unsqueeze(1) * cumulative[:, -1:]
            # The first token whose cumulative probability exceeds the draw; tokens of probability 0 never do.
            return torch.searchsorted(cumulative, wanted, right=True).squeeze(1).clamp_(max=logits.shape[-1] - 1)

        return draw
