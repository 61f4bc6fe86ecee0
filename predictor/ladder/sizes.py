"""The sizes of the tiny ladder, and the schedule that all of them share."""

from __future__ import annotations

from dataclasses import dataclass

from transformers import LlamaConfig

from predictor.errors import UnknownNameError
from predictor.ladder.tokenizer import EOS_ID, PAD_ID, VOCABULARY

CONTEXT = 128
"""Tokens in a training row, and the longest input of a model."""
ROWS_PER_STEP = 16
TOKENS_PER_STEP = CONTEXT * ROWS_PER_STEP
DEFAULT_TOKENS = 10_000_000


@dataclass(frozen=True)
class Size:
    """One run of the ladder; `checkpoints` are saved at halving token counts, the last at the end of the schedule."""

    name: str
    hidden: int
    layers: int
    heads: int
    checkpoints: int = 6
    role: str = "ladder"

    @property
    def feed_forward(self) -> int:
        """Width of the gated feed-forward layer: 8/3 of the hidden width, as in Llama."""
        return self.hidden * 8 // 3

    @property
    def params(self) -> int:
        """Parameters in all; the embedding is tied to the output and counted once."""
        return self.params_non_embedding + len(VOCABULARY) * self.hidden

    @property
    def params_non_embedding(self) -> int:
        """Parameters without the embedding."""
        layer = 4 * self.hidden**2 + 3 * self.hidden * self.feed_forward + 2 * self.hidden
        return self.layers * layer + self.hidden

    @property
    def peak_learning_rate(self) -> float:
        """Peak of AdamW's rate: falls with the square root of the width."""
        return round(0.008 * (32 / self.hidden) ** 0.5, 5)

    def config(self) -> LlamaConfig:
        """Return the architecture for transformers."""
        return LlamaConfig(
            vocab_size=len(VOCABULARY),
            hidden_size=self.hidden,
            intermediate_size=self.feed_forward,
            num_hidden_layers=self.layers,
            num_attention_heads=self.heads,
            num_key_value_heads=self.heads,
            max_position_embeddings=CONTEXT,
            # The usual 0.02 is meant for widths of thousands and leaves narrow models nearly silent at the start.
            initializer_range=round(0.5 / self.hidden**0.5, 4),
            tie_word_embeddings=True,
            bos_token_id=None,
            eos_token_id=EOS_ID,
            pad_token_id=PAD_ID,
        )

    def checkpoint_steps(self, steps: int) -> list[int]:
        """Return the steps at which to save, rising, of a schedule that ends at `steps`."""
        wanted = {max(1, round(steps / 2**halvings)) for halvings in range(self.checkpoints)}
        return sorted(wanted)


SIZES: tuple[Size, ...] = (
    Size("4k", 12, 2, 2),
    Size("9k", 18, 2, 3),
    Size("15k", 24, 2, 3),
    Size("33k", 36, 2, 3),
    Size("66k", 42, 3, 3),
    Size("133k", 60, 3, 3),
    Size("target", 112, 4, 4, checkpoints=4, role="target"),
)


def size_named(name: str) -> Size:
    """Return a declared size.

    Raises:
        UnknownNameError: there is no size of that name.
    """
    for size in SIZES:
        if size.name == name:
            return size
    raise UnknownNameError("size", name, [size.name for size in SIZES], "the tiny ladder")
