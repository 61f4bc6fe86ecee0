"""What shape a curve over scale has: rising, flat, falling, U, inverted U."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from predictor.errors import InputError
from predictor.laws.inputs import FLOPS
from predictor.laws.law import Law, Parameter

Shape = Literal["rising", "flat", "falling", "u", "inverted_u"]

# An arm of a U counts where it is this many standard deviations of its own height, a slope likewise.
_SIGNIFICANT = 2.5
# Share of a curve's variance that a rising curve has to explain.
_EXPLAINED = 0.6
# Share of it from which it matters that scores go up and down by turns.
_SLIGHT = 0.1


@dataclass(frozen=True)
class ScalingShape:
    """The shape of one curve.

    Attributes:
        shape: its name.
        slope: mean change per tenfold input.
        turning_point: input at which a U turns; None for other shapes.
    """

    shape: Shape
    slope: float
    turning_point: float | None


def scaling_shape(scale: ArrayLike, values: ArrayLike, sd: float | None = None) -> ScalingShape:
    """Tell the shape of a curve over scale.

    A parabola and a line are fitted over log10 of the scale. It is a U, or an inverted one, where the parabola turns
    inside the data and both of its arms are higher than chance would make them; else the slope decides.

    Args:
        scale: size, data or compute, positive, shape (observations,).
        values: scores or losses, the same shape.
        sd: their standard deviation; from the residuals of the parabola where None.

    Raises:
        InputError: fewer than four distinct scales, or values that are not finite.

    Source:
        McKenzie et al. 2023, arXiv 2306.09479, names these shapes.
    """
    x, y = np.log10(np.asarray(scale, float)), np.asarray(values, float)
    if x.shape != y.shape or np.unique(x).size < 4 or not (np.isfinite(x).all() and np.isfinite(y).all()):
        raise InputError("a shape needs finite values at four scales or more", "score more models")
    middle = float(x.mean())
    square, line = np.vander(x - middle, 3), np.vander(x - middle, 2)
    curved = np.linalg.lstsq(square, y, rcond=None)[0]
    straight = np.linalg.lstsq(line, y, rcond=None)[0]
    if sd is None:
        sd = float(np.sqrt(np.sum((square @ curved - y) ** 2) / max(y.size - 3, 1)))
    # Rounding alone must not make a constant curve rise.
    noise = max(sd, 1e-12 * float(np.max(np.abs(y), initial=0.0)), 1e-300)
    slope = float(straight[0])
    turn = -curved[1] / (2 * curved[0]) if curved[0] else np.inf
    ends = np.array([x.min(), x.max()]) - middle
    if ends[0] < turn < ends[1]:
        # An arm is the difference of two fitted values: its variance is that of their contrast.
        contrast = np.vander(ends, 3) - np.vander([turn], 3)
        height = contrast @ curved
        error = noise * np.sqrt(np.einsum("ij,jk,ik->i", contrast, np.linalg.inv(square.T @ square), contrast))
        if (np.abs(height) > _SIGNIFICANT * error).all():
            return ScalingShape("u" if curved[0] > 0 else "inverted_u", slope, float(10 ** (turn + middle)))
    error_of_slope = noise / np.sqrt(np.sum((x - middle) ** 2))
    if abs(slope) <= _SIGNIFICANT * error_of_slope:
        return ScalingShape("flat", slope, None)
    return ScalingShape("rising" if slope > 0 else "falling", slope, None)


def is_misaligned(tokens: ArrayLike, scores: ArrayLike, sd: float | None = None) -> bool:
    """Return whether more pretraining data fails to help, which says that its kind does not suit the task.

    It fails to help where scores fall, turn, stay level within their noise, or go up and down by more than noise about
    every rising curve. Where this is so, `log_law_bleu` does not apply, even if the loss keeps falling as a power law.

    Args:
        tokens: pretraining tokens, shape (observations,).
        scores: scores after finetuning, the same shape.
        sd: their standard deviation. Where None it is read from the scatter, and a curve goes up and down if no rising
            one explains 60% of its variance.

    Source:
        Isik et al. 2024, arXiv 2402.04177.
    """
    if scaling_shape(tokens, scores, sd).shape != "rising":
        return True
    from scipy.optimize import isotonic_regression
    from scipy.special import chdtri

    order = np.argsort(np.asarray(tokens, float), kind="stable")
    x, y = np.log(np.asarray(tokens, float)[order]), np.asarray(scores, float)[order]
    rest = float(np.sum((y - isotonic_regression(y).x) ** 2))
    if sd is None:
        share = rest / float(np.sum((y - y.mean()) ** 2))
        return share > 1 - _EXPLAINED or (share > _SLIGHT and _alternates(y - np.polyval(np.polyfit(x, y, 1), x)))
    # About the best rising curve independent errors scatter no wider than about the true one.
    return rest > sd**2 * float(chdtri(y.size, 0.01))


def _alternates(residuals: NDArray[np.float64]) -> bool:
    """Return whether residuals change sides more than independent ones would in 99 of 100 cases, by their mean square
    successive difference (von Neumann 1941, Ann. Math. Stat. 12:367)."""
    count = residuals.size
    ratio = float(np.sum(np.diff(residuals) ** 2) / np.sum(residuals**2))
    return ratio > 2 + 2.326 * 2 * np.sqrt((count - 2) / (count**2 - 1))


LAWS = (
    Law(
        name="scaling_shape",
        title="a parabola over the logarithm of compute: the shape of a curve",
        text="y = c0 + c1·z + c2·z², z = log10(C/1e20)",
        inputs=(FLOPS,),
        output="score or loss, in its own unit",
        parameters=(
            Parameter("c0", "value at 1e20 FLOPs", -100, 100, (0.0, 1.0), linear=True),
            Parameter("c1", "slope there, per tenfold compute", -100, 100, (-0.2, 0.2), linear=True),
            Parameter("c2", "bend: positive for a U", -100, 100, (-0.05, 0.05), linear=True),
        ),
        formula=lambda x, p: p["c0"] + np.log10(x["flops"] / 1e20) * (p["c1"] + p["c2"] * np.log10(x["flops"] / 1e20)),
        source="shapes of McKenzie et al. 2023, arXiv 2306.09479; crossovers of Xiao 2024, arXiv 2409.15156",
        gives="other",
    ),
)
