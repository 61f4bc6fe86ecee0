"""The prefix tree of a set of requests: each distinct prefix is one path, so what must be computed is in it once.

Tokens are laid out depth first: those of a node follow each other, those of a subtree are a range, and a token attends
to exactly those at or before it whose subtree reaches past it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, fields

import numpy as np


@dataclass(frozen=True)
class Tree:
    """A path-compressed prefix tree, and what is to be scored in it.

    Attributes:
        tokens: token ids, depth first, shape (n_tokens,).
        depths: each token's position in its sequence, shape (n_tokens,).
        node_starts: each node's first token, and `n_tokens` at the end, shape (n_nodes + 1,).
        node_ends: the token after each node's subtree, shape (n_nodes,).
        edge_tokens: the token after which something is scored, ascending, shape (n_edges,).
        edge_targets: the token id whose probability is wanted there, shape (n_edges,).
        request_edges: the edges whose log-probabilities sum to the requests' log-likelihoods, request after request.
        request_counts: how many of them each request has: its scored tokens, shape (n_requests,).
        input_nodes: the node in which each input ends, shape (n_inputs,).
    """

    tokens: np.ndarray
    depths: np.ndarray
    node_starts: np.ndarray
    node_ends: np.ndarray
    edge_tokens: np.ndarray
    edge_targets: np.ndarray
    request_edges: np.ndarray
    request_counts: np.ndarray
    input_nodes: np.ndarray

    @property
    def longest(self) -> int:
        """Number of tokens of the longest sequence."""
        return int(self.depths.max(initial=-1)) + 1

    def subtree_ends(self) -> np.ndarray:
        """For each token, the token after the last one that attends to it, shape (n_tokens,)."""
        return np.repeat(self.node_ends, np.diff(self.node_starts))

    def arrays(self) -> dict[str, np.ndarray]:
        """All arrays by name, as they are written to disk."""
        return {one.name: getattr(self, one.name) for one in fields(self)}

    def answers(self, log_probs: np.ndarray, greedy: np.ndarray) -> list[tuple[float, bool]]:
        """Sum log-probabilities of edges over each request.

        Args:
            log_probs: of each edge, shape (n_edges,).
            greedy: whether the edge's target is the most probable token, shape (n_edges,).

        Returns:
            for each request its log-likelihood, and whether greedy decoding would give its continuation.
        """
        count = len(self.request_counts)
        owners = np.repeat(np.arange(count), self.request_counts)
        sums = np.bincount(owners, weights=log_probs[self.request_edges], minlength=count)
        misses = np.bincount(owners, weights=~greedy[self.request_edges], minlength=count)
        return list(zip(sums.tolist(), (misses == 0).tolist(), strict=True))


@dataclass
class _Node:
    start: int
    end: int
    source: int
    children: list[_Node] = field(default_factory=list)
    ends_here: int = -1


def build_tree(
    inputs: Sequence[np.ndarray], continuations: Sequence[np.ndarray], windows: Sequence[int] | None = None
) -> Tree:
    """Join requests into a tree.

    Args:
        inputs: what the model reads, token ids as int32, none empty.
        continuations: the tokens that are scored, whose last is predicted after the input's last; none longer than the
            input. Empty where nothing is scored.
        windows: how many inputs, one after the other, belong to each request; one if None.
    """
    # Big-endian bytes sort as the token ids do.
    keys = [tokens.astype(">u4").tobytes() for tokens in inputs]
    order = sorted(set(keys))
    rank = {key: number for number, key in enumerate(order)}
    unique = [np.frombuffer(key, dtype=">u4").astype(np.int32) for key in order]
    root = _grow(unique)
    nodes = list(_depth_first(root))
    lengths = np.array([node.end - node.start for node in nodes], dtype=np.int64)
    starts = np.concatenate([[0], np.cumsum(lengths)])
    parents, ends, last_of = _relations(nodes, starts)
    tokens = [unique[node.source][node.start : node.end] for node in nodes]
    depths = [np.arange(node.start, node.end, dtype=np.int32) for node in nodes]
    node_of = np.array([last_of[rank[key]] for key in keys], dtype=np.int64)
    places = [
        _places(int(node), len(scored), starts, parents) for node, scored in zip(node_of, continuations, strict=True)
    ]
    flat = _concatenate(places, np.int64) << 32 | _concatenate(continuations, np.int64)
    edges, request_edges = np.unique(flat, return_inverse=True)
    sizes = np.array([len(scored) for scored in continuations], dtype=np.int64)
    owners = np.repeat(np.arange(len(windows)), windows) if windows is not None else np.arange(len(inputs))
    counts = np.bincount(owners, weights=sizes, minlength=len(inputs) if windows is None else len(windows))
    return Tree(
        _concatenate(tokens, np.int32),
        _concatenate(depths, np.int32),
        starts,
        ends,
        edges >> 32,
        edges & 0xFFFFFFFF,
        request_edges.astype(np.int64),
        counts.astype(np.int64),
        node_of,
    )


def _grow(unique: Sequence[np.ndarray]) -> _Node:
    """Build the tree of sorted, distinct sequences; its root holds no tokens."""
    root = _Node(0, 0, -1)
    open_nodes = [root]
    previous = np.empty(0, dtype=np.int32)
    for number, sequence in enumerate(unique):
        shared = _common_prefix(previous, sequence)
        while open_nodes[-1].end > shared:
            top = open_nodes[-1]
            if top.start >= shared:
                open_nodes.pop()
                continue
            lower = _Node(shared, top.end, top.source, top.children, top.ends_here)
            top.end, top.children, top.ends_here = shared, [lower], -1
        node = _Node(shared, len(sequence), number, ends_here=number)
        open_nodes[-1].children.append(node)
        open_nodes.append(node)
        previous = sequence
    return root


def _common_prefix(first: np.ndarray, second: np.ndarray) -> int:
    shorter = min(len(first), len(second))
    different = first[:shorter] != second[:shorter]
    place = int(different.argmax()) if shorter else 0
    return place if shorter and different[place] else shorter


def _depth_first(root: _Node) -> Iterator[_Node]:
    waiting = list(reversed(root.children))
    while waiting:
        node = waiting.pop()
        yield node
        waiting.extend(reversed(node.children))


def _relations(nodes: Sequence[_Node], starts: np.ndarray) -> tuple[np.ndarray, np.ndarray, dict[int, int]]:
    """Each node's parent (-1 for none) and the token after its subtree; for each sequence the node it ends in."""
    parents = np.full(len(nodes), -1, dtype=np.int64)
    ends = np.zeros(len(nodes), dtype=np.int64)
    last_of = {node.ends_here: number for number, node in enumerate(nodes) if node.ends_here >= 0}
    above: list[int] = []
    for number, node in enumerate(nodes):
        while above and nodes[above[-1]].end > node.start:
            ends[above.pop()] = starts[number]
        parents[number] = above[-1] if above else -1
        above.append(number)
    ends[above] = starts[-1]
    return parents, ends, last_of


def _places(node: int, count: int, starts: np.ndarray, parents: np.ndarray) -> np.ndarray:
    """The last `count` tokens on the path to the end of a node."""
    parts: list[np.ndarray] = []
    while count > 0:
        first, stop = int(starts[node]), int(starts[node + 1])
        taken = min(count, stop - first)
        parts.append(np.arange(stop - taken, stop, dtype=np.int64))
        count -= taken
        node = int(parents[node])
    return np.concatenate(parts[::-1]) if parts else np.empty(0, dtype=np.int64)


def _concatenate(parts: Sequence[np.ndarray], kind: type) -> np.ndarray:
    return np.concatenate(parts).astype(kind) if len(parts) else np.empty(0, dtype=kind)
