"""The text of the tiny ladder: lines of mixed skills, a few lines a document, drawn from a seed."""

from __future__ import annotations

import random
from collections.abc import Iterator
from itertools import accumulate

import numpy as np
import numpy.typing as npt

from predictor.ladder.language import LANGUAGE_SKILLS
from predictor.ladder.skills import Skill
from predictor.ladder.symbols import SYMBOL_SKILLS
from predictor.ladder.tokenizer import EOS, EOS_ID, PAD_ID, VOCABULARY

SKILLS: tuple[Skill, ...] = LANGUAGE_SKILLS + SYMBOL_SKILLS
LINES_PER_DOCUMENT = (2, 6)
# Separates documents while text is still a string; no skill writes it.
_BREAK = "\x00"


def lines(rng: random.Random) -> Iterator[str]:
    """Yield training lines for ever, each with its newline, skills mixed by their weights."""
    cumulative = list(accumulate(skill.weight for skill in SKILLS))
    while True:
        skill = rng.choices(SKILLS, cum_weights=cumulative)[0]
        yield skill.draw(rng).line + "\n"


def documents(seed: int, count: int, longest: int) -> list[str]:
    """Return `count` documents of at most `longest` characters, made of training lines."""
    rng = random.Random(seed)
    source = lines(rng)
    found: list[str] = []
    while len(found) < count:
        document = "".join(next(source) for _ in range(rng.randint(*LINES_PER_DOCUMENT)))
        if len(document) <= longest:
            found.append(document)
    return found


def _row(rng: random.Random, source: Iterator[str], length: int) -> str:
    # Half of the rows begin with a line and half with a break: a task's prompt has nothing before it, while a rolling
    # loss puts the end-of-text token first.
    row = _BREAK if rng.random() < 0.5 else ""
    left = rng.randint(*LINES_PER_DOCUMENT)
    while len(row) < length:
        row += next(source)
        left -= 1
        if left == 0:
            row += _BREAK
            left = rng.randint(*LINES_PER_DOCUMENT)
    return row[:length]


def token_rows(seed: int, count: int, length: int) -> npt.NDArray[np.uint8]:
    """Return training tokens, shape (count, length); a row begins at a line, its last line may be cut."""
    rng = random.Random(seed)
    source = lines(rng)
    table = np.full(128, PAD_ID, dtype=np.uint8)
    for token, identifier in VOCABULARY.items():
        if len(token) == 1:
            table[ord(token)] = identifier
    table[ord(_BREAK)] = EOS_ID
    text = "".join(_row(rng, source, length) for _ in range(count))
    tokens = table[np.frombuffer(text.encode("ascii"), dtype=np.uint8)]
    if (tokens == PAD_ID).any():
        missing = sorted({character for character in text if character not in VOCABULARY and character != _BREAK})
        raise ValueError(f"the tokenizer has no token for {missing}; add them to ALPHABET beside {EOS}")
    return tokens.reshape(count, length)
