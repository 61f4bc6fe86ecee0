"""How a prefix tree is cut into rows that a model computes one after the other.

A *piece* is a subtree, or a *trunk*: a node with much below it, whose keys and values are kept until all below it is
done. A *row* is a number of pieces, one after the other without padding; each piece attends to itself and to the trunks
above it, which stand earlier in the row or were kept from earlier rows.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from predictor.evaluation.scoring.tree import Tree


@dataclass(frozen=True)
class Piece:
    """A range of a tree's tokens that is computed in one row.

    Attributes:
        start: its first token.
        stop: the token after its last.
        chain: how many of its tokens, from the first, lie before its first branch; all of them where it has none.
        path: the trunks above it, outermost first, as numbers of pieces.
        last_use: the last piece that has this one in its path; -1 if it is no trunk.
    """

    start: int
    stop: int
    chain: int
    path: tuple[int, ...]
    last_use: int = -1

    def __len__(self) -> int:
        return self.stop - self.start


def cut(tree: Tree, most_below: int, most: int) -> list[Piece]:
    """Cut a tree into pieces, trunks before what is below them.

    Args:
        tree: the tree.
        most_below: tokens that may branch off a node within one piece; a node with more below it becomes a trunk. Small
            enough that masked attention inside a piece costs little, large enough that there are few trunks.
        most: the longest piece; a longer run of tokens is cut into trunks.
    """
    lengths = np.diff(tree.node_starts)
    sizes = tree.node_ends - tree.node_starts[:-1]
    whole = (sizes - lengths <= most_below) & (sizes <= most)
    pieces: list[Piece] = []
    waiting: list[tuple[int, tuple[int, ...]]] = [(node, ()) for node in _ordered(_roots(tree), whole)[::-1]]
    while waiting:
        node, path = waiting.pop()
        start, stop = int(tree.node_starts[node]), int(tree.node_starts[node + 1])
        if whole[node]:
            pieces.append(Piece(start, int(tree.node_ends[node]), stop - start, path))
            continue
        for first in range(start, stop, most):
            last = min(first + most, stop)
            pieces.append(Piece(first, last, last - first, path))
            path = (*path, len(pieces) - 1)
        waiting.extend((child, path) for child in _ordered(_children(tree, node), whole)[::-1])
    return _with_last_use(pieces)


def _ordered(nodes: Sequence[int], whole: np.ndarray) -> list[int]:
    """Subtrees that are one piece first, so that those under one trunk follow each other."""
    return [node for node in nodes if whole[node]] + [node for node in nodes if not whole[node]]


def _roots(tree: Tree) -> list[int]:
    return _between(tree, 0, len(tree.tokens))


def _children(tree: Tree, node: int) -> list[int]:
    return _between(tree, int(tree.node_starts[node + 1]), int(tree.node_ends[node]))


def _between(tree: Tree, start: int, stop: int) -> list[int]:
    """The nodes whose subtrees follow each other from one token to another."""
    found = []
    while start < stop:
        node = int(np.searchsorted(tree.node_starts, start))
        found.append(node)
        start = int(tree.node_ends[node])
    return found


def _with_last_use(pieces: Sequence[Piece]) -> list[Piece]:
    last_use = [-1] * len(pieces)
    for number, piece in enumerate(pieces):
        for trunk in piece.path:
            last_use[trunk] = number
    return [
        Piece(piece.start, piece.stop, piece.chain, piece.path, last)
        for piece, last in zip(pieces, last_use, strict=True)
    ]


def take_row(pieces: Sequence[Piece], first: int, budget: int) -> int:
    """The piece after the last one that fits into a row beginning with `first`; at least one is taken."""
    size, number = len(pieces[first]), first + 1
    while number < len(pieces) and size + len(pieces[number]) <= budget:
        size += len(pieces[number])
        number += 1
    return number


def sections(pieces: Sequence[Piece], first: int, after: int) -> Iterator[tuple[int, int, tuple[int, ...]]]:
    """Runs of a row's tokens with the same trunks above them: their first token in the row, the one after, the path."""
    offset = begin = 0
    for number in range(first, after):
        if pieces[number].path != pieces[max(number - 1, first)].path:
            yield begin, offset, pieces[number - 1].path
            begin = offset
        offset += len(pieces[number])
    yield begin, offset, pieces[after - 1].path
