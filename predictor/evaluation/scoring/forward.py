"""Runs a causal model over the rows of a prefix tree and scores what is to be scored in it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from predictor.evaluation.scoring.attention import NAME, Attending, KeysValues, Row, group_pieces, put, tree_attention
from predictor.evaluation.scoring.packing import Piece, cut, sections, take_row
from predictor.evaluation.scoring.transformers_internals import ATTENTION_FUNCTIONS
from predictor.evaluation.scoring.tree import Tree

logger = logging.getLogger(__name__)
ATTENTION_FUNCTIONS.register(NAME, tree_attention)

# Positions that are projected onto the vocabulary at a time: their logits should stay in a CPU's cache.
_PROJECTED = {"cpu": 256, "cuda": 4096}
# Longer rows do not make a CPU faster, and they take memory.
_CPU_ROW = 2048
_LONGEST_CUDA_ROW = 65_536
_SHORTEST_CUDA_ROW = 2048
# Tokens that may branch off within one piece, see `packing.cut`.
_MOST_BELOW = 512


@dataclass
class Work:
    """What was computed, for those who measure.

    Attributes:
        tokens: tokens that went through the model.
        projected: positions that were projected onto the vocabulary.
        rows: forward passes.
    """

    tokens: int = 0
    projected: int = 0
    rows: int = 0


@dataclass(frozen=True)
class _Edges:
    """What was found for each edge of a tree: its log-probability, and whether it is the most probable token."""

    log_probs: torch.Tensor
    greedy: torch.Tensor

    @classmethod
    def of(cls, tree: Tree, device: torch.device) -> _Edges:
        count = len(tree.edge_tokens)
        return cls(
            torch.zeros(count, dtype=torch.float32, device=device), torch.zeros(count, dtype=torch.bool, device=device)
        )

    def answers(self, tree: Tree) -> list[tuple[float, bool]]:
        if not len(self.log_probs):
            return []
        return tree.answers(self.log_probs.cpu().numpy(), self.greedy.cpu().numpy())


class TreeForward:
    """A causal model of transformers, run over prefix trees.

    Args:
        model: the model, in evaluation mode.
        row_tokens: most tokens of a forward pass; by the free memory where None.
        most_below: see `packing.cut`.
    """

    def __init__(self, model: Any, row_tokens: int | None = None, most_below: int = _MOST_BELOW) -> None:
        self.model = model
        self.row_tokens = row_tokens
        self.most_below = most_below
        self.work = Work()

    @property
    def device(self) -> torch.device:
        """Where the model is."""
        device: torch.device = self.model.device
        return device

    def score(self, tree: Tree) -> list[tuple[float, bool]]:
        """Log-likelihood and greediness of each request of a tree."""
        edges = _Edges.of(tree, self.device)
        self._each_row(tree, lambda pieces, hidden: self._score_row(tree, pieces, hidden, edges))
        return edges.answers(tree)

    def prefill(self, tree: Tree) -> tuple[dict[int, KeysValues], torch.Tensor, list[tuple[float, bool]]]:
        """Read the inputs of a tree, and score what is to be scored in it.

        Returns:
            by layer the keys and values of all its tokens in order, each of shape (1, heads, n_tokens, dim); the
            last hidden state of each input, shape (n_inputs, hidden size); the log-likelihood and greediness of each
            request.
        """
        everything: dict[int, list[KeysValues]] = {}
        order: list[np.ndarray] = []
        states: list[torch.Tensor] = []
        edges = _Edges.of(tree, self.device)

        def use(pieces: Sequence[Piece], hidden: torch.Tensor) -> None:
            order.extend(np.arange(piece.start, piece.stop) for piece in pieces)
            states.append(hidden)
            self._score_row(tree, pieces, hidden, edges)

        self._each_row(tree, use, everything)
        place = put(torch.from_numpy(np.argsort(np.concatenate(order))), self.device)
        memory = {
            layer: (
                torch.cat([key for key, _ in parts], 2)[:, :, place],
                torch.cat([v for _, v in parts], 2)[:, :, place],
            )
            for layer, parts in everything.items()
        }
        ends = put(torch.from_numpy(tree.node_starts[tree.input_nodes + 1] - 1), self.device)
        return memory, torch.cat(states)[place[ends]], edges.answers(tree)

    def step(self, tokens: torch.Tensor, depths: torch.Tensor, attending: Attending) -> torch.Tensor:
        """The last hidden states of single tokens, shape (tokens, hidden size), that attend as they are told."""
        with self._as_tree():
            return self._hidden(tokens, depths, attending)

    def logits(self, hidden: torch.Tensor) -> torch.Tensor:
        """Logits after each position in float32, shape (positions, vocabulary)."""
        logits: torch.Tensor = self.model.get_output_embeddings()(hidden).float()
        return logits

    def _each_row(
        self,
        tree: Tree,
        use: Callable[[Sequence[Piece], torch.Tensor], None],
        everything: dict[int, list[KeysValues]] | None = None,
    ) -> None:
        """Compute row after row; `use` takes a row's pieces and the model's last hidden states of it."""
        budget = self.row_tokens or self._budget()
        pieces = cut(tree, self.most_below, budget)
        ends = tree.subtree_ends()
        kept: dict[int, dict[int, KeysValues]] = {}
        first = 0
        with torch.inference_mode(), self._as_tree():
            while first < len(pieces):
                after = take_row(pieces, first, budget)
                try:
                    use(pieces[first:after], self._run(tree, ends, pieces, first, after, kept, everything))
                except torch.OutOfMemoryError:
                    if after == first + 1 or everything is not None:
                        raise
                    budget = sum(len(piece) for piece in pieces[first:after]) // 2
                    logger.warning("out of memory: going on with rows of %d tokens", budget)
                    for number in range(first, after):
                        kept.pop(number, None)
                    torch.cuda.empty_cache()
                    continue
                for number in [number for number in kept if pieces[number].last_use < after]:
                    del kept[number]
                first = after

    def _run(
        self,
        tree: Tree,
        ends: np.ndarray,
        pieces: Sequence[Piece],
        first: int,
        after: int,
        kept: dict[int, dict[int, KeysValues]],
        everything: dict[int, list[KeysValues]] | None,
    ) -> torch.Tensor:
        """The model's last hidden states of one row, shape (tokens, hidden size)."""
        taken = pieces[first:after]
        starts = np.concatenate([[0], np.cumsum([len(piece) for piece in taken])])
        ranges = [slice(piece.start, piece.stop) for piece in taken]
        moved = [ends[one] - one.start + start for one, start in zip(ranges, starts[:-1], strict=True)]
        place = {
            first + number: (int(starts[number]), int(starts[number + 1]))
            for number, piece in enumerate(taken)
            if piece.last_use >= 0
        }
        row = Row(
            group_pieces(taken, torch.from_numpy(np.concatenate(moved)), self.model.dtype, self.device),
            [
                (start, stop, [(number, place.get(number)) for number in path])
                for start, stop, path in sections(pieces, first, after)
                if path
            ],
            kept,
            [(number, where) for number, where in place.items() if pieces[number].last_use >= after],
            everything,
        )
        tokens, depths = (
            put(torch.from_numpy(np.concatenate([array[one] for one in ranges]).astype(np.int64)), self.device)
            for array in (tree.tokens, tree.depths)
        )
        return self._hidden(tokens, depths, row)

    def _hidden(self, tokens: torch.Tensor, depths: torch.Tensor, attending: Attending) -> torch.Tensor:
        self.work.tokens += len(tokens)
        self.work.rows += 1
        output = self.model.base_model(
            tokens.unsqueeze(0), position_ids=depths.unsqueeze(0), use_cache=False, tree=attending
        )
        hidden: torch.Tensor = output.last_hidden_state[0]
        return hidden

    def _score_row(self, tree: Tree, pieces: Sequence[Piece], hidden: torch.Tensor, scored: _Edges) -> None:
        """Write the log-probabilities of a row's edges."""
        parts, places, offset = [], [], 0
        for piece in pieces:
            begin, stop = np.searchsorted(tree.edge_tokens, [piece.start, piece.stop])
            parts.append(np.arange(begin, stop))
            places.append(tree.edge_tokens[begin:stop] - piece.start + offset)
            offset += len(piece)
        edges = np.concatenate(parts)
        if not edges.size:
            return
        unique, inverse = np.unique(np.concatenate(places), return_inverse=True)
        self.work.projected += len(unique)
        step = _PROJECTED.get(self.device.type, 256)
        numbers, targets, rows, positions = (
            put(torch.from_numpy(array), self.device) for array in (edges, tree.edge_targets[edges], inverse, unique)
        )
        for start in range(0, len(unique), step):
            some = slice(*np.searchsorted(inverse, [start, start + step]))
            found = self.logits(hidden[positions[start : start + step]]).log_softmax(dim=-1)
            chosen, is_best = _pick(found, rows[some] - start, targets[some])
            scored.log_probs[numbers[some]] = chosen
            scored.greedy[numbers[some]] = is_best

    @contextmanager
    def _as_tree(self) -> Iterator[None]:
        """Have the model's layers call `tree_attention`."""
        config = self.model.config
        before = config._attn_implementation
        config._attn_implementation = NAME
        try:
            yield
        finally:
            config._attn_implementation = before

    def _budget(self) -> int:
        """Tokens of a row: what fits in half of a GPU's free memory, the other half being for trunks and logits."""
        if self.device.type != "cuda":
            return _CPU_ROW
        config = self.model.config.get_text_config()
        wide = getattr(config, "intermediate_size", None) or 4 * config.hidden_size
        free, _ = torch.cuda.mem_get_info(self.device)
        reserved = torch.cuda.memory_reserved(self.device) - torch.cuda.memory_allocated(self.device)
        fits = (free + reserved) // 2 // (self.model.dtype.itemsize * (16 * config.hidden_size + 4 * wide))
        return int(min(max(fits, _SHORTEST_CUDA_ROW), _LONGEST_CUDA_ROW))


def _pick(log_probs: torch.Tensor, rows: torch.Tensor, targets: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The targets' log-probabilities, and whether each is the first of the most probable tokens of its row."""
    chosen = log_probs[rows, targets]
    if log_probs.device.type != "cpu":
        return chosen, log_probs.argmax(dim=-1)[rows] == targets
    # On a CPU finding the largest is much faster than finding where it is, and it is rarely the target.
    is_best = chosen == log_probs.amax(dim=-1)[rows]
    candidates = is_best.nonzero().squeeze(1)
    is_best[candidates] = log_probs[rows[candidates]].argmax(dim=-1) == targets[candidates]
    return chosen, is_best
