"""Item response: each item's difficulty and discrimination, each checkpoint's ability, ability as a law of N and D.

A checkpoint of ability theta answers item k as it should with chance g + (1 - g)/(1 + exp(-a_k·(theta - b_k))).
Answers are right or wrong, pass rates, or probabilities of the right choice; the latter are fitted by the same
cross-entropy, the Bernoulli likelihood of a share, or by a Beta likelihood with one precision. Ability is centred on
theta0 + k_N·ln N + k_D·ln D, which shares strength between checkpoints and forecasts the next one
(Truong et al. 2026, arXiv 2606.07616).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from predictor.fitting.units import geometric_mean

if TYPE_CHECKING:
    import torch

Array = NDArray[np.float64]
Likelihood = Literal["bernoulli", "beta"]

STEPS = 400
RATE = 0.05
# Cells (checkpoints x items) in one step; more are visited in turn.
BATCH = 1_000_000
# Standard deviations of the priors: of ln a around 0, of b, and of a checkpoint's ability around the law.
_SD_DISCRIMINATION = 0.5
_SD_DIFFICULTY = 2.0
_SD_ABILITY = 0.5


@dataclass(frozen=True)
class ItemResponse:
    """A fitted model of M checkpoints and K items.

    Attributes:
        difficulty: b, shape (K,).
        discrimination: a, positive, shape (K,).
        ability: theta of each checkpoint, shape (M,).
        ability_error: its standard error from the items' information, shape (M,).
        law: theta0, k_N, k_D; N and D in units of their geometric means `params` and `tokens`.
        scatter: standard deviation of the abilities around the law.
        guess: g.
        params: unit of N.
        tokens: unit of D.
    """

    difficulty: Array
    discrimination: Array
    ability: Array
    ability_error: Array
    law: tuple[float, float, float]
    scatter: float
    guess: float
    params: float
    tokens: float

    def ability_at(self, params: float, tokens: float) -> float:
        """Forecast the ability of a model."""
        start, size, data = self.law
        return float(start + size * np.log(params / self.params) + data * np.log(tokens / self.tokens))

    def chances(self, ability: float | Array) -> Array:
        """Give the chance of a right answer, shape (…, K), at abilities of shape (…)."""
        distance = self.discrimination * (np.asarray(ability, float)[..., None] - self.difficulty)
        return np.asarray(self.guess + (1 - self.guess) * 0.5 * (1 + np.tanh(distance / 2)))

    def expected_score(self, ability: float | Array) -> Array:
        """Give the whole test's expected score at any ability."""
        return np.asarray(self.chances(ability).mean(axis=-1))

    def information(self, ability: float) -> Array:
        """Give each item's Fisher information on ability there, shape (K,)."""
        chance = np.clip(self.chances(ability), 1e-9, 1 - 1e-9)
        rise = self.discrimination * (chance - self.guess) * (1 - chance) / (1 - self.guess)
        return np.asarray(rise**2 / (chance * (1 - chance)))

    def short_test(self, ability: float, size: int) -> tuple[NDArray[np.intp], float]:
        """Choose the items that say most of a checkpoint of about that ability, and the standard error it then has.

        Returns:
            numbers of the items, ascending; the standard error of the ability estimated from them.
        """
        information = self.information(ability)
        chosen = np.sort(np.argsort(-information, kind="stable")[:size])
        return chosen, float(1 / np.sqrt(max(information[chosen].sum(), 1e-12)))

    def estimate(self, items: NDArray[np.intp], answers: Array) -> tuple[float, float, float, float]:
        """Estimate a checkpoint from its answers to some items.

        Args:
            items: their numbers, shape (S,).
            answers: in [0, 1], shape (S,).

        Returns:
            ability and its standard error; the whole test's expected score and its standard error.
        """
        low, high = float(self.difficulty.min()) - 6, float(self.difficulty.max()) + 6
        grid = np.linspace(low, high, 801)
        chance = np.clip(self.chances(grid)[:, items], 1e-6, 1 - 1e-6)
        fit = answers * np.log(chance) + (1 - answers) * np.log(1 - chance)
        middle, spread = float(self.ability.mean()), 3 * max(float(self.ability.std()), 1.0)
        log = fit.sum(axis=1) - 0.5 * ((grid - middle) / spread) ** 2
        weight = np.exp(log - log.max())
        weight /= weight.sum()
        score = self.expected_score(grid)
        ability, expected = float(weight @ grid), float(weight @ score)
        return (
            ability,
            float(np.sqrt(weight @ (grid - ability) ** 2)),
            expected,
            float(np.sqrt(weight @ (score - expected) ** 2)),
        )


