"""How fast the prefix-tree scorer is, beside lm-eval's `hf` at its best batch size.

    python benchmarks/speed/scoring.py                                  a random 60M Llama, float32, on the CPU
    python benchmarks/speed/scoring.py --device cuda --shape 1b         bfloat16 on a GPU
    python benchmarks/speed/scoring.py --device cuda --shape 7b
    python benchmarks/speed/scoring.py --device cuda --dry-run          the same on a CPU, with that model made small
    python benchmarks/speed/scoring.py --checkpoints 20                 what one more checkpoint costs

Items are those of `../shared/datasets`, with a 32k BPE tokenizer trained on them. Every scorer is timed from lists of
texts to lists of log-likelihoods. `hf` shares nothing between items, so it is timed on every n-th item (`--hf-every`)
and its time multiplied; log-likelihoods are compared on those. The columns:

    hf, tree        seconds; items/s and peak memory beside them
    x               how many times faster tree is than hf
    tokens          tokens that tree computed over those of the prefix tree, which is the least that is possible
    FLOP/s          those of tree, attention left out, over those of one plain matrix product of the same width
    over bound      seconds over those that the tree's tokens, each 2 FLOPs per parameter, take at that product's speed
    difference      largest difference of a log-likelihood between tree and hf, and of how many the greedy flags differ
"""

from __future__ import annotations

import gc
import logging
import resource
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import numpy as np
import torch
import transformers
from lm_eval.api.instance import Instance
from lm_eval.models.huggingface import HFLM
from rich.console import Console
from rich.table import Table
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

from predictor.evaluation.scoring import TreeLM
from predictor.evaluation.scoring.cache import TreeCache
from predictor.evaluation.scoring.encoding import encode_pairs

sys.path.insert(0, str(Path(__file__).parent))
from scoring_items import Request, Workload, texts, workloads

# Width, layers, heads, key-value heads, inner width.
SHAPES = {
    "60m": (512, 8, 8, 8, 1408),
    "1b": (2048, 16, 32, 8, 8192),
    "7b": (4096, 32, 32, 32, 11008),
}
# For a dry run these and the number of items are divided, all but the number of layers, which is two.
DRY = 8
VOCABULARY = 32_000
BATCH_SIZES = {"cpu": (1, 4, 16), "cuda": (8, 32, 128)}
PILOT_ITEMS = 2


@dataclass(frozen=True)
class Timed:
    """What one scorer did: log-likelihoods and greedy flags, its seconds, its peak memory in bytes."""

    answers: list[tuple[float, bool]]
    seconds: float
    memory: int


def make_tokenizer(folder: Path, datasets: Path) -> transformers.PreTrainedTokenizerFast:
    """A 32k BPE tokenizer trained on the items; once per folder."""
    if not (folder / "tokenizer.json").exists():
        tokenizer = Tokenizer(models.BPE())
        tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        tokenizer.decoder = decoders.ByteLevel()
        trainer = trainers.BpeTrainer(
            vocab_size=VOCABULARY,
            special_tokens=["<|endoftext|>"],
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
            show_progress=False,
        )
        tokenizer.train_from_iterator(texts(datasets), trainer)
        fast = transformers.PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<|endoftext|>")
        fast.save_pretrained(folder)
    return transformers.AutoTokenizer.from_pretrained(folder)


def make_checkpoint(
    folder: Path, datasets: Path, shape: tuple[int, int, int, int, int], dtype: str, seed: int = 0
) -> Path:
    """Write a Llama of that shape with random weights, and its tokenizer; once per folder."""
    if (folder / "model.safetensors.index.json").exists() or (folder / "model.safetensors").exists():
        return folder
    fast = make_tokenizer(folder.parent / "tokenizer", datasets)
    width, layers, heads, key_value_heads, inner = shape
    config = transformers.LlamaConfig(
        vocab_size=VOCABULARY,
        hidden_size=width,
        intermediate_size=inner,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        num_key_value_heads=key_value_heads,
        max_position_embeddings=4096,
        bos_token_id=0,
        eos_token_id=0,
    )
    torch.manual_seed(seed)
    model = transformers.AutoModelForCausalLM.from_config(config, dtype=getattr(torch, dtype))
    model.save_pretrained(folder)
    fast.save_pretrained(folder)
    return folder


