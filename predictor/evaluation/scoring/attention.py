"""Attention over a row of a prefix tree, as an attention function of transformers.

A model's own layers run as they are; only where they call their attention function, `tree_attention` takes the place of
softmax attention over one sequence. No mask over a whole row is ever made: pieces attend to themselves in small groups
of similar length, to the trunks above them in one unmasked product, and the two are joined by their log-sum-exp.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import torch

from predictor.evaluation.scoring.packing import Piece
from predictor.evaluation.scoring.torch_internals import (
    CPU_SHARES_KEYS,
    efficient_on_cuda,
    flash_on_cpu,
    flash_on_cuda,
)

NAME = "predictor_tree"
# Leading runs longer than this are attended causally, apart from the branches below them.
_LONG_CHAIN = 256
# What a model may say about its attention that changes nothing here, or only where it is not None.
_HARMLESS = ("position_ids", "output_attentions", "use_cache", "is_causal", "deterministic", "head_mask")

_OF_CPU_KERNEL = (torch.float32, torch.bfloat16, torch.float16)

KeysValues = tuple[torch.Tensor, torch.Tensor]


class UnsupportedAttentionError(Exception):
    """A model's attention is of a kind that this module does not compute."""


class Attending(Protocol):
    """What stands in for the attention of one sequence."""

    def attend(
        self, layer: int, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, scale: float
    ) -> torch.Tensor:
        """Attend; the arguments have shape (1, heads, n, dim), the result (1, n, heads, dim)."""


@dataclass(frozen=True)
class Group:
    """Pieces of similar length that attend to themselves in one call.

    Attributes:
        queries: places in the row, shape (pieces, n), padded by repeating a place.
        keys: likewise, shape (pieces, m).
        mask: what is added to the scores, shape (pieces, 1, n, m); None for causal attention.
        valid: which of the flattened queries are no padding; None for all.
    """

    queries: torch.Tensor
    keys: torch.Tensor
    mask: torch.Tensor | None
    valid: torch.Tensor | None


@dataclass
class Row:
    """What the attention of a row needs, and the keys and values that it keeps for later rows.

    Attributes:
        groups: each token of the row is a query of exactly one of them.
        sections: ranges of the row with trunks above: first token, the one after, the trunks as (number, range in this
            row or None if kept from an earlier one).
        kept: keys and values of trunks by number and layer, each of shape (1, heads, n, dim).
        keep: trunks of this row that later rows need: number and range in this row.
        everything: takes the keys and values of all tokens by layer, if that is wanted.
    """

    groups: Sequence[Group]
    sections: Sequence[tuple[int, int, Sequence[tuple[int, tuple[int, int] | None]]]]
    kept: dict[int, dict[int, KeysValues]]
    keep: Sequence[tuple[int, tuple[int, int]]]
    everything: dict[int, list[KeysValues]] | None = None

    def attend(
        self, layer: int, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, scale: float
    ) -> torch.Tensor:
        """Attend within pieces and to their trunks; all tensors have shape (1, heads, n, dim)."""
        if self.everything is not None:
            self.everything.setdefault(layer, []).append((key, value))
        for number, (start, stop) in self.keep:
            self.kept.setdefault(number, {})[layer] = (key[:, :, start:stop].clone(), value[:, :, start:stop].clone())
        q, k, v = (one[0].transpose(0, 1) for one in (query, key, value))
        out = torch.empty((q.shape[0], q.shape[1], v.shape[2]), dtype=q.dtype, device=q.device)
        log_sums = torch.empty(q.shape[:2], dtype=torch.float32, device=q.device) if self.sections else None
        for group in self.groups:
            _within(group, q, k, v, scale, out, log_sums)
        for start, stop, path in self.sections:
            assert log_sums is not None
            keys, values = self._trunks(layer, key, value, path)
            above, above_sums = attend(query[:, :, start:stop], keys, values, None, False, scale)
            own = out[start:stop]
            own.copy_(join(own, log_sums[start:stop], above[0].transpose(0, 1), above_sums[0].transpose(0, 1)))
        return out.unsqueeze(0)

    def _trunks(self, layer: int, key: torch.Tensor, value: torch.Tensor, path: Sequence[Any]) -> KeysValues:
        parts = [
            self.kept[number][layer] if place is None else (key[:, :, slice(*place)], value[:, :, slice(*place)])
            for number, place in path
        ]
        if len(parts) == 1:
            return parts[0]
        return torch.cat([part[0] for part in parts], dim=2), torch.cat([part[1] for part in parts], dim=2)