def fit_item_response(
    answers: Array,
    params: Array,
    tokens: Array,
    *,
    guess: float = 0.0,
    likelihood: Likelihood = "bernoulli",
    steps: int = STEPS,
    seed: int = 0,
) -> ItemResponse:
    """Fit abilities, items and the law together by their posterior mode.

    Args:
        answers: right or wrong, pass rates or probabilities in [0, 1], shape (M, K); NaN where missing.
        params: N, shape (M,).
        tokens: D, shape (M,).
        guess: chance of a right answer without any ability.
        likelihood: `bernoulli`, or `beta` for probabilities.
        steps: of Adam, each over a batch of checkpoints.
        seed: of the order of the batches.
    """
    import torch

    generator = torch.Generator().manual_seed(seed)
    seen = torch.tensor(np.isfinite(answers))
    target = torch.tensor(np.where(np.isfinite(answers), answers, 0.5), dtype=torch.float32).clamp(0.0, 1.0)
    if likelihood == "beta":
        target = target.clamp(1e-3, 1 - 1e-3)
    units = geometric_mean(params), geometric_mean(tokens)
    place = torch.tensor(np.stack([np.log(params / units[0]), np.log(tokens / units[1])], axis=1), dtype=torch.float32)
    share = ((target * seen).sum(0) / seen.sum(0).clamp(min=1) - guess) / (1 - guess)
    difficulty = -torch.logit(share.clamp(0.02, 0.98))
    ability = torch.zeros(target.shape[0])
    pieces = {
        "difficulty": difficulty.clone(),
        "sharpness": torch.zeros(target.shape[1]),
        "ability": ability,
        "law": torch.tensor([0.0, 0.1, 0.1]),
        "precision": torch.tensor(1.0),
    }
    for piece in pieces.values():
        piece.requires_grad_()
    optimizer = torch.optim.Adam(pieces.values(), lr=RATE)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    rows = max(1, BATCH // max(target.shape[1], 1))
    for _ in range(steps):
        batch = torch.randperm(target.shape[0], generator=generator)[:rows]
        optimizer.zero_grad()
        loss = _posterior(pieces, target, seen, place, batch, guess, likelihood)
        loss.backward()
        optimizer.step()
        schedule.step()
    found = {name: piece.detach().double().numpy() for name, piece in pieces.items()}
    # Abilities have no unit of their own: they are given mean zero and the law's scatter follows from them.
    model = ItemResponse(
        difficulty=found["difficulty"],
        discrimination=np.exp(found["sharpness"]),
        ability=found["ability"],
        ability_error=np.zeros_like(found["ability"]),
        law=(float(found["law"][0]), float(found["law"][1]), float(found["law"][2])),
        scatter=0.0,
        guess=guess,
        params=units[0],
        tokens=units[1],
    )
    law = np.array([model.ability_at(n, d) for n, d in zip(params, tokens, strict=True)])
    error = np.array([1 / np.sqrt(max(float(model.information(one).sum()), 1e-12)) for one in model.ability])
    return ItemResponse(
        **{
            **model.__dict__,
            "ability_error": error,
            "scatter": float(np.sqrt(np.mean((model.ability - law) ** 2))),
        }
    )


def _posterior(
    pieces: dict[str, torch.Tensor],
    target: torch.Tensor,
    seen: torch.Tensor,
    place: torch.Tensor,
    batch: torch.Tensor,
    guess: float,
    likelihood: Likelihood,
) -> torch.Tensor:
    """Give minus the log-posterior, estimated from a batch of checkpoints."""
    import torch

    ability = pieces["ability"][batch]
    sharp = pieces["sharpness"]
    distance = torch.exp(sharp) * (ability[:, None] - pieces["difficulty"])
    chance = (guess + (1 - guess) * torch.sigmoid(distance)).clamp(1e-6, 1 - 1e-6)
    answers, mask = target[batch], seen[batch]
    if likelihood == "beta":
        precision = torch.exp(pieces["precision"])
        fit = -torch.distributions.Beta(chance * precision, (1 - chance) * precision).log_prob(answers)
    else:
        fit = -(answers * torch.log(chance) + (1 - answers) * torch.log1p(-chance))
    scale = target.shape[0] / batch.shape[0]
    law = pieces["law"][0] + place @ pieces["law"][1:]
    prior = (
        0.5 * (sharp / _SD_DISCRIMINATION).square().sum()
        + 0.5 * (pieces["difficulty"] / _SD_DIFFICULTY).square().sum()
        + 0.5 * ((pieces["ability"] - law) / _SD_ABILITY).square().sum()
        # Pins the origin of the scale, which items and abilities could shift together.
        + 0.5 * pieces["law"][0].square() / 1e-2
        + 0.5 * pieces["law"].square().sum()
    )
    return scale * (fit * mask).sum() + prior
