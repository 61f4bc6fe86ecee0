"""One layer's attention over a row of a prefix tree, three ways: time, and on a GPU peak memory.

    python benchmarks/speed/tree_attention.py                     float32 on the CPU
    python benchmarks/speed/tree_attention.py --device cuda       bfloat16 on a GPU

The row is a prompt's examples, questions below them, and four answers below each question. The ways:

    groups      those of the scorer: pieces in small groups, trunks without a mask, joined by their log-sum-exp
    whole mask  torch's scaled_dot_product_attention with a mask of row by row tokens
    flex        flex_attention, compiled, with the same as a block mask; what that mask takes is counted once per layer
                of a model of 16
"""

from __future__ import annotations

import time
from collections.abc import Callable

import click
import numpy as np
import torch
from torch.nn.attention.flex_attention import create_block_mask, flex_attention

from predictor.evaluation.scoring.attention import Row, group_pieces
from predictor.evaluation.scoring.packing import cut, sections
from predictor.evaluation.scoring.tree import Tree, build_tree

LAYERS = 16


def make_tree(examples: int, questions: int) -> Tree:
    generator = np.random.default_rng(0)
    shared, inputs = generator.integers(0, 1000, examples), []
    for _ in range(questions):
        question = np.concatenate([shared, generator.integers(0, 1000, 40)])
        inputs += [np.concatenate([question, generator.integers(0, 1000, 8)]).astype(np.int32) for _ in range(4)]
    return build_tree(inputs, [tokens[-1:] for tokens in inputs])


def make_row(tree: Tree, dtype: torch.dtype, device: torch.device) -> tuple[Row, torch.Tensor]:
    """The scorer's row of a whole tree, and where its tokens are in the tree."""
    pieces = cut(tree, 512, len(tree.tokens))
    starts = np.concatenate([[0], np.cumsum([len(piece) for piece in pieces])])
    order = np.concatenate([np.arange(piece.start, piece.stop) for piece in pieces])
    moved = tree.subtree_ends()[order] - order + np.arange(len(order))
    place = {
        number: (int(starts[number]), int(starts[number + 1]))
        for number, piece in enumerate(pieces)
        if piece.last_use >= 0
    }
    parts = [
        (start, stop, [(number, place[number]) for number in path])
        for start, stop, path in sections(pieces, 0, len(pieces))
        if path
    ]
    groups = group_pieces(pieces, torch.from_numpy(moved), dtype, device)
    return Row(groups, parts, {}, []), torch.from_numpy(order).to(device)


@click.command()
@click.option("--device", type=click.Choice(["cpu", "cuda"]), default="cpu")
@click.option("--examples", default=400, help="Tokens that all questions share.")
@click.option("--questions", default=24)
@click.option("--threads", default=0, help="CPU threads; torch's own choice without it.")
def main(device: str, examples: int, questions: int, threads: int) -> None:
    if threads:
        torch.set_num_threads(threads)
    tree = make_tree(examples, questions)
    count, heads, width = len(tree.tokens), 8, 64
    place, dtype = torch.device(device), torch.float32 if device == "cpu" else torch.bfloat16
    row, order = make_row(tree, dtype, place)
    torch.manual_seed(0)
    q, k, v = (torch.randn(1, heads, count, width, device=place, dtype=dtype) for _ in range(3))
    ends, steps = torch.from_numpy(tree.subtree_ends()).to(place), torch.arange(count, device=place)
    mask = (steps <= steps[:, None]) & (steps[:, None] < ends)
    moved = [one[:, :, order] for one in (q, k, v)]

    def timed(call: Callable[[], torch.Tensor]) -> tuple[float, torch.Tensor]:
        found = call()
        if device == "cuda":
            torch.cuda.synchronize()
            torch.cuda.reset_peak_memory_stats()
        begin = time.process_time() if device == "cpu" else time.perf_counter()
        for _ in range(5):
            found = call()
        if device == "cuda":
            torch.cuda.synchronize()
        return ((time.process_time() if device == "cpu" else time.perf_counter()) - begin) / 5, found

    def blocks() -> object:
        return create_block_mask(lambda b, h, i, j: (j <= i) & (i < ends[j]), 1, 1, count, count, device=device)

    compiled, ready = torch.compile(flex_attention), blocks()
    ways: dict[str, Callable[[], torch.Tensor]] = {
        "groups": lambda: row.attend(0, *moved, width**-0.5)[0].transpose(0, 1),
        "whole mask": lambda: torch.nn.functional.scaled_dot_product_attention(q, k, v, attn_mask=mask)[0][:, order],
        "flex": lambda: compiled(q, k, v, block_mask=ready)[0][:, order],
    }
    making, _ = timed(blocks)
    expected = None
    print(f"{count:,} tokens, {dtype}")
    for name, way in ways.items():
        seconds, found = timed(way)
        seconds += making / LAYERS if name == "flex" else 0.0
        expected = found if expected is None else expected
        memory = f", {torch.cuda.max_memory_allocated() / 2**20:,.0f} MiB" if device == "cuda" else ""
        print(f"{name:10} {1000 * seconds:8.2f} ms{memory}, difference {(found - expected).abs().max():.1e}")


if __name__ == "__main__":
    main()
