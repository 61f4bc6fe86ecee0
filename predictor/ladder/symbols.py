"""Skills of symbols: recall, brackets, addition, reversing, sorting, comparing, parity."""

from __future__ import annotations

import random

from predictor.ladder.skills import Example, Skill

LETTERS = "abcdefghij"
DIGITS = "0123456789"
CLOSING = {"(": ")", "[": "]", "{": "}", "<": ">"}
PARITY_BITS = (16, 20)
# Mostly two digits: one digit is soon known by heart, and three keep the task open at the top.
OPERAND_DIGITS = ((1, 1), (1, 2), (2, 1), (2, 2), (2, 2), (2, 2), (2, 2), (2, 2), (2, 3), (3, 2))


def _recall(rng: random.Random) -> Example:
    count = rng.randint(2, 6)
    keys, values = rng.sample(LETTERS, count), rng.sample(DIGITS, count)
    pairs = [key + value for key, value in zip(keys, values, strict=True)]
    asked = rng.sample(range(count), count)
    listed = " ".join(pairs)
    # Every pair is asked: the answer is one character, and one in thirty would teach too little.
    tail = "".join(f" {pairs[position]}" for position in asked[1:])
    first = asked[0]
    return Example(f"{listed} ? {keys[first]}", values[first], f"{count} pairs", count, listed, tail)


def _other_values(example: Example, rng: random.Random) -> list[str]:
    listed = [pair[1] for pair in example.key.split() if pair[1] != example.answer]
    absent = [digit for digit in DIGITS if digit not in listed and digit != example.answer]
    # Values of other keys come first: a model that only knows which values were listed should not be right.
    return (rng.sample(listed, len(listed)) + rng.sample(absent, 3))[:3]


def _closed_pair(rng: random.Random) -> str:
    outer = rng.choice("([{<")
    inner = _closed_pair(rng) if rng.random() < 0.4 else ""
    return outer + inner + CLOSING[outer]


def _brackets(rng: random.Random) -> Example:
    depth = rng.randint(3, 8)
    opened = ""
    stack: list[str] = []
    while len(stack) < depth:
        if rng.random() < 0.35:
            opened += _closed_pair(rng)
        stack.append(rng.choice("([{<"))
        opened += stack[-1]
    answer = "".join(CLOSING[bracket] for bracket in reversed(stack))
    return Example(opened + "|", answer, f"depth {depth}", depth, opened)


def _wrong_closings(example: Example, rng: random.Random) -> list[str]:
    wrong: dict[str, None] = {}
    while len(wrong) < 3:
        closing = list(example.answer)
        # Two brackets exchanged, or one replaced, so that a choice is as plausible as can be.
        first, second = rng.sample(range(len(closing)), 2)
        if rng.random() < 0.5:
            closing[first], closing[second] = closing[second], closing[first]
        else:
            closing[first] = rng.choice(list(CLOSING.values()))
        if "".join(closing) != example.answer:
            wrong["".join(closing)] = None
    return list(wrong)


def _addition(rng: random.Random) -> Example:
    left_digits, right_digits = rng.choice(OPERAND_DIGITS)
    left, right = (rng.randrange(10 ** (digits - 1), 10**digits) for digits in (left_digits, right_digits))
    carries = sum(left % 10**place + right % 10**place >= 10**place for place in range(1, 4))
    kind = f"{left_digits}+{right_digits} digits, {carries} carries"
    return Example(f"{left}+{right}=", f"{left + right}", kind, left_digits + right_digits + carries, f"{left} {right}")


def _word(rng: random.Random, shortest: int, longest: int) -> str:
    return "".join(rng.choice(LETTERS) for _ in range(rng.randint(shortest, longest)))


def _reverse(rng: random.Random) -> Example:
    word = _word(rng, 4, 10)
    return Example(f"reverse {word}:", word[::-1], f"{len(word)} letters", len(word), word)


def _sort(rng: random.Random) -> Example:
    word = _word(rng, 4, 10)
    return Example(f"sort {word}:", "".join(sorted(word)), f"{len(word)} letters", len(word), word)


def _compare(rng: random.Random) -> Example:
    digits = rng.randint(2, 4)
    shared = rng.randrange(digits)
    left = [rng.choice(DIGITS[1:]) for _ in range(digits)]
    right = left[:shared] + [rng.choice(DIGITS[1:]) for _ in range(digits - shared)]
    while left[shared] == right[shared]:
        right[shared] = rng.choice(DIGITS[1:])
    pair = f"{''.join(left)} to {''.join(right)}"
    return Example(
        f"{pair} is", " up." if left < right else " down.", f"{digits} digits, {shared} shared", shared, pair
    )


def _other_direction(example: Example, rng: random.Random) -> list[str]:
    return [" down." if example.answer == " up." else " up."]


def _parity(rng: random.Random) -> Example:
    length = rng.randint(*PARITY_BITS)
    bits = "".join(rng.choice("01") for _ in range(length))
    return Example(f"parity {bits} is", " odd" if bits.count("1") % 2 else " even", f"{length} bits", length, bits)


def _other_parity(example: Example, rng: random.Random) -> list[str]:
    return [" even" if example.answer == " odd" else " odd"]


SYMBOL_SKILLS = (
    Skill("recall", 0.12, 0.25, _recall, _other_values),
    Skill("brackets", 0.10, 0.25, _brackets, _wrong_closings),
    Skill("compare", 0.06, 0.5, _compare, _other_direction),
    Skill("sort", 0.07, 0.0, _sort),
    Skill("reverse", 0.08, 0.0, _reverse),
    Skill("addition", 0.25, 0.0, _addition),
    Skill("parity", 0.02, 0.5, _parity, _other_parity),
)
