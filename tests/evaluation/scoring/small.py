"""Small models of several architectures with random weights, and requests that are awkward to score."""

from __future__ import annotations

import random
from functools import cache
from pathlib import Path
from typing import Any

import torch
import transformers
from lm_eval.api.instance import Instance
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

WORDS = [
    "the",
    "a",
    "river",
    "stone",
    "green",
    "walks",
    "over",
    "under",
    "seven",
    "answer",
    "question",
    "which",
    "of",
    "these",
    "is",
    "most",
    "likely",
    "to",
    "be",
    "seen",
]
VOCABULARY = 1500
COMMON: dict[str, Any] = {
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "max_position_embeddings": 1024,
    "bos_token_id": 0,
    "eos_token_id": 0,
    "pad_token_id": None,
}
GPT2 = {"n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 1024, "bos_token_id": 0, "eos_token_id": 0}
CONFIGS = {
    "llama": lambda: transformers.LlamaConfig(**COMMON, num_key_value_heads=2),
    "mistral": lambda: transformers.MistralConfig(**COMMON, num_key_value_heads=2, sliding_window=None),
    "qwen2": lambda: transformers.Qwen2Config(**COMMON, num_key_value_heads=2),
    "qwen3": lambda: transformers.Qwen3Config(**COMMON, num_key_value_heads=2, head_dim=8),
    "olmo": lambda: transformers.OlmoConfig(**COMMON),
    "olmo2": lambda: transformers.Olmo2Config(**COMMON),
    "gpt_neox": lambda: transformers.GPTNeoXConfig(**COMMON),
    "gpt2": lambda: transformers.GPT2Config(**GPT2),
    # These cannot be scored as a tree.
    "bloom": lambda: transformers.BloomConfig(hidden_size=32, n_layer=2, n_head=4, bos_token_id=0, eos_token_id=0),
    "gemma2": lambda: transformers.Gemma2Config(**COMMON, num_key_value_heads=2, head_dim=8),
    "mamba": lambda: transformers.MambaConfig(hidden_size=32, num_hidden_layers=2, bos_token_id=0, eos_token_id=0),
    "window": lambda: transformers.MistralConfig(**COMMON, num_key_value_heads=2, sliding_window=64),
}
TREES = ("llama", "mistral", "qwen2", "qwen3", "olmo", "olmo2", "gpt_neox", "gpt2")


def text(count: int, seed: int) -> str:
    """Some words."""
    return " ".join(random.Random(seed).choices(WORDS, k=count))


@cache
def tokenizer() -> Any:
    """A byte-level BPE tokenizer, trained on this repository's own pages."""
    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bpe.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY, special_tokens=["<eos>"], initial_alphabet=alphabet, show_progress=False
    )
    pages = sorted(Path(__file__).parents[3].glob("docs/*.md"))
    bpe.train_from_iterator([text(2000, seed=0), *(page.read_text(encoding="utf-8") for page in pages)], trainer)
    return transformers.PreTrainedTokenizerFast(tokenizer_object=bpe, eos_token="<eos>")


def model(architecture: str, seed: int = 0, dtype: torch.dtype = torch.float32) -> Any:
    """A model with weights so large that every token of its context matters."""
    config = CONFIGS[architecture]()
    config.vocab_size = VOCABULARY
    torch.manual_seed(seed)
    made = transformers.AutoModelForCausalLM.from_config(config)
    with torch.no_grad():
        for parameter in made.parameters():
            if parameter.ndim > 1:
                parameter.normal_(0, 0.15)
    return made.to(dtype).eval()


def requests(kind: str, arguments: list[tuple]) -> list[Instance]:
    """Requests as lm-eval hands them to a model."""
    return [
        Instance(request_type=kind, doc={}, arguments=one, idx=number)  # type: ignore[arg-type]
        for number, one in enumerate(arguments)
    ]


def awkward_pairs() -> list[tuple[str, str]]:
    """Contexts and continuations in all ways in which tasks ask for them."""
    shots = text(90, seed=1)
    pairs = [(f"{shots} {text(6, seed)}", f" {answer}") for seed in range(6) for answer in ("the", "a", "green stone")]
    pairs += [
        (text(12, seed=50 + item), " " + text(3 + choice, seed=choice)) for item in range(4) for choice in range(4)
    ]
    pairs += [
        ("", "the river"),
        ("", "<eos>the river"),
        ("the river ", "stone"),
        ("the riv", "er is green and under seven stone"),
    ]
    pairs += [(shots, " seven"), (shots, " seven"), (shots + " seven", " answer"), ("<eos>stone", " a")]
    # Longer than the models' 1,024 positions: cut from the left.
    pairs += [(text(1500, seed=3), " the answer"), (text(1500, seed=3), " a stone")]
    # One long run with branches below it.
    return pairs + [(text(400, seed=4), " " + text(4, seed)) for seed in range(3)]
