"""The tree holds every distinct prefix once, and pieces and rows cover it with the right ancestors."""

import numpy as np
import pytest

from predictor.evaluation.scoring.packing import cut, sections, take_row
from predictor.evaluation.scoring.tree import build_tree


@pytest.fixture(scope="module")
def inputs():
    generator = np.random.default_rng(0)
    base = generator.integers(0, 50, 40).astype(np.int32)
    drawn = [
        np.concatenate([base[: generator.integers(0, 40)], generator.integers(0, 50, generator.integers(1, 9))])
        for _ in range(80)
    ]
    return [one.astype(np.int32) for one in (*drawn, base, base[:5], base)]


@pytest.fixture(scope="module")
def tree(inputs):
    return build_tree(inputs, [one[-1:] for one in inputs])


def ancestors(tree, token):
    ends = tree.subtree_ends()
    return [other for other in range(token + 1) if ends[other] > token]


def test_every_distinct_prefix_is_one_token_of_the_tree(inputs, tree):
    prefixes = {tuple(one[: stop + 1].tolist()) for one in inputs for stop in range(len(one))}
    paths = [ancestors(tree, token) for token in range(len(tree.tokens))]
    assert {tuple(tree.tokens[path].tolist()) for path in paths} == prefixes
    assert len(tree.tokens) == len(prefixes)
    assert all(tree.depths[path].tolist() == list(range(len(path))) for path in paths)


def test_requests_are_sums_over_their_own_tokens():
    sequence = np.array([5, 6, 7], dtype=np.int32)
    tree = build_tree([sequence, sequence, sequence[:2]], [np.array(one) for one in ([6, 7, 8], [9], [6, 3])])
    values = {(0, 6): 1.0, (1, 7): 2.0, (2, 8): 4.0, (2, 9): 8.0, (1, 3): 16.0}
    edges = list(zip(tree.edge_tokens.tolist(), tree.edge_targets.tolist(), strict=True))
    assert sorted(edges) == sorted(values)
    greedy = np.array([edge != (2, 9) for edge in edges])
    assert tree.answers(np.array([values[edge] for edge in edges]), greedy) == [(7.0, True), (8.0, False), (17.0, True)]


def test_windows_of_one_text_are_one_request_and_a_text_without_windows_scores_zero():
    first, second = np.array([1, 2], dtype=np.int32), np.array([2, 3], dtype=np.int32)
    tree = build_tree([first, second], [np.array([2, 3]), np.array([4])], windows=[0, 2])
    assert tree.answers(np.ones(3), np.ones(3, dtype=bool)) == [(0.0, True), (3.0, True)]


@pytest.mark.parametrize(("most_below", "most"), [(10, 30), (1000, 1000), (3, 4)])
def test_pieces_cover_the_tree_and_know_what_is_above_them(tree, most_below, most):
    pieces = cut(tree, most_below, most)
    covered = sorted(token for piece in pieces for token in range(piece.start, piece.stop))
    assert covered == list(range(len(tree.tokens)))
    for piece in pieces:
        above = [token for trunk in piece.path for token in range(pieces[trunk].start, pieces[trunk].stop)]
        assert above == ancestors(tree, piece.start)[:-1]
        assert len(piece) <= most


def test_rows_are_full_and_their_sections_have_one_path_each(tree):
    pieces = cut(tree, 10, 30)
    first = 0
    while first < len(pieces):
        after = take_row(pieces, first, 60)
        size = sum(len(piece) for piece in pieces[first:after])
        assert size <= 60
        assert after == len(pieces) or size + len(pieces[after]) > 60
        found = [path for start, stop, path in sections(pieces, first, after) for _ in range(stop - start)]
        assert found == [piece.path for piece in pieces[first:after] for _ in range(len(piece))]
        first = after