def instances(requests: list[Request]) -> list[Instance]:
    """Requests as lm-eval hands them to a model."""
    return [
        Instance(request_type="loglikelihood", doc={}, arguments=request, idx=number)
        for number, request in enumerate(requests)
    ]


@contextmanager
def peak_memory(device: str) -> Iterator[Callable[[], int]]:
    """Watch the largest memory in use: of the GPU, or of this process."""
    gc.collect()
    if device == "cpu":
        # Since Linux 4.0 a 5 sets the high-water mark back.
        Path("/proc/self/clear_refs").write_text("5") if sys.platform == "linux" else None
        yield lambda: _high_water()
    else:
        torch.cuda.reset_peak_memory_stats()
        yield torch.cuda.max_memory_allocated


def _high_water() -> int:
    status = Path("/proc/self/status")
    if not status.exists():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    (line,) = [line for line in status.read_text().splitlines() if line.startswith("VmHWM")]
    return int(line.split()[1]) * 1024


def timed(lm: Any, requests: list[Request], device: str, clock: Callable[[], float]) -> Timed:
    """Score requests and take the time from texts to log-likelihoods."""
    asked = instances(requests)
    with peak_memory(device) as peak:
        begin = clock()
        answers = lm.loglikelihood(asked, disable_tqdm=True)
        if device == "cuda":
            torch.cuda.synchronize()
        return Timed([(float(value), bool(flag)) for value, flag in answers], clock() - begin, peak())


def matmul_rate(model: Any, device: str, clock: Callable[[], float]) -> float:
    """FLOP/s of a plain product of many tokens with the model's inner weights: the best of several."""
    width, inner, dtype = model.config.hidden_size, model.config.intermediate_size, model.dtype
    tokens = torch.randn(2048 if device == "cpu" else 16384, width, device=device, dtype=dtype)
    weights = torch.randn(inner, width, device=device, dtype=dtype)
    best = float("inf")
    for _ in range(7):
        begin = clock()
        for _ in range(3):
            tokens @ weights.T
        if device == "cuda":
            torch.cuda.synchronize()
        best = min(best, (clock() - begin) / 3)
    return 2 * tokens.numel() * inner / best


