"""How far a subgroup's change could lie from zero by the draw of images and of seeds alone, and what many comparisons ask for."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from prunescope.evidence.inference import known_as
from prunescope.resampling import Floats


@dataclass(frozen=True)
class Errors:
    """Variances of a change: of its mean over seeds by the draw of groups, and of one seed's by what training does anew.

    A network trained again classifies other images rightly: that `churn` averages out over images and is in the draw of groups
    already. Seeds that move whole subgroups show as a `spread` beyond it; `own` is that of this method alone.
    """

    groups: float
    groups_freedom: float
    spread: float = 0.0
    churn: float = 0.0
    own: float = 0.0
    seeds: int = 1
    seeds_freedom: float = 0.0


def of_groups(values: Floats, by_class: Floats, variance: float, groups: Floats) -> tuple[float, float]:
    """Variance of a mean change over classes (K,) by the draw of groups (K,) if there is no change, and its degrees of freedom.

    values, by_class: change of each class and its variance over resamples · variance: that of the mean. Resampling measures the
    spread around the change itself, which is too small where few groups all changed alike; the squares around zero are larger by
    value² / groups, which for one image a group is McNemar's test (1947).
    """
    around_zero = values**2 / groups
    each = (by_class + around_zero) / len(values) ** 2
    freedom = each.sum() ** 2 / (each**2 / np.maximum(groups - 1, 1)).sum() if each.any() else 1.0
    return variance + float(around_zero.sum()) / len(values) ** 2, float(freedom)


def of_seeds(right: Floats) -> tuple[float, Floats, float]:
    """Variance of one seed's difference between arms (A, S), pooled over them; each arm's own from the first (A - 1,); and the
    degrees of freedom of the pooled one, which is the noise that is left after a mean for each arm and seed. All 0 with one seed.
    """
    arms, seeds = right.shape
    if seeds == 1:
        return 0.0, np.zeros(arms - 1), 0.0
    left = right - right.mean(0) - right.mean(1, keepdims=True) + right.mean()
    freedom = (arms - 1) * (seeds - 1)
    spread = float(2 * (left**2).sum() / freedom)
    return spread, (right[1:] - right[0]).var(axis=1, ddof=1), freedom * known_as([right])


def churn(changes: Floats, member: Floats, groups: NDArray[np.intp]) -> float:
    """Variance of one seed's change if seeds differ in single groups (N,) of images alone: changes (S, N), member (N, K).

    Of the mean over classes, by the squares of the groups' sums. 0 with one seed.
    """
    if len(changes) == 1:
        return 0.0
    apart = changes - changes.mean(0)
    shares = member / member.sum(0) / member.shape[1]  # (N, K) what an image adds to the mean over classes
    sums = 0.0
    for of in apart:
        centred = ((of[:, None] - of @ member / member.sum(0)) * shares).sum(1)
        sums += float((np.bincount(groups, weights=centred) ** 2).sum())
    return sums / (len(changes) - 1)


def p_values(errors: Sequence[Errors], values: Sequence[float]) -> Floats:
    """Two-sided, of no change, for changes by one measure in one cell; NaN for one seed, which does not say what another does.

    Student's t with degrees of freedom by Satterthwaite (1946). What seeds move beyond churn is at least the mean over all these
    changes, as few seeds often show less of it than there is.
    """
    from scipy.special import stdtr  # slow to import

    known = [of for of in errors if of.churn > 0]
    shared = sum((of.spread - of.churn) / of.churn for of in known) / sum(1 / of.churn for of in known) if known else 0.0
    found = []
    for of, value in zip(errors, values, strict=True):
        moved = max(shared, of.spread - of.churn, of.own, 0.0) / of.seeds
        total = of.groups + moved
        if of.seeds == 1 or np.isnan(total):
            found.append(np.nan)
        elif total < 1e-18:
            found.append(1.0)
        else:
            freedom = total**2 / (of.groups**2 / of.groups_freedom + moved**2 / of.seeds_freedom)
            found.append(float(2 * stdtr(freedom, -abs(value) / total**0.5)))
    return np.array(found)
