"""The difference of two sides on one benchmark: estimate, interval, and what could have been seen.

Where items were kept the difference is taken item by item: what makes an item hard for both sides drops out. Where only
scores are there, their standard errors are added as if the two had answered different questions.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from predictor.statistics.intervals import Mean, clustered_mean, quantile, satterthwaite, two_sided
from predictor.statistics.pairs import Pairs

Array = NDArray[np.float64]
POWER = 0.8
BETTER, WORSE, UNCLEAR = "better", "worse", "no difference seen"


@dataclass(frozen=True)
class Seeds:
    """The runs of one side: one recipe trained with S seeds.

    Attributes:
        means: score of each run.
        interaction: what the variance of their mean owes to runs that differ by item, which the variance over items
            has already.
    """

    means: tuple[float, ...]
    interaction: float = 0.0

    def variance(self) -> float | None:
        """Estimate the variance between runs that are trained again; None for one run, which says nothing of it."""
        if len(self.means) < 2:
            return None
        return max(float(np.var(self.means, ddof=1)) - len(self.means) * self.interaction, 0.0)


@dataclass(frozen=True)
class Estimate:
    """A difference with its variance, apart by where it comes from.

    Attributes:
        a: the runs of the first side.
        b: those of the second.
        items: variance that more items would reduce, with its degrees of freedom.
        shift: from the difference to the middle of its interval; other than zero where items are right or wrong.
    """

    a: Seeds
    b: Seeds
    items: tuple[float, float]
    shift: float = 0.0

    @property
    def value(self) -> float:
        """Second side less first."""
        return float(np.mean(self.b.means) - np.mean(self.a.means))

    @property
    def seeds(self) -> list[tuple[float, float]]:
        """Variance between seeds with its degrees of freedom; a side of one run is taken to vary like the other."""
        known = [(side.variance(), len(side.means)) for side in (self.a, self.b)]
        found = [(variance, count) for variance, count in known if variance is not None]
        if len(found) == 1:
            variance, count = found[0]
            return [(variance * (1 + 1 / count), count - 1.0)]
        return [(variance / count, count - 1.0) for variance, count in found]

    @property
    def variance(self) -> tuple[float, float]:
        """The whole variance and its degrees of freedom."""
        return satterthwaite([self.items, *self.seeds])

    @property
    def stderr(self) -> float:
        """Standard error of the difference."""
        return math.sqrt(self.variance[0])

    def interval(self, level: float) -> tuple[float, float]:
        """Compute the interval of the true difference at a level, as 0.95."""
        reach = quantile(0.5 + level / 2, self.variance[1]) * self.stderr
        middle = self.value + self.shift
        return middle - reach, middle + reach

    def p_value(self) -> float:
        """Compute the two-sided p-value of no difference; consistent with the interval."""
        variance, freedom = self.variance
        if math.isnan(variance):
            return math.nan
        middle = self.value + self.shift
        if variance == 0:
            return 1.0 if middle == 0 else 0.0
        return two_sided(middle / math.sqrt(variance), freedom)

    def detectable(self, level: float) -> float:
        """Compute the smallest true difference that is found with a probability of 80% at this level."""
        variance, freedom = self.variance
        return (quantile(0.5 + level / 2, freedom) + quantile(POWER, freedom)) * math.sqrt(variance)

    def items_for(self, difference: float, count: int, level: float) -> int | None:
        """Compute how many items find a difference with a probability of 80%; None where no number does.

        Args:
            difference: the true difference, in the measure's unit.
            count: how many items there are now.
            level: of the interval.
        """
        reach = quantile(0.5 + level / 2, math.inf) + quantile(POWER, math.inf)
        left = (difference / reach) ** 2 - sum(variance for variance, _ in self.seeds)
        return None if left <= 0 or math.isnan(self.items[0]) else max(math.ceil(count * self.items[0] / left), 1)


def paired(pairs: Pairs) -> Estimate:
    """Estimate the mean difference over items that both sides answered.

    The variance over items is that of `clustered_mean`. Items that are right or wrong get two more, one won by each
    side, before the interval is drawn: D. G. Bonett and R. M. Price (2012), "Adjusted Wald confidence interval for a
    difference of binomial proportions based on paired data", Journal of Educational and Behavioral Statistics 37. With
    several seeds the variance between runs is added, of each side by itself; a side of one run takes the other's.
    """
    differences = pairs.b.mean(axis=0) - pairs.a.mean(axis=0)
    plain = clustered_mean(differences, pairs.weights, pairs.groups)
    adjusted = _with_two_more(differences, pairs) if is_binary(pairs) else plain
    a, b = (_seeds(values, pairs.weights) for values in (pairs.a, pairs.b))
    return Estimate(a, b, (adjusted.variance, adjusted.freedom), adjusted.value - plain.value)


def is_binary(pairs: Pairs) -> bool:
    """Return whether both sides are one run whose items are right or wrong."""
    one = pairs.a.shape[0] == 1 and pairs.b.shape[0] == 1
    return one and bool(np.isin(pairs.a, (0, 1)).all() and np.isin(pairs.b, (0, 1)).all())


def _with_two_more(differences: Array, pairs: Pairs) -> Mean:
    groups = pairs.groups
    if groups is not None:
        groups = np.append(groups, groups.max() + np.array([1, 2]))
    weights = np.append(pairs.weights, np.full(2, pairs.weights.mean()))
    return clustered_mean(np.append(differences, [1.0, -1.0]), weights, groups)


def _seeds(values: Array, weights: Array) -> Seeds:
    """Sum up the runs of a side, values of shape (S, n), in a crossed layout of runs and items."""
    count, items = values.shape
    means = values @ weights / weights.sum()
    if count < 2:
        return Seeds(tuple(means.tolist()))
    rest = np.var(values - means[:, None], axis=0, ddof=1)
    interaction = float(weights**2 @ rest) / weights.sum() ** 2 / count * items / max(items - 1, 1)
    return Seeds(tuple(means.tolist()), interaction)


def unpaired(pairs: Pairs) -> Estimate:
    """Estimate the same difference as if the two sides had answered different items, for comparison."""
    means = [clustered_mean(values.mean(axis=0), pairs.weights, pairs.groups) for values in (pairs.a, pairs.b)]
    a, b = (_seeds(values, pairs.weights) for values in (pairs.a, pairs.b))
    return Estimate(a, b, satterthwaite([(mean.variance, mean.freedom) for mean in means]))


def from_scores(a: Seeds, b: Seeds, variance: float) -> Estimate:
    """Estimate a difference of scores whose standard errors are known: `variance` is the sum of their squares."""
    return Estimate(a, b, (variance, math.inf))


def average(estimates: Sequence[Estimate]) -> Estimate:
    """Average differences on benchmarks of different items; seeds move all benchmarks together."""
    count = len(estimates)
    items, freedom = satterthwaite([estimate.items for estimate in estimates])
    a, b = (_average_seeds(sides) for sides in zip(*((one.a, one.b) for one in estimates), strict=True))
    shift = float(np.mean([estimate.shift for estimate in estimates]))
    return Estimate(a, b, (items / count**2, freedom), shift)


def _average_seeds(seeds: Sequence[Seeds]) -> Seeds:
    means = np.mean([own.means for own in seeds], axis=0)
    return Seeds(tuple(means.tolist()), sum(own.interaction for own in seeds) / len(seeds) ** 2)


@dataclass(frozen=True)
class Discordant:
    """McNemar's test of right and wrong answers.

    Attributes:
        only_a: items that only the first side has right.
        only_b: items that only the second side has right.
        p_value: exact, two-sided.
    """

    only_a: int
    only_b: int
    p_value: float


def mcnemar(pairs: Pairs) -> Discordant | None:
    """Run McNemar's exact test; None where items are not right or wrong or where a side has several runs."""
    if not is_binary(pairs):
        return None
    from statsmodels.stats.contingency_tables import mcnemar as test

    a, b = pairs.a[0] == 1, pairs.b[0] == 1
    table = [[int((a & b).sum()), int((a & ~b).sum())], [int((~a & b).sum()), int((~a & ~b).sum())]]
    return Discordant(table[0][1], table[1][0], float(test(table, exact=True).pvalue))


