"""Items drawn from a known response model."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from predictor.difficulty import ItemTable

CHANCE = 0.25


def ability(params: np.ndarray, tokens: np.ndarray) -> np.ndarray:
    """Ability of the drawn models: one more for each e-fold of size, half of that for data."""
    return 1.0 * np.log(params / 1e8) + 0.5 * np.log(tokens / 1e10)


@pytest.fixture(scope="session")
def draw_items() -> Callable[..., ItemTable]:
    """Make an item table whose answers follow a logistic response with the given difficulties."""

    def draw(
        difficulty: np.ndarray,
        sizes: tuple[float, ...] = (2e7, 5e7, 1e8, 2e8, 4e8, 8e8, 1.6e9),
        per_run: int = 1,
        noise: float = 0.0,
        seed: int = 0,
    ) -> ItemTable:
        generator = np.random.default_rng(seed)
        params = np.repeat(sizes, per_run).astype(float)
        tokens = np.tile(1e10 * np.linspace(1.0, 2.0, per_run), len(sizes))
        run = np.repeat([f"run-{size:.0e}" for size in sizes], per_run)
        theta = ability(params, tokens)
        chance = CHANCE + (1 - CHANCE) / (1 + np.exp(-(theta[:, None] - difficulty)))
        probability = np.clip(chance + noise * generator.standard_normal(chance.shape), 1e-3, 1 - 1e-3)
        correct = (generator.random(chance.shape) < chance).astype(float)
        count = difficulty.size
        score = correct.mean(axis=1)
        return ItemTable(
            task="drawn",
            chance=CHANCE,
            run=run,
            params=params,
            tokens=tokens,
            final=np.ones(run.size, dtype=bool),
            item=np.arange(count),
            measures={"probability": probability, "correct": correct},
            score=score,
            score_stderr=np.sqrt(score * (1 - score) / count),
            subtask=np.full(count, ""),
        )

    return draw
