"""Choices of a task in other orders: those turned by one, two or three places."""

from typing import Any

import datasets


def as_letters(documents: datasets.Dataset, turn: int = 0) -> datasets.Dataset:
    """Keep documents with four choices, turned by some places; the right answer moves along.

    The number of kept documents and their order do not depend on the turn: variants are compared item by item.
    """

    def turned(document: dict[str, Any]) -> dict[str, Any]:
        texts, labels = document["choices"]["text"], document["choices"]["label"]
        right = labels.index(document["answerKey"])
        question = document["question"] if "question" in document else document["question_stem"]
        return {
            "asked": question,
            "options": [texts[(place + turn) % 4] for place in range(4)],
            "gold": (right - turn) % 4,
        }

    four = documents.filter(lambda document: len(document["choices"]["text"]) == 4)
    return four.map(turned, remove_columns=four.column_names)


def turned_1(documents: datasets.Dataset) -> datasets.Dataset:
    """Turn the choices by one place."""
    return as_letters(documents, 1)


def turned_2(documents: datasets.Dataset) -> datasets.Dataset:
    """Turn the choices by two places."""
    return as_letters(documents, 2)


def turned_3(documents: datasets.Dataset) -> datasets.Dataset:
    """Turn the choices by three places."""
    return as_letters(documents, 3)
