"""Smooth, monotone curves from what can be forecast to the whole score, held at chance at one end and at one above."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from predictor.fitting import LawBatch, Prior, fit_law_batch, make_draws
from predictor.laws import Input, Law, Parameter
from predictor.laws.law import Array, Values

SCORE_FROM_ABILITY = Law(
    name="score_from_ability",
    title="score from ability, held at chance and at one",
    text="Acc = b + (1 - b) / (1 + exp(k·(L - L0)))",
    inputs=(Input("loss", "standard deviations", "ability as a loss, relative to the ladder's"),),
    output="score in [0, 1]",
    parameters=(
        Parameter("b", "score of no ability, near chance", 0, 1, (0.0, 0.5)),
        Parameter("k", "steepness", 0.05, 20, (0.4, 1.6), "log"),
        Parameter("L0", "ability at half of the gain", -40, 8, (-4.0, 0.0)),
    ),
    formula=lambda x, p: p["b"] + (1 - p["b"]) / (1 + np.exp(np.clip(p["k"] * (x["loss"] - p["L0"]), -60, 60))),
    source="a sigmoid as in Bhagia et al. 2024, arXiv 2412.04403, without their free ceiling",
    gives="score",
)

SUBSET_TO_FULL = Law(
    name="subset_to_full",
    title="score of the whole benchmark from that of a subset, held at chance and at one, with items that emerge late",
    text="full = c + (1 - c)·(g·(1 - (1 - x^a)^b) + (1 - g)·x^m), x the subset's score above chance as a share",
    inputs=(
        Input("subset", "share", "the subset's score above chance, as a share of what is above chance"),
        Input("chance", "share", "score c of random guessing"),
    ),
    output="score in [0, 1]",
    parameters=(
        Parameter("a", "bend near chance", 0.1, 10, (0.6, 1.6), "log"),
        Parameter("b", "bend near one", 0.1, 10, (0.6, 1.6), "log"),
        Parameter("g", "what the benchmark tends to without the items that emerge late", 0.05, 1, (0.6, 1.0)),
        Parameter("m", "how late they emerge", 1, 1000, (3.0, 100.0), "log"),
    ),
    formula=lambda x, p: _pinned(x, p),
    source="distribution function of Kumaraswamy 1980, Journal of Hydrology 46:79, and a power for the late items",
    gives="score",
)
# Priors on ln a, ln b, g and ln m. The ladder does not show items that are at chance all along it: the prior on g says
# how many there may be, that on m that they may emerge just beyond the ladder or never.
_PRIOR_MEAN = np.array([0.0, 0.0, 0.9, np.log(8.0)])
_PRIOR_SD = np.array([0.7, 0.7, 0.25, 1.2])
ENDS = ("lower", "upper")


def _pinned(x: Values, p: Values) -> Array:
    inside = np.log(np.clip(x["subset"], 1e-9, 1 - 1e-9))
    early = 1 - np.exp(p["b"] * np.log1p(-np.exp(p["a"] * inside)))
    risen = p["g"] * early + (1 - p["g"]) * np.exp(p["m"] * inside)
    return np.asarray(x["chance"] + (1 - x["chance"]) * risen)


@dataclass(frozen=True)
class SubsetMap:
    """A fitted map from the subset's score to the whole one's.

    Attributes:
        law: its fit, with resamples.
        subset_chance: what guessing scores on the subset.
        chance: what guessing scores on the whole.
    """

    law: LawBatch
    subset_chance: float
    chance: float

    def predict(self, subset: Array) -> Array:
        """Map subset scores, shape (1 + R,) or a single one, to whole scores, shape (1 + R,)."""
        share = (np.asarray(subset, float) - self.subset_chance) / (1 - self.subset_chance)
        return self.law.predict({"subset": np.clip(share, 0.0, 1.0), "chance": np.array(self.chance)})[0]


def fit_subset_map(
    subset: Array,
    full: Array,
    *,
    subset_chance: float = 0.0,
    chance: float = 0.0,
    anchors: tuple[Array, Array] | None = None,
    resamples: int = 0,
    seed: int = 0,
) -> SubsetMap:
    """Fit the map on the ladder's models and on anchors.

    Args:
        subset: scores on the subset, shape (M,).
        full: scores on the whole benchmark.
        subset_chance: what guessing scores on the subset.
        chance: what guessing scores on the whole.
        anchors: subset and whole scores of any other models, as much stronger ones of another family.
        resamples: Bayesian bootstrap copies over the models, for the map's uncertainty.
        seed: of the resamples.
    """
    x, y = (np.asarray(one, float) for one in (subset, full))
    if anchors is not None:
        x, y = np.concatenate([x, anchors[0]]), np.concatenate([y, anchors[1]])
    share = np.clip((x - subset_chance) / (1 - subset_chance), 0.0, 1.0)
    bounds = SUBSET_TO_FULL.inside(np.array([[getattr(p, end) for p in SUBSET_TO_FULL.parameters] for end in ENDS]))
    law = fit_law_batch(
        SUBSET_TO_FULL,
        {"subset": share[None, :], "chance": np.full((1, x.size), chance)},
        y[None, :],
        np.full((1, x.size), 0.01),
        _PRIOR_MEAN + np.array([[[0, 0, 0, 0], [0.5, 0.5, -0.2, 0], [-0.5, -0.5, -0.4, 0.0]]]),
        Prior(_PRIOR_MEAN[None], _PRIOR_SD[None], bounds[:1], bounds[1:]),
        make_draws(np.arange(x.size), ["map"], resamples, seed, "subset to full"),
    )
    return SubsetMap(law, subset_chance, chance)
