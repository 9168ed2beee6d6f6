"""A comparison over the cells of a study: its mean, and how much networks differ (random effects).

A network is a model on a data set, and networks of one model, or of one data set, resemble each other too. So the mean has three
intervals, with networks, models and data sets as draws, and the widest counts: with networks alone, those of two models on two
data sets call a mean that is zero something else in 11 to 31 % of studies (benchmarks/verdicts.py), by the widest in 6 % at most.

Levels of one network are averaged first: they resemble each other, and as cells of their own they would be taken for as many
draws (of two networks at three levels each, a mean that is zero would be called something else in up to 36 % of studies:
benchmarks/verdicts.py). Then each network's difference is mean + how this network differs + error. The errors' variances are
known, the variance between networks is estimated so that the weighted squares are as large as their number lets expect (Paule and
Mandel 1982), and the interval of the mean has Student's t of one network less (Hartung and Knapp 2001, never narrower than
without differences between networks).
"""

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np

from prunescope.evidence.inference import LEVEL, Estimate, Floats

OF_ONE_SEED = 1e-12  # variance: where a cell's own error is not known, all that networks differ by counts as between them


@dataclass(frozen=True)
class Overall:
    """`estimate.n` counts what `unit` names: networks, models or data sets. between: standard deviation of their true
    differences, with its 95 % interval; next_low, next_high: where with 95 % confidence one more of them lies (NaN with fewer
    than three)."""

    unit: str
    estimate: Estimate
    between: float
    between_low: float
    between_high: float
    next_low: float
    next_high: float


def over_networks(means: Floats, covariance: Floats, networks: Sequence[tuple[Hashable, Hashable]]) -> list[Overall]:
    """The mean with each kind of draws of which there are several, the one that counts (the widest) first.

    means (K,) of cells, covariance (K, K) of their errors, the model and the data set of each: of two networks or more.
    """
    names = list(dict.fromkeys(networks))
    means, covariance = _averaged(means, covariance, networks)
    sides = dict(zip(("models", "data sets"), zip(*names, strict=True), strict=True))
    several = {unit: groups for unit, groups in sides.items() if len(set(groups)) > 1}
    found = [over_cells(means, covariance, "networks")] if len(several) > 1 else []
    found += [over_cells(*_averaged(means, covariance, groups), unit) for unit, groups in several.items()]
    return sorted(found, key=lambda of: of.estimate.low - of.estimate.high)


def _averaged(means: Floats, covariance: Floats, groups: Sequence[Hashable]) -> tuple[Floats, Floats]:
    """Those that have the same name in `groups`, in the order in which names appear."""
    share = np.array([[float(of == name) for of in groups] for name in dict.fromkeys(groups)])
    share = share / share.sum(1, keepdims=True)
    return share @ means, share @ covariance @ share.T


def over_cells(means: Floats, covariance: Floats, unit: str = "cells") -> Overall:
    """means (K,) of two cells or more, covariance (K, K) of their errors; unit: what they are called."""
    from scipy.stats import chi2, t  # slow to import

    cells = len(means)
    tail = (1 - LEVEL) / 2
    variance = _where_squares_are(cells - 1, means, covariance)
    weights = np.linalg.inv(covariance + variance * np.eye(cells))
    mean, error2 = float(weights.sum(0) @ means / weights.sum()), float(1 / weights.sum())
    low, high = (_where_squares_are(float(chi2.isf(p, cells - 1)), means, covariance) for p in (tail, 1 - tail))
    next_width = float(t.isf(tail, cells - 2)) * math.sqrt(variance + error2) if cells > 2 else math.nan
    return Overall(
        unit,
        Estimate(mean, cells, spread=error2 * cells, df=cells - 1.0),
        math.sqrt(variance),
        math.sqrt(low),
        math.sqrt(high),
        mean - next_width,
        mean + next_width,
    )


def _where_squares_are(wanted: float, means: Floats, covariance: Floats) -> float:
    """The variance between cells with which the weighted squares around the mean are `wanted`; 0 where they are smaller
    even without."""
    from scipy.optimize import root_scalar

    def squares(variance: float) -> float:
        weights = np.linalg.inv(covariance + variance * np.eye(len(means)))
        apart = means - weights.sum(0) @ means / weights.sum()
        return float(apart @ weights @ apart)

    if squares(0.0) <= wanted:
        return 0.0
    most = float(np.var(means)) * len(means) / wanted
    while squares(most) > wanted:
        most *= 2
    return float(root_scalar(lambda variance: squares(variance) - wanted, bracket=(0.0, most)).root)
