"""Skills of language and of knowledge: agreement, attraction, facts, past tenses."""

from __future__ import annotations

import random
from functools import cache
from itertools import accumulate

from predictor.ladder.skills import Example, Skill

# fmt: off
NOUNS = (
    "dog", "cat", "bird", "cow", "pig", "hen", "fox", "bear", "wolf", "duck", "frog", "goat", "boy", "girl", "king",
    "queen", "nurse", "pilot", "clerk", "judge", "baker", "farmer", "driver", "singer", "dancer", "doctor", "lawyer",
    "sailor", "hunter", "painter", "miner", "tailor", "cook", "guard", "actor", "poet", "rider", "monk", "clown"
)
VERBS = (
    "run", "walk", "sing", "jump", "sleep", "talk", "eat", "swim", "climb", "laugh", "work", "play", "read", "write",
    "drink", "smile", "shout", "wait", "listen", "dream", "dig", "hide", "hum", "nod", "rest", "sit", "stand",
    "speak", "travel", "wander", "bark", "bend", "grin", "jog", "lean", "melt", "sneeze", "spin", "yawn", "row"
)
# fmt: on
LINKS = ("near", "behind", "with", "above")
CITIES = ("oslo", "rome", "lima", "cairo", "paris", "tokyo", "delhi", "quito")
FACTS = 800
IRREGULAR_VERBS = 100
IRREGULAR_SHARE = 0.4
SUBJECTS = ("i", "we", "they")
CONSONANTS = "bdfgklmnprstvz"
VOWELS = "aeiou"
# A lexicon is part of the language and not of a run, so its seed is a constant.
LEXICON_SEED = 20


def _noun(rng: random.Random, plural: bool) -> str:
    return rng.choice(NOUNS) + ("s" if plural else "")


def _conjugated(verb: str, plural: bool) -> str:
    return f" {verb}." if plural else f" {verb}s."


def _agreement(rng: random.Random) -> Example:
    noun, verb, plural = rng.choice(NOUNS), rng.choice(VERBS), rng.random() < 0.5
    prompt = f"the {noun}s" if plural else f"the {noun}"
    return Example(prompt, _conjugated(verb, plural), "plural" if plural else "singular", 0, f"{noun} {verb}")


def _attraction(rng: random.Random) -> Example:
    noun, verb, plural = rng.choice(NOUNS), rng.choice(VERBS), rng.random() < 0.5
    attractors = [rng.random() < 0.5 for _ in range(rng.choice((1, 1, 2)))]
    phrases = [f"{rng.choice(LINKS)} the {_noun(rng, other)}" for other in attractors]
    prompt = " ".join([f"the {noun}s" if plural else f"the {noun}", *phrases])
    against = sum(other != plural for other in attractors)
    kind = f"{len(attractors)} between, {against} of the other number"
    return Example(prompt, _conjugated(verb, plural), kind, 2 * against + len(attractors) - 1, f"{noun} {verb}")


def _other_number(example: Example, rng: random.Random) -> list[str]:
    verb = example.answer.strip(" .")
    return [f" {verb[:-1]}." if verb.endswith("s") else f" {verb}s."]


def _syllables(rng: random.Random, pattern: str) -> str:
    return "".join(rng.choice(CONSONANTS if letter == "c" else VOWELS) for letter in pattern)


def _distinct(rng: random.Random, pattern: str, count: int) -> list[str]:
    words: dict[str, None] = {}
    while len(words) < count:
        words[_syllables(rng, pattern)] = None
    return list(words)


@cache
def facts() -> tuple[Example, ...]:
    """Every fact, the most frequent first; the rank (from 1) is its difficulty."""
    rng = random.Random(LEXICON_SEED)
    names = _distinct(rng, "cvcvc", FACTS)
    return tuple(
        Example(f"{name} is in", f" {rng.choice(CITIES)}.", _band(rank, FACTS), rank, name)
        for rank, name in enumerate(names, start=1)
    )


@cache
def irregular_verbs() -> tuple[tuple[str, str], ...]:
    """Pairs of stem and past, the most frequent first."""
    rng = random.Random(LEXICON_SEED + 1)
    stems = _distinct(rng, "cvcc", IRREGULAR_VERBS)
    # The vowel changes and the ending is as long as the regular one, so that no choice is favoured by its length.
    return tuple((s, s[0] + rng.choice(VOWELS.replace(s[1], "")) + s[2:] + "en") for s in stems)


@cache
def _irregular_stems() -> frozenset[str]:
    return frozenset(stem for stem, _ in irregular_verbs())


@cache
def zipf_cumulative(count: int) -> tuple[float, ...]:
    """Cumulative Zipf weights: rank r is drawn in proportion to 1/r."""
    return tuple(accumulate(1 / rank for rank in range(1, count + 1)))


def _band(rank: int, count: int) -> str:
    bands = ("very frequent", "frequent", "rare", "very rare")
    return bands[(rank - 1) * len(bands) // count]


def _fact(rng: random.Random) -> Example:
    return rng.choices(facts(), cum_weights=zipf_cumulative(FACTS))[0]


def _other_cities(example: Example, rng: random.Random) -> list[str]:
    return [f" {city}." for city in rng.sample([c for c in CITIES if c != example.answer.strip(" .")], 3)]


def _tense(subject: str, stem: str, past: str, rank: int) -> Example:
    return Example(f"now {subject} {stem}, then {subject}", f" {past}.", _band(rank, IRREGULAR_VERBS), rank, stem)


def _past(rng: random.Random) -> Example:
    if rng.random() < IRREGULAR_SHARE:
        rank = rng.choices(range(IRREGULAR_VERBS), cum_weights=zipf_cumulative(IRREGULAR_VERBS))[0]
        return _tense(rng.choice(SUBJECTS), *irregular_verbs()[rank], rank + 1)
    # Regular verbs are an open class: a fresh stem almost every time, so only the rule can be learnt.
    stem = _syllables(rng, "cvcc")
    while stem in _irregular_stems():
        stem = _syllables(rng, "cvcc")
    return _tense(rng.choice(SUBJECTS), stem, f"{stem}ed", 1)


def _irregular_tenses() -> list[Example]:
    return [
        _tense(subject, stem, past, rank)
        for rank, (stem, past) in enumerate(irregular_verbs(), start=1)
        for subject in SUBJECTS
    ]


def _regularised(example: Example, rng: random.Random) -> list[str]:
    return [f" {example.key}ed."]


LANGUAGE_SKILLS = (
    Skill("agreement", 0.07, 0.5, _agreement, _other_number),
    Skill("attraction", 0.07, 0.5, _attraction, _other_number),
    Skill("facts", 0.17, 0.25, _fact, _other_cities, lambda: list(facts())),
    Skill("past", 0.10, 0.5, _past, _regularised, _irregular_tenses),
)