def _within(
    group: Group,
    q: torch.Tensor,
    k: torch.Tensor,
    v: torch.Tensor,
    scale: float,
    out: torch.Tensor,
    log_sums: torch.Tensor | None,
) -> None:
    """Attend within a group's pieces and write the result to its places; tensors have shape (n, heads, dim)."""
    q = q[group.queries].transpose(1, 2)
    k, v = k[group.keys].transpose(1, 2), v[group.keys].transpose(1, 2)
    own, sums = attend(q, k, v, group.mask, group.mask is None, scale)
    places = group.queries.flatten()
    own, sums = own.transpose(1, 2).flatten(0, 1), sums.transpose(1, 2).flatten(0, 1)
    if group.valid is not None:
        places, own, sums = places[group.valid], own[group.valid], sums[group.valid]
    out.index_copy_(0, places, own)
    if log_sums is not None:
        log_sums.index_copy_(0, places, sums.to(log_sums.dtype))


def join(one: torch.Tensor, one_sums: torch.Tensor, other: torch.Tensor, other_sums: torch.Tensor) -> torch.Tensor:
    """Attention to two sets of keys from the attention to each and the log-sum-exp of each set's scores."""
    share = torch.sigmoid(other_sums - one_sums).unsqueeze(-1)
    return torch.lerp(one.float(), other.float(), share).to(one.dtype)


