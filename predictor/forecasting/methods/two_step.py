"""Two steps: a loss from size and data, then the score from that loss (Bhagia et al. 2024, arXiv 2412.04403).

The loss is the task's own (of its right answers) or one of held-out text.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from predictor.fitting import LawBatch, Prior, fit_law_batch, make_draws
from predictor.fitting.units import geometric_mean
from predictor.forecasting.methods.method import Array, Resampling, distinct_runs, effective_floor
from predictor.forecasting.panel import Panel
from predictor.laws import get_law

LOSS_LAW = get_law("chinchilla")
LINK = get_law("accuracy_from_loss")

# Standard deviation of a loss's logarithm that is always allowed for: repeated runs differ by about as much.
_LOSS_ERROR = 0.003
_LINK_STARTS = tuple(itertools.product((0.7, 2.0), (0.3, -1.5)))


@dataclass(frozen=True)
class LossLaws:
    """Laws of several losses in (N, D), relative to the middle of the observed sizes and tokens."""

    law: LawBatch
    params: float
    tokens: float

    def only(self, row: int) -> LossLaws:
        """Keep one of the losses."""
        law = replace(self.law, coordinates=self.law.coordinates[[row]], misfit=self.law.misfit[[row]])
        return replace(self, law=law)

    def predict(self, params: float, tokens: float) -> Array:
        """Predict the losses, shape (losses, 1 + R)."""
        return self.law.predict({"params": np.array(params / self.params), "tokens": np.array(tokens / self.tokens)})


def fit_losses(panel: Panel, losses: Array, names: list[str], resampling: Resampling) -> LossLaws:
    """Fit L = E + A·N^-alpha + B·D^-beta to several losses, shape (losses, M).

    Exponents lean on priors around 0.3, so that a ladder of one size or of one token count still has a solution; what
    it leaves open shows in the spread of the resamples.
    """
    params, tokens = (geometric_mean(values) for values in (panel.params, panel.tokens))
    lowest, middle = np.nanmin(losses, axis=1), np.nanmedian(losses, axis=1)
    ones = np.ones_like(lowest)
    term = np.log(0.15 * middle)
    mean = np.stack([np.log(0.6 * lowest), term, np.log(0.3) * ones, term, np.log(0.3) * ones], axis=1)
    sd = np.tile([0.5, 1.0, 0.4, 1.0, 0.4], (lowest.size, 1))
    lower = np.stack([np.log(1e-3 * lowest), *([np.log(1e-4 * middle), np.log(0.02) * ones] * 2)], axis=1)
    upper = np.stack([np.log(lowest), *([np.log(10 * middle), np.log(2.0) * ones] * 2)], axis=1)
    starts = []
    for share, exponent in itertools.product((0.5, 0.8), (0.2, 0.4)):
        rest = np.log((middle - share * lowest) / 2)
        exponents = np.log(exponent) * ones
        starts.append(np.stack([np.log(share * lowest), rest, exponents, rest, exponents], axis=1))
    shape = losses.shape
    law = fit_law_batch(
        LOSS_LAW,
        {
            "params": np.broadcast_to(panel.params / params, shape),
            "tokens": np.broadcast_to(panel.tokens / tokens, shape),
        },
        losses,
        np.full(shape, _LOSS_ERROR),
        np.stack(starts, axis=1),
        Prior(mean, sd, lower, upper),
        make_draws(panel.run, names, resampling.resamples, resampling.seed, "loss"),
    )
    return LossLaws(law, params, tokens)


@dataclass(frozen=True)
class Links:
    """Maps from a loss to each series' score; the loss is measured from `centre` in units of `scale`."""

    law: LawBatch
    centre: Array
    scale: Array

    def predict(self, loss: Array) -> Array:
        """Map losses, shape (T, 1 + R), to scores."""
        return self.law.predict({"loss": (loss - self.centre[:, None]) / self.scale[:, None]})


