"""lm-eval's model `tree`: scores equal to those of its `hf`, with every distinct prefix computed once."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from lm_eval.api.registry import register_model
from lm_eval.models.huggingface import HFLM

from predictor.evaluation.scoring import probe
from predictor.evaluation.scoring.cache import TreeCache, tree_key
from predictor.evaluation.scoring.encoding import Encoded, encode_pairs, encode_prompts, encode_windows, model_inputs
from predictor.evaluation.scoring.forward import TreeForward
from predictor.evaluation.scoring.generation import Beside, complete
from predictor.evaluation.scoring.lm_eval_internals import cut_answer, wants_thinking
from predictor.evaluation.scoring.loading import ChecksTensors
from predictor.evaluation.scoring.sampling import Decoding
from predictor.evaluation.scoring.tree import Tree, build_tree
from predictor.evaluation.scoring.weights import (
    WeightReader,
    architecture_of,
    holds_safetensors,
    stamp_of,
    take_weights,
)

logger = logging.getLogger(__name__)

# How configurations call the number of tokens that a layer looks back, or the length of blocks beyond which none looks.
_WINDOWS = ("sliding_window", "attention_chunk_size", "local_attention", "window_size")


@register_model("tree")
class TreeLM(ChecksTensors, HFLM):
    """A causal model of transformers as an lm-eval model that computes every distinct prefix of its requests once.

    A model that cannot be scored as a tree is scored by lm-eval's own `hf`; one line in the log says so and why.

    Args:
        pretrained: a checkpoint's folder or name, or a loaded model.
        device: as `cpu` or `cuda:0`; a GPU if there is one where None.
        dtype: of the weights; `auto` takes the checkpoint's own.
        max_length: the longest input in tokens; the model's own where None.
        batch_size: sequences per forward pass where lm-eval's `hf` is used.
        row_tokens: most tokens per forward pass; by the free memory where None.
        trees: where trees are kept; the user's cache folder where None.
        tokenizer: folder or name of the tokenizer, or the tokenizer; that of the checkpoint where None.
        more: what `HFLM` takes.
    """

    def __init__(
        self,
        pretrained: Any,
        device: str | None = None,
        dtype: Any = "auto",
        max_length: int | None = None,
        batch_size: int | str = 8,
        row_tokens: int | None = None,
        trees: TreeCache | None = None,
        tokenizer: Any = None,
        **more: Any,
    ) -> None:
        device = device or ("cuda" if torch.cuda.is_available() else "cpu")
        # From before it is read: what is written while it is read must be noticed.
        folder = Path(pretrained) if isinstance(pretrained, str) and Path(pretrained).is_dir() else None
        self._folder, self._stamp = folder, stamp_of(folder) if folder else None
        home = Path(tokenizer) if isinstance(tokenizer, str) and Path(tokenizer).is_dir() else None
        # Another tokenizer that is no folder cannot be compared.
        known = folder and (folder / "config.json").exists() and (tokenizer is None or home)
        self._architecture = architecture_of(folder, home) if folder and known else None
        super().__init__(
            pretrained,
            device=device,
            dtype=dtype,
            max_length=max_length,
            batch_size=batch_size,
            tokenizer=tokenizer,
            **more,
        )
        self.trees = trees or TreeCache()
        self.forward = TreeForward(self.model, int(row_tokens) if row_tokens else None)
        self._weights = WeightReader()
        self._precision_given = dtype != "auto"
        self._counts: dict[tuple[str, ...], int] = {}
        self.reference_of: Callable[[Any], str] | None = None
        """Where set, returns the continuation to score while a request's prompt is read; empty for none."""
        self.references: dict[tuple[str, str], float] = {}
        """What was scored so: (prompt, continuation) -> log-likelihood in nats."""
        self.why_hf: str | None = None
        self._ask_why_hf()

    def read_ahead(self, folder: str | Path, tokenizer: Path | None = None) -> None:
        """Begin to read the checkpoint that is scored next, in the background; `load_weights` then finds it in memory.

        At most one checkpoint is read ahead, and none that this module cannot take or that there is too little memory
        for. Whatever is wrong with its files is said by `load_weights`.
        """
        if self._architecture is not None and self._folder != Path(folder):
            self._weights.read_ahead(Path(folder), self._architecture, self.model, self._precision_given, tokenizer)

    def drop_ahead(self) -> bool:
        """Let go of the checkpoint that was read ahead, to free its memory; whether there was one."""
        return self._weights.drop()

    def load_weights(self, folder: str | Path, tokenizer: Path | None = None) -> bool:
        """Take another checkpoint's weights into the same module.

        Args:
            folder: a checkpoint with the same configuration, tokenizer and code.
            tokenizer: the folder of its tokenizer where that is another one.

        Returns:
            False, with nothing changed, where the checkpoint differs in more than its weights: load it anew then.

        Raises:
            OSError, ValueError: a file is missing or damaged; nothing is changed.
        """
        folder = Path(folder)
        if self._architecture is None:
            return False
        stamp = stamp_of(folder)
        if self._folder == folder and self._stamp == stamp:
            return True
        if architecture_of(folder, tokenizer) != self._architecture or not holds_safetensors(folder):
            return False
        weights = self._weights.take(folder)
        # Until all is taken the module is no checkpoint's.
        before, self._stamp = self._stamp, None
        spare = take_weights(self.model, weights, convert=self._precision_given)
        if spare is None:
            self._stamp = before
            return False
        self._weights.keep(spare)
        self._folder, self._stamp, self.pretrained = folder, stamp, str(folder)
        self._ask_why_hf()
        return True

    def _ask_why_hf(self) -> None:
        """Find out whether this checkpoint can be scored as a tree, with a line in the log if that is news."""
        before, self.why_hf = self.why_hf, probe.why_not(self)
        if self.why_hf and self.why_hf != before:
            logger.warning("%s is scored by lm-eval's hf: %s", self.config.model_type, self.why_hf)

    def hf_scores(self, encoded: Sequence[tuple[Any, Any]]) -> list[tuple[float, bool]]:
        """Score pairs of encoded context and continuation by lm-eval's `hf`, with the softmax in float32."""
        before = self.softmax_dtype  # type: ignore[has-type]
        self.softmax_dtype = torch.float32
        try:
            requests: Any = [(("", ""), list(context), list(continuation)) for context, continuation in encoded]
            answers = super()._loglikelihood_tokens(requests, disable_tqdm=True, override_bs=8)
        finally:
            self.softmax_dtype = before
        return answers

    def loglikelihood(self, requests: list[Any], disable_tqdm: bool = True) -> list[tuple[float, bool]]:
        """Log-likelihood of each continuation after its context, and whether greedy decoding would give it."""
        if self.why_hf or wants_thinking(self):
            return super().loglikelihood(requests, disable_tqdm=disable_tqdm)
        pairs = [request.args for request in requests]
        tree = self._tree("loglikelihood", pairs, lambda: (encode_pairs(self, pairs), None))
        if not self._takes(tree):
            return super().loglikelihood(requests, disable_tqdm=disable_tqdm)
        answers = self.forward.score(tree)
        for pair, answer in zip(pairs, answers, strict=True):
            self.cache_hook.add_partial("loglikelihood", pair, answer)
        return answers

    def loglikelihood_rolling(self, requests: list[Any], disable_tqdm: bool = True) -> list[float]:
        """Log-likelihood of whole texts, in windows of the model's context length."""
        if self.why_hf:
            return super().loglikelihood_rolling(requests, disable_tqdm=disable_tqdm)
        texts = [request.args for request in requests]
        tree = self._tree("loglikelihood_rolling", texts, lambda: encode_windows(self, [text for (text,) in texts]))
        if not self._takes(tree):
            return super().loglikelihood_rolling(requests, disable_tqdm=disable_tqdm)
        totals = [value for value, _ in self.forward.score(tree)]
        for text, total in zip(texts, totals, strict=True):
            self.cache_hook.add_partial("loglikelihood_rolling", text, total)
        return totals

    def generate_until(self, requests: list[Any], disable_tqdm: bool = True) -> list[str]:
        """Continue each prompt until a stop sequence; a prompt that is asked for n times is read once."""
        if self.why_hf or self.think_end_token is not None:
            return super().generate_until(requests, disable_tqdm=disable_tqdm)
        by_options: dict[str, list[int]] = {}
        for number, request in enumerate(requests):
            by_options.setdefault(json.dumps(request.args[1], sort_keys=True, default=str), []).append(number)
        answers = [""] * len(requests)
        for numbers in by_options.values():
            some = [requests[number] for number in numbers]
            for number, answer in zip(numbers, self._generate(some, disable_tqdm), strict=True):
                answers[number] = answer
        return answers

    def _generate(self, requests: list[Any], disable_tqdm: bool) -> list[str]:
        """Continue prompts with the same options."""
        decoding = Decoding(self, requests[0].args[1])
        texts = [request.args[0] for request in requests]
        room = self.max_length - decoding.most_new
        assert room > 0, f"max_gen_toks {decoding.most_new} must be less than the model's length {self.max_length}"
        prompts = encode_prompts(self, texts, room)
        longest = max(map(len, prompts)) + decoding.most_new
        if decoding.why_hf or min(map(len, prompts)) == 0 or not self._fits_window(longest):
            logger.warning("generated by lm-eval's hf: %s", decoding.why_hf or "a prompt is empty or too long")
            return super().generate_until(requests, disable_tqdm=disable_tqdm)
        beside, pairs = self._beside(requests)
        found = complete(self.forward, prompts, decoding.most_new, decoding.chooser(texts), decoding.ended, beside)
        self.references |= {pairs[number]: value for number, (value, _) in beside.answers.items()}
        answers = []
        for request, tokens in zip(requests, found, strict=True):
            answers.append(cut_answer(self.tok_decode(tokens), decoding.until))
            self.cache_hook.add_partial("generate_until", request.args, answers[-1])
        return answers

    def _beside(self, requests: list[Any]) -> tuple[Beside, dict[int, tuple[str, str]]]:
        """Prepare what is scored while the prompts of requests are read, and its texts by number of the request."""
        if self.reference_of is None:
            return Beside(), {}
        asked = {number: (request.args[0], self.reference_of(request)) for number, request in enumerate(requests)}
        pairs = {number: pair for number, pair in asked.items() if pair[1]}
        encoded = dict(zip(pairs, encode_pairs(self, list(pairs.values())), strict=True))
        # What is too long for the model is left to `loglikelihood`, which judges it as lm-eval does.
        fits = {
            number: pair
            for number, pair in encoded.items()
            if sum(map(len, pair)) <= self.max_length and self._fits_window(sum(map(len, pair)))
        }
        inputs, scored = model_inputs(fits.values(), self.max_length)
        self._counts |= {pairs[number]: len(tokens) for number, tokens in zip(fits, scored, strict=True)}
        return Beside(dict(zip(fits, zip(inputs, scored, strict=True), strict=True))), pairs

    def count_tokens(self, context: str, continuation: str) -> int | None:
        """Tokens of a continuation that the last requests scored; None if they did not."""
        return self._counts.get((context, continuation))

    def _tree(
        self, kind: str, texts: Sequence[tuple[str, ...]], encode: Callable[[], tuple[list[Encoded], list[int] | None]]
    ) -> Tree:
        """The tree of requests, from the cache if they were scored before."""

        def build() -> Tree:
            encoded, windows = encode()
            return build_tree(*model_inputs(encoded, self.max_length), windows)

        tree = self.trees.get(tree_key(self, kind, texts), build)
        self._counts = dict(zip(texts, tree.request_counts.tolist(), strict=True))
        return tree

    def _takes(self, tree: Tree) -> bool:
        """Whether the model can be given a tree's sequences, with a line in the log if not."""
        fits = self._fits_window(tree.longest)
        if not fits:
            logger.warning("scored by lm-eval's hf: a sequence of %d tokens is longer than its window", tree.longest)
        return fits

    def _fits_window(self, longest: int) -> bool:
        """Whether sequences of that many tokens fit into the model's windows, if some of its layers have one."""
        config = self.config.get_text_config()
        windows = [getattr(config, name, None) for name in _WINDOWS]
        return all(window is None or longest <= window for window in windows)
