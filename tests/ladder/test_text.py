"""The generated text: reproducible, encodable, and never giving away an evaluation item."""

import random

import numpy as np
import pytest

from predictor.ladder import SKILLS, build_tokenizer, documents, token_rows
from predictor.ladder.language import FACTS
from predictor.ladder.sizes import CONTEXT
from predictor.ladder.tasks import HELD_OUT_TASK, held_out_text, items
from predictor.ladder.text import lines
from predictor.ladder.tokenizer import ALPHABET, EOS_ID, PAD_ID, UNKNOWN, VOCABULARY


@pytest.fixture(scope="module")
def trained() -> set[str]:
    """Lines of training text, without their newline."""
    source = lines(random.Random(0))
    return {next(source).rstrip("\n") for _ in range(60_000)}


def test_the_tokenizer_gives_back_every_text_over_its_alphabet():
    tokenizer = build_tokenizer(CONTEXT)
    rng = random.Random(0)
    for text in [*documents(1, 50, 400), "".join(rng.choices(ALPHABET, k=300)), " ,  . ?\n\n it 's", "\n"]:
        known = "".join(character for character in text if character in ALPHABET)
        identifiers = tokenizer(known)["input_ids"]
        assert len(identifiers) == len(known)
        assert tokenizer.decode(identifiers) == known


def test_a_character_outside_the_alphabet_becomes_unknown_and_is_not_lost():
    tokenizer = build_tokenizer(CONTEXT)
    assert tokenizer("aZb")["input_ids"] == [VOCABULARY["a"], VOCABULARY[UNKNOWN], VOCABULARY["b"]]


def test_training_rows_come_from_the_seed_alone():
    first = token_rows(3, 40, CONTEXT)
    assert first.shape == (40, CONTEXT)
    assert np.array_equal(first, token_rows(3, 40, CONTEXT))
    assert not np.array_equal(first, token_rows(4, 40, CONTEXT))


def test_more_rows_of_the_same_seed_begin_with_the_same_rows():
    # A shorter run sees the beginning of a longer one, so that token counts can be compared.
    assert np.array_equal(token_rows(0, 10, CONTEXT), token_rows(0, 30, CONTEXT)[:10])


def test_a_row_begins_at_a_line_and_about_half_of_them_after_the_end_of_a_text():
    tokenizer = build_tokenizer(CONTEXT)
    rows = token_rows(0, 400, CONTEXT)
    after_end = (rows[:, 0] == EOS_ID).mean()
    assert 0.4 < after_end < 0.6
    assert not (rows == PAD_ID).any()
    starts = {tokenizer.decode(row[row != EOS_ID][:24]).split("\n")[0][:3] for row in rows}
    # Lines begin with a lower-case letter, a digit or an opening bracket, never inside a word after a blank.
    assert all(start[0] not in " .:?=)]}>" for start in starts)


@pytest.mark.parametrize("skill", [s for s in SKILLS if s.catalogue is None], ids=lambda s: s.name)
def test_no_held_out_item_appears_in_training_text(skill, trained):
    if skill.name == "recall":
        # The lists of pairs are held out, whichever of their keys is asked.
        listed = {line.split(" ? ")[0] for line in trained if " ? " in line}
        assert len(listed) > 1000
        assert not {item["prompt"].split(" ? ")[0] for item in items(skill)} & listed
        return
    for item in items(skill):
        answer = item["answer"] if "answer" in item else item["choices"][item["gold"]]
        assert item["prompt"] + answer not in trained


@pytest.mark.parametrize("skill", [s for s in SKILLS if s.catalogue is None], ids=lambda s: s.name)
def test_the_split_holds_whatever_the_seed(skill):
    for seed in (11, 12):
        rng = random.Random(seed)
        assert not any(skill.is_held_out(skill.draw(rng)) for _ in range(300))
        assert all(skill.is_held_out(skill.draw(rng, held_out=True)) for _ in range(30))


def test_facts_and_irregular_verbs_are_in_the_training_text(trained):
    for skill in SKILLS:
        if skill.catalogue is not None:
            most_frequent = min(skill.catalogue(), key=lambda example: example.difficulty)
            assert most_frequent.line in trained


def test_frequent_facts_are_drawn_as_often_as_zipf_says():
    facts = next(skill for skill in SKILLS if skill.name == "facts")
    rng = random.Random(0)
    ranks = np.array([facts.sample(rng).difficulty for _ in range(20_000)])
    harmonic = sum(1 / rank for rank in range(1, FACTS + 1))
    for rank in (1, 2, 10):
        expected = 1 / rank / harmonic
        assert (ranks == rank).mean() == pytest.approx(expected, abs=5 * (expected / 20_000) ** 0.5)


def test_held_out_documents_are_no_training_documents():
    trained = "".join(documents(0, 3000, 400))
    texts = [item["text"] for item in held_out_text()]
    assert HELD_OUT_TASK == "tiny_heldout"
    assert not any(text in trained for text in texts)