def fit_links(panel: Panel, loss: Array, resampling: Resampling, purpose: str) -> Links:
    """Fit Acc = b + a / (1 + exp(k·(L - L0))) to each series over its loss, shape (T, M)."""
    seen = np.isfinite(loss) & np.isfinite(panel.score)
    centre = np.mean(loss, axis=1, where=seen)
    scale = np.maximum(np.std(loss, axis=1, where=seen), 1e-3)
    floor = effective_floor(panel)
    known = np.array([one.chance is not None for one in panel.series])
    ones = np.ones_like(floor)
    gain = 0.95 - floor
    # In units of the observed spread of losses: half of the gain lies somewhat beyond the best run seen.
    mean = np.stack([floor, gain, 0.0 * ones, -1.0 * ones], axis=1)
    sd = np.stack([np.where(known, 0.02, 0.1), 0.12 * ones, 0.6 * ones, 2.0 * ones], axis=1)
    lower = np.stack([np.maximum(floor - 0.1, 0.0), 0.02 * ones, np.log(0.05) * ones, -15 * ones], axis=1)
    upper = np.stack([np.minimum(floor + 0.1, 1.0), 1.0 - floor, np.log(20.0) * ones, 8 * ones], axis=1)
    starts = np.stack(
        [np.stack([floor, gain, np.log(k) * ones, middle * ones], axis=1) for k, middle in _LINK_STARTS], axis=1
    )
    law = fit_law_batch(
        LINK,
        {"loss": np.where(seen, (loss - centre[:, None]) / scale[:, None], np.nan)},
        panel.score,
        np.sqrt(panel.stderr**2 + 0.002**2),
        np.clip(starts, lower[:, None, :], upper[:, None, :]),
        Prior(mean, sd, lower, upper),
        make_draws(panel.run, [one.label for one in panel.series], resampling.resamples, resampling.seed, purpose),
    )
    return Links(law, centre, scale)


@dataclass(frozen=True)
class FittedTwoStep:
    """Loss laws and links; `which` gives each series' row among the loss laws."""

    losses: LossLaws
    links: Links
    which: NDArray[np.intp]

    def predict(self, params: float, tokens: float) -> Array:
        """Chain the two laws, shape (T, 1 + R)."""
        return np.clip(self.links.predict(self.losses.predict(params, tokens)[self.which]), 0.0, 1.0)


def _too_few(panel: Panel, losses: Array, what: str) -> dict[int, str]:
    runs = distinct_runs(panel, np.where(np.isfinite(losses), panel.score, np.nan))
    return {
        int(i): f"no {what} was scored"
        if runs[i] == 0
        else f"only {runs[i]} runs have a score and a {what}, 3 are needed"
        for i in np.flatnonzero(runs < 3)
    }


@dataclass(frozen=True)
class TwoStepTaskLoss:
    """Through the loss of the task's own right answers."""

    name: str = "two_step"
    title: str = "score through the loss of the task's right answers"

    def refuse(self, panel: Panel) -> dict[int, str]:
        """Refuse series without such a loss on three runs."""
        return _too_few(panel, panel.task_loss, "loss of the right answers")

    def fit(self, panel: Panel, resampling: Resampling) -> FittedTwoStep:
        """Fit loss laws and links of all series together."""
        losses = fit_losses(panel, panel.task_loss, [one.label for one in panel.series], resampling)
        links = fit_links(panel, panel.task_loss, resampling, self.name)
        return FittedTwoStep(losses, links, np.arange(len(panel.series)))


@dataclass(frozen=True)
class TwoStepHeldoutLoss:
    """Through the held-out loss that a law describes best."""

    name: str = "two_step_heldout"
    title: str = "score through a held-out loss"

    def refuse(self, panel: Panel) -> dict[int, str]:
        """Refuse series without a held-out loss on three runs."""
        rows = most_complete(panel)
        loss = panel.heldout_loss[rows[0]] if rows.size else np.full(panel.params.shape, np.nan)
        return _too_few(panel, np.broadcast_to(loss, panel.score.shape), "held-out loss")

    def fit(self, panel: Panel, resampling: Resampling) -> FittedTwoStep:
        """Fit the laws of the complete held-out losses, choose the one that misfits least, link all series to it."""
        chosen, losses = fit_best_heldout(panel, resampling)
        loss = np.broadcast_to(panel.heldout_loss[chosen], panel.score.shape)
        links = fit_links(panel, loss, resampling, self.name)
        return FittedTwoStep(losses, links, np.zeros(len(panel.series), dtype=np.intp))


def most_complete(panel: Panel) -> NDArray[np.intp]:
    """Number the held-out losses that were scored on the most checkpoints."""
    scored = np.isfinite(panel.heldout_loss).sum(axis=1)
    return np.flatnonzero((scored == scored.max(initial=0)) & (scored > 0))


def fit_best_heldout(panel: Panel, resampling: Resampling) -> tuple[int, LossLaws]:
    """Fit the laws of the complete held-out losses; give the number of the one that misfits least, and its law."""
    rows = most_complete(panel)
    point = fit_losses(panel, panel.heldout_loss[rows], [panel.heldout[i] for i in rows], Resampling(0, 0))
    best = int(np.argmin(point.law.misfit))
    chosen = int(rows[best])
    if not resampling.resamples:
        return chosen, point.only(best)
    return chosen, fit_losses(panel, panel.heldout_loss[[chosen]], [panel.heldout[chosen]], resampling)