def bounds(pairs: Pairs, low: float = 0.0, high: float = 1.0) -> tuple[float, float]:
    """Compute between which ends the difference lies whatever the ungraded items would have been.

    Args:
        pairs: the items.
        low: the smallest value an item can have.
        high: the largest.
    """
    sure = float((pairs.b.mean(axis=0) - pairs.a.mean(axis=0)).sum())
    a, b = pairs.partial[:, 0], pairs.partial[:, 1]
    least = np.where(np.isnan(b), low, b) - np.where(np.isnan(a), high, a)
    most = np.where(np.isnan(b), high, b) - np.where(np.isnan(a), low, a)
    count = pairs.weights.size + a.size
    return (sure + float(least.sum())) / count, (sure + float(most.sum())) / count


def adjust(p_values: list[float], level: float) -> tuple[list[float], list[float]]:
    """Adjust p-values for their number.

    Args:
        p_values: those of one family; NaN where there is none.
        level: of the intervals, as 0.95.

    Returns:
        by Holm, who holds the chance of any false finding, and by Benjamini and Hochberg, who hold the share of false
        ones among the findings; NaN where there was none.
    """
    from statsmodels.stats.multitest import multipletests

    known = [number for number, value in enumerate(p_values) if not math.isnan(value)]
    holm, shares = [math.nan] * len(p_values), [math.nan] * len(p_values)
    if known:
        own = [p_values[number] for number in known]
        for target, method in ((holm, "holm"), (shares, "fdr_bh")):
            found = multipletests(own, 1 - level, method)[1]
            for number, value in zip(known, found, strict=True):
                target[number] = float(value)
    return holm, shares