def attend(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    mask: torch.Tensor | None,
    causal: bool,
    scale: float,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Softmax attention with the log-sum-exp of its scores.

    Args:
        query: shape (batch, heads, n, dim).
        key, value: shape (batch, heads or a divisor of it, m, dim).
        mask: added to the scores, shape (batch, 1, n, m); a slice of `masks`.
        causal: the i-th query attends to the first i + 1 keys.
        scale: factor of the scores.

    Returns:
        the result, shape (batch, heads, n, dim), and the log-sum-exp, shape (batch, heads, n).
    """
    cpu_kernel = query.device.type == "cpu" and query.dtype in _OF_CPU_KERNEL and query.shape[-1] == value.shape[-1]
    groups = query.shape[1] // key.shape[1]
    if groups > 1 and not (cpu_kernel and CPU_SHARES_KEYS):
        key, value = key.repeat_interleave(groups, dim=1), value.repeat_interleave(groups, dim=1)
    if cpu_kernel:
        mask = None if mask is None else mask.to(query.dtype)
        found: tuple[torch.Tensor, torch.Tensor] = flash_on_cpu(
            query, key, value, 0.0, causal, attn_mask=mask, scale=scale
        )
        return found
    if query.device.type == "cuda":
        return _attend_on_cuda(query, key, value, mask, causal, scale)
    scores = torch.matmul(query, key.transpose(-1, -2)).float() * scale
    if causal:
        future = torch.ones(scores.shape[-2:], dtype=torch.bool, device=scores.device).triu(1)
        scores = scores.masked_fill(future, -torch.inf)
    if mask is not None:
        scores = scores + mask
    sums = scores.logsumexp(-1)
    return torch.matmul((scores - sums.unsqueeze(-1)).exp().to(value.dtype), value), sums


def _attend_on_cuda(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    mask: torch.Tensor | None,
    causal: bool,
    scale: float,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Flash attention where nothing is masked, memory-efficient attention elsewhere; no scores are materialised."""
    if (
        mask is None
        and query.dtype != torch.float32
        and query.shape[-1] == value.shape[-1]
        and query.shape[-1] % 8 == 0
    ):
        found = flash_on_cuda(query, key, value, 0.0, causal, scale=scale)
        return found[0], found[1][..., : query.shape[2]]
    if mask is not None:
        mask = mask.to(query.dtype).expand(-1, query.shape[1], -1, -1)
    found = efficient_on_cuda(query, key, value, mask, True, 0.0, causal, scale=scale)
    return found[0], found[1][..., : query.shape[2]]


def tree_attention(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    scaling: float | None = None,
    dropout: float = 0.0,
    tree: Attending | None = None,
    sliding_window: int | None = None,
    **more: Any,
) -> tuple[torch.Tensor, None]:
    """Attend over a row; called by the layers of a model whose attention implementation is `NAME`.

    `sliding_window` is accepted since rows with sequences longer than it never come here.

    Raises:
        UnsupportedAttentionError: the model asks for something that would change the scores.
    """
    asked = [name for name, told in more.items() if told is not None and name not in _HARMLESS]
    if tree is None or attention_mask is not None or asked:
        raise UnsupportedAttentionError(f"its attention takes {', '.join(asked) or 'a mask of its own'}")
    scale = query.shape[-1] ** -0.5 if scaling is None else scaling
    layer: Any = module.layer_idx
    return tree.attend(int(layer), query, key, value, scale), None


def group_pieces(pieces: Sequence[Piece], ends: torch.Tensor, dtype: torch.dtype, device: torch.device) -> list[Group]:
    """Sort the pieces of a row into groups.

    Args:
        pieces: the row's, in order.
        ends: for each token of the row, the place in the row after the last one that attends to it; on the CPU.
        dtype: of the masks.
        device: where the groups are needed.
    """
    chains: list[tuple[int, int]] = []
    trees: list[tuple[int, int]] = []
    groups: list[Group] = []
    offset = 0
    for piece in pieces:
        size, chain = len(piece), piece.chain
        if chain == size or chain >= _LONG_CHAIN:
            chains.append((offset, chain))
        if chain < size and chain >= _LONG_CHAIN:
            groups.append(_branches(offset, chain, size, ends, dtype, device))
        elif chain < size:
            trees.append((offset, size))
        offset += size
    groups.extend(_group(batch, None, dtype, device) for batch in _alike(chains))
    groups.extend(_group(batch, ends, dtype, device) for batch in _alike(trees))
    return groups


def put(tensor: torch.Tensor, device: torch.device) -> torch.Tensor:
    """Copy to a device without waiting for what it still has to do."""
    if device.type == "cuda":
        tensor = tensor.pin_memory()
    return tensor.to(device, non_blocking=True)


def _alike(runs: Sequence[tuple[int, int]]) -> list[list[tuple[int, int]]]:
    """Batches of runs whose lengths differ little, so that little of what is computed for them is padding."""
    batches: list[list[tuple[int, int]]] = []
    for run in sorted(runs, key=lambda one: -one[1]):
        longest = batches[-1][0][1] if batches else 0
        if batches and (run[1] >= 0.7 * longest or longest <= 32):
            batches[-1].append(run)
        else:
            batches.append([run])
    return batches


def _group(
    runs: Sequence[tuple[int, int]], ends: torch.Tensor | None, dtype: torch.dtype, device: torch.device
) -> Group:
    """A group of runs of tokens that attend to themselves: as trees if `ends` are given, else causally."""
    starts = torch.tensor([start for start, _ in runs])
    sizes = torch.tensor([size for _, size in runs])
    steps = torch.arange(int(sizes.max()))
    inside = steps < sizes.unsqueeze(1)
    places = starts.unsqueeze(1) + torch.where(inside, steps, 0)
    valid = None if bool(inside.all()) else put(inside.flatten().nonzero().squeeze(1), device)
    mask = None
    if ends is not None:
        reach = put(torch.where(inside, ends[places] - starts.unsqueeze(1), 0), device)
        steps = put(steps, device)
        seen = (steps <= steps.unsqueeze(1)) & (steps.unsqueeze(1) < reach.unsqueeze(1))
        # Padded queries attend to the first key, so that their softmax is defined; their result is dropped.
        seen[..., 0] |= put(~inside, device)
        mask = _additive(seen, dtype)
    places = put(places, device)
    return Group(places, places, mask, valid)


def _branches(
    offset: int, chain: int, size: int, ends: torch.Tensor, dtype: torch.dtype, device: torch.device
) -> Group:
    """The tokens below a long chain, attending to the chain and to each other."""
    keys = put(torch.arange(offset, offset + size), device)
    reach = put(ends[offset : offset + size], device)
    queries = keys[chain:]
    seen = (keys <= queries.unsqueeze(1)) & (queries.unsqueeze(1) < reach)
    return Group(queries.unsqueeze(0), keys.unsqueeze(0), _additive(seen.unsqueeze(0), dtype), None)


def _additive(seen: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    """A mask to add to scores, shape (pieces, 1, n, m)."""
    return masks(seen.shape, dtype, seen.device).masked_fill_(~seen, -torch.inf).unsqueeze(1)


def masks(shape: Sequence[int], dtype: torch.dtype, device: torch.device) -> torch.Tensor:
    """Zeros whose rows begin at multiples of 16 bytes, as a GPU's kernel reads masks in such steps.

    What lies between the rows is read and never used.
    """
    room = -(-shape[-1] // 8) * 8
    return torch.zeros((*shape[:-1], room), dtype=dtype, device=device)[..., : shape[-1]]