def best_batch_size(hf: HFLM, workload: Workload, device: str, clock: Callable[[], float]) -> int:
    """The batch size with which `hf` is fastest on a few items spread over the workload."""
    some = workload.items[:: max(1, len(workload.items) // PILOT_ITEMS)][:PILOT_ITEMS]
    requests = [request for item in some for request in item]
    seconds = {}
    for size in BATCH_SIZES[device]:
        hf.batch_size_per_gpu = size
        try:
            seconds[size] = timed(hf, requests, device, clock).seconds
        except torch.OutOfMemoryError:
            break
    return min(seconds, key=lambda size: seconds[size])


def compare(
    workload: Workload, tree: TreeLM, hf: HFLM, device: str, hf_every: int, clock: Callable[[], float]
) -> dict[str, Any]:
    """Time both on a workload, one after the other, and compare their numbers."""
    requests = [request for item in workload.items for request in item]
    sampled = set(range(0, len(workload.items), max(1, min(hf_every, len(workload.items) // PILOT_ITEMS))))
    numbers = [number for number, item in enumerate(workload.items) for _ in item if number in sampled]
    some = [request for number in sorted(sampled) for request in workload.items[number]]
    rate = matmul_rate(tree.model, device, clock)
    hf.batch_size_per_gpu = best_batch_size(hf, workload, device, clock)
    theirs = timed(hf, some, device, clock)
    work = tree.forward.work
    before = (work.tokens, work.projected)
    ours = timed(tree, requests, device, clock)
    rate = max(rate, matmul_rate(tree.model, device, clock))
    tokens, projected = work.tokens - before[0], work.projected - before[1]
    head = tree.model.get_output_embeddings().weight.numel()
    body = (
        sum(one.numel() for one in tree.model.base_model.parameters())
        - tree.model.get_input_embeddings().weight.numel()
    )
    compared = [answer for answer, keep in zip(ours.answers, _repeat(workload, sampled), strict=True) if keep]
    assert len(compared) == len(theirs.answers) == len(numbers)
    seconds = theirs.seconds * len(requests) / len(some)
    return {
        "task": workload.name,
        "items": f"{len(workload.items):,}",
        "hf": f"{seconds:.1f} s",
        "batch": str(hf.batch_size_per_gpu),
        "tree": f"{ours.seconds:.1f} s",
        "x": f"{seconds / ours.seconds:.1f}",
        "items/s": f"{len(workload.items) / seconds:.1f} -> {len(workload.items) / ours.seconds:.1f}",
        "tokens": f"{tokens / tree_tokens(tree, requests):.2f}",
        "FLOP/s": f"{2 * (body * tokens + head * projected) / ours.seconds / rate:.0%}",
        "over bound": f"{ours.seconds / (2 * (body + head) * tokens / rate):.2f}",
        "memory": f"{theirs.memory / 2**20:,.0f} -> {ours.memory / 2**20:,.0f} MiB",
        "difference": f"{max(abs(a[0] - b[0]) for a, b in zip(compared, theirs.answers, strict=True)):.1e}, "
        f"{sum(a[1] != b[1] for a, b in zip(compared, theirs.answers, strict=True))} of {len(compared)}",
    }


def _repeat(workload: Workload, sampled: set[int]) -> list[bool]:
    return [number in sampled for number, item in enumerate(workload.items) for _ in item]


def tree_tokens(tree: TreeLM, requests: list[Request]) -> int:
    """Tokens of the prefix tree, counted as distinct prefixes and not by the scorer."""
    prefixes: set[int] = set()
    inputs = {tuple(np.concatenate(pair)[:-1].tolist()) for pair in encode_pairs(tree, requests)}
    for tokens in inputs:
        key = 0
        for token in tokens:
            key = hash((key, token))
            prefixes.add(key)
    return len(prefixes)


def several_checkpoints(
    folders: list[Path], count: int, tasks: list[Workload], device: str, dtype: str, clock: Callable[[], float]
) -> None:
    """Score one checkpoint after the other, and compare with their forward passes alone.

    Few folders stand for many checkpoints: they are taken in turns, so that weights change each time. All is counted,
    from loading the first model to the last answer, with an empty cache of trees.
    """
    # Processor time of the scoring thread alone: the next weights are read meanwhile, and are no forward pass.
    own_clock = time.thread_time if clock is time.process_time else clock
    requests = [request for task in tasks for item in task.items for request in item]
    asked = instances(requests)
    forward = 0.0
    with tempfile.TemporaryDirectory() as trees:
        begin, own_begin = clock(), own_clock()
        lm = TreeLM(pretrained=str(folders[0]), device=device, dtype=dtype, trees=TreeCache(Path(trees)))
        first = own_clock() - own_begin
        score = lm.forward.score

        def watched(tree: Any) -> list[tuple[float, bool]]:
            nonlocal forward
            before = own_clock()
            answers = score(tree)
            forward += own_clock() - before
            return answers

        lm.forward.score = watched  # type: ignore[method-assign]
        for number in range(count):
            if number:
                assert lm.load_weights(folders[number % len(folders)])
            lm.read_ahead(folders[(number + 1) % len(folders)])
            lm.loglikelihood(asked)
        total, own = clock() - begin, own_clock() - own_begin
    print(f"{count} checkpoints, {len(requests):,} requests of {', '.join(task.name for task in tasks)}")
    print(
        f"the first model {first:.1f} s, reading in another thread {total - own:.1f} s, the scoring thread {own:.1f} s"
    )
    print(f"all: {total:.1f} s, forward passes alone: {forward:.1f} s, ratio {total / forward:.3f}")


@click.command()
@click.option("--datasets", type=click.Path(path_type=Path, exists=True), default=Path("../shared/datasets"))
@click.option("--device", type=click.Choice(["cpu", "cuda"]), default="cpu")
@click.option("--shape", type=click.Choice(list(SHAPES)), default="60m")
@click.option("--tasks", default="", help="Some of the tasks, with commas; all without it.")
@click.option("--size", default=1.0, help="Multiplies how many items (subjects of MMLU) are taken.")
@click.option("--hf-every", default=10, help="hf is timed on every n-th item.")
@click.option("--threads", default=0, help="CPU threads; torch's own choice without it.")
@click.option(
    "--clock",
    type=click.Choice(["wall", "cpu"]),
    default="wall",
    help="cpu: seconds of processor time, on a busy machine.",
)
@click.option("--folder", type=click.Path(path_type=Path), default=None, help="Keeps the checkpoint from run to run.")
@click.option("--dry-run", is_flag=True, help="On a CPU with a small model of that kind, to see that all of it runs.")
@click.option("--checkpoints", default=0, help="Score this many checkpoints instead, and compare with forward passes.")
def main(
    datasets: Path,
    device: str,
    shape: str,
    tasks: str,
    size: float,
    hf_every: int,
    threads: int,
    clock: str,
    folder: Path | None,
    dry_run: bool,
    checkpoints: int,
) -> None:
    dtype = "float32" if device == "cpu" else "bfloat16"
    form, name_of_shape = SHAPES[shape], shape
    if dry_run:
        width, _, heads, key_value_heads, inner = form
        form, name_of_shape = (
            (width // DRY, 2, heads // DRY, max(1, key_value_heads // DRY), inner // DRY),
            f"dry-{shape}",
        )
        device, size = "cpu", size / DRY
    warnings.simplefilter("ignore")
    logging.getLogger("lm_eval").setLevel(logging.ERROR)
    transformers.logging.set_verbosity_error()
    if threads:
        torch.set_num_threads(threads)
    now = time.process_time if clock == "cpu" else time.perf_counter
    with tempfile.TemporaryDirectory() as scratch:
        home = folder or Path(scratch)
        place = make_checkpoint(home / name_of_shape, datasets, form, dtype)
        chosen = workloads(datasets, size)
        names = tasks.split(",") if tasks else list(chosen)
        if checkpoints:
            if clock == "cpu" and torch.get_num_threads() > 1:
                raise click.UsageError("--clock cpu can tell forward passes from reading with --threads 1 alone")
            ladder = [
                make_checkpoint(home / f"{name_of_shape}-{seed}", datasets, form, dtype, seed)
                for seed in range(min(checkpoints, 3))
            ]
            several_checkpoints(ladder, checkpoints, [chosen[name]() for name in names], device, dtype, now)
            return
        tree = TreeLM(pretrained=str(place), device=device, dtype=dtype)
        hf = HFLM(pretrained=tree.model, tokenizer=tree.tokenizer, dtype=dtype)
        rows = []
        for name in names:
            rows.append(compare(chosen[name](), tree, hf, device, hf_every, now))
            Console(stderr=True, width=200).print(", ".join(f"{key} {value}" for key, value in rows[-1].items()))
    count = sum(one.numel() for one in tree.model.parameters()) / 1e6
    title = (
        f"{count:,.0f}M parameters, {dtype}, {torch.get_num_threads()} CPU threads"
        if device == "cpu"
        else (f"{count:,.0f}M parameters, {dtype}, {torch.cuda.get_device_name()}")
    )
    table = Table(title=title, title_justify="left", box=None, pad_edge=False)
    for name in rows[0]:
        table.add_column(name, justify="left" if name == "task" else "right", no_wrap=True)
    for row in rows:
        table.add_row(*row.values())
    Console(width=200).print(table)
    print("vLLM is not timed")


if __name__ == "__main__":
    main()
