"""Comparisons inside cells: from arms by seeds, and the draw of test images, to estimates and their covariance over cells."""

import math
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np

from prunescope.evidence.inference import Estimate, Floats, common, known_as, noise, noise_of_pairs
from prunescope.evidence.overall import Overall, over_networks

BySeed = Mapping[int, float]
Key = TypeVar("Key")
Weights = Mapping[str, float]  # of arms: {"iterative": 1, "oneshot": -1}


@dataclass(frozen=True)
class Layout:
    """The arms of a cell by seed, and what is compared there.

    arms: values by arm and seed, NaN or absent where one did not run · comparisons: by name the weights of arms
    draws: by arm and seed the measure's deviations (B,) over resamples of test images, in the unit of `arms`; empty if not known
    images: what the test images are, the same for all cells that share them · shared: arms that other layouts of the same
    `block` have too (the dense control of several levels) · apart: negative controls, whose noise says nothing of the others
    """

    arms: Mapping[str, BySeed]
    comparisons: Mapping[str, Weights]
    draws: Mapping[tuple[str, int], Floats]
    images: str = ""
    block: str = ""
    shared: tuple[str, ...] = ()
    apart: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Compared:
    """One comparison of a layout. draws: (S, B) of its seeds, None where the images' part is not known."""

    estimate: Estimate
    by_seed: BySeed
    weights: Weights
    layout: Layout
    draws: Floats | None

    def turned(self) -> "Compared":
        """The other way round."""
        by_seed = {seed: -value for seed, value in self.by_seed.items()}
        weights = {name: -weight for name, weight in self.weights.items()}
        return Compared(self.estimate.turned(), by_seed, weights, self.layout, None if self.draws is None else -self.draws)


def of_series(comparisons: Mapping[str, BySeed]) -> Layout:
    """A layout of series that are compared with zero, each by itself."""
    return Layout(comparisons, {name: {name: 1.0} for name in comparisons}, {})


def compare(layouts: Mapping[Key, Layout]) -> dict[Key, dict[str, Compared]]:
    """Every comparison of every cell, with the noise pooled over arms; those of one name are held together over the cells.

    A negative control (weights that go at random) may be many times as noisy as all that is compared with each other: it is in
    the pool of its own comparisons alone.
    """
    names = list(dict.fromkeys(name for layout in layouts.values() for name in layout.comparisons))
    found = {key: {name: _differences(layout, of) for name, of in layout.comparisons.items()} for key, layout in layouts.items()}
    whole = _pooled(layouts)
    apart = any(layout.apart for layout in layouts.values())
    alike = _pooled({key: _without(layout) for key, layout in layouts.items()}) if apart else whole
    pooled = {key: {name: (whole if set(of) & set(layout.apart) else alike)[key] for name, of in layout.comparisons.items()}
              for key, layout in layouts.items()}  # fmt: skip
    own, noises = (np.full((len(layouts), len(names)), math.nan) for _ in range(2))
    for row, (key, layout) in enumerate(layouts.items()):
        for name, of in layout.comparisons.items():
            values = list(found[key][name].values())
            noises[row, names.index(name)] = pooled[key][name][0]
            if len(values) > 1 and _balanced(of):
                own[row, names.index(name)] = np.var(values, ddof=1) / sum(weight**2 for weight in of.values())
    spreads = noise_of_pairs(own, noises)
    result: dict[Key, dict[str, Compared]] = {}
    for row, (key, layout) in enumerate(layouts.items()):
        result[key] = {}
        for name, of in layout.comparisons.items():
            spread = spreads[row, names.index(name)] * sum(weight**2 for weight in of.values())
            known = (float(spread), pooled[key][name][1]) if _balanced(of) else None
            result[key][name] = _compared(layout, of, found[key][name], known)
    return result


def _without(layout: Layout) -> Layout:
    return replace(layout, arms={name: of for name, of in layout.arms.items() if name not in layout.apart})


def _pooled(layouts: Mapping[Key, Layout]) -> dict[Key, tuple[float, float]]:
    """Each cell's noise with the degrees of freedom that it really has, which cells of the same arms tell together."""
    complete: dict[Key, tuple[tuple[str, ...], Floats]] = {}
    for key, layout in layouts.items():
        table = _table(layout)
        ran = np.flatnonzero(~np.isnan(table).all(1))
        seeds = np.flatnonzero(~np.isnan(table[ran]).any(0))
        complete[key] = tuple(np.array([*layout.arms], dtype=object)[ran]), table[np.ix_(ran, seeds)]
    alike: dict[tuple[str, ...], list[Floats]] = {}
    for arms, table in complete.values():
        alike.setdefault(arms, []).extend([table] if table.shape[1] > 1 else [])
    shares = {arms: known_as(tables) for arms, tables in alike.items()}
    found = {key: noise(_table(layout)) for key, layout in layouts.items()}
    return {key: (variance, freedom * shares[complete[key][0]]) for key, (variance, freedom) in found.items()}


def _balanced(weights: Weights) -> bool:
    """Whether the weights sum to zero, so that what a seed does to all arms drops out."""
    return abs(sum(weights.values())) < 1e-9


def _table(layout: Layout) -> Floats:
    seeds = sorted({seed for of in layout.arms.values() for seed in of})
    return np.array([[of.get(seed, math.nan) for seed in seeds] for of in layout.arms.values()]).reshape(
        len(layout.arms), len(seeds)
    )


def _differences(layout: Layout, weights: Weights) -> BySeed:
    """By seed, of those that all arms of the comparison have."""
    arms = [layout.arms.get(name, {}) for name in weights]
    shared = [seed for seed in arms[0] if all(seed in of for of in arms)]
    values = {seed: sum(w * of[seed] for w, of in zip(weights.values(), arms, strict=True)) for seed in shared}
    return {seed: value for seed, value in values.items() if not math.isnan(value)}


def _compared(layout: Layout, weights: Weights, differences: BySeed, known: tuple[float, float] | None) -> Compared:
    n, values = len(differences), list(differences.values())
    if known is None:
        known = (float(np.var(values, ddof=1)), n - 1.0) if n > 1 else (math.nan, 0.0)
    draws = None
    if differences and all((name, seed) in layout.draws for name in weights for seed in differences):
        draws = np.stack([sum(w * layout.draws[name, seed] for name, w in weights.items()) for seed in differences])
    images = math.nan if draws is None else max(common(draws, draws, ~np.eye(n, dtype=bool)), 0.0)
    estimate = Estimate(float(np.mean(values)) if n else math.nan, n, *known, images)
    return Compared(estimate, differences, weights, layout, draws)


def over(
    compared: Mapping[Key, Compared], network: Callable[[Key], tuple[Hashable, Hashable]] = lambda cell: (cell, cell)
) -> list[Overall]:
    """One comparison over cells that measured its spread, of networks like theirs: the mean that counts first
    (`overall.over_networks`); none of fewer than two networks. network: the model and the data set of a cell."""
    networks = [network(cell) for cell in compared]
    if len(set(networks)) < 2:
        return []
    found = list(compared.values())
    means, errors = np.array([of.estimate.mean for of in found]), covariance(found) + np.diag(_steadied(found))
    return over_networks(means, errors, networks)


def of_these(compared: Mapping[Key, Compared], network: Callable[[Key], Hashable] = lambda cell: cell) -> Estimate:
    """The same of these networks themselves: their mean, each as that of its cells, over new seeds and test images.

    Cells of one network may share what a seed does to it (base, control, student without a teacher), how much is not known: their
    mean is taken for no surer than they are.
    """
    found, names = list(compared.values()), list(dict.fromkeys(network(cell) for cell in compared))
    networks = np.array([names.index(network(cell)) for cell in compared])
    weights = 1 / np.bincount(networks)[networks] / len(names)
    errors = weights * np.sqrt([of.estimate.spread / of.estimate.n for of in found])
    parts = np.bincount(networks, errors) ** 2
    known = np.array([min(found[at].estimate.df for at in np.flatnonzero(networks == name)) for name in range(len(names))])
    freedom = parts.sum() ** 2 / (parts**2 / known).sum()  # Satterthwaite 1946
    of_images = np.diag([of.estimate.of_images for of in found]) + _between(found, _of_images)
    images = max(float(weights @ of_images @ weights), 0.0)  # estimated, it may come out negative
    unknown = all(math.isnan(of.estimate.images) for of in found)
    mean, seeds = float(weights @ [of.estimate.mean for of in found]), min(of.estimate.n for of in found)
    return Estimate(mean, seeds, float(parts.sum()) * seeds, float(freedom), math.nan if unknown else images)


def _steadied(found: Sequence[Compared]) -> Floats:
    """(K,) what is added to the cells' variances, so that a spread which came out small by chance, as with few degrees of freedom
    it may, has not all the weight: two degrees of freedom of the cells' usual variance, where that makes it larger."""
    variances = np.array([of.estimate.spread / of.estimate.n for of in found])
    return 2 * np.maximum(np.exp(np.log(variances).mean()) - variances, 0) / (np.array([of.estimate.df for of in found]) + 2)


def covariance(found: Sequence[Compared]) -> Floats:
    """(K, K) of the estimates' errors: cells of one data set share test images, levels of one network their dense control."""
    made = np.diag([of.estimate.error**2 for of in found]) + _between(found, _of_control) + _between(found, _of_images)
    return made if np.linalg.eigvalsh(made)[0] > 1e-6 * made.trace() / len(made) else np.diag(np.diag(made))


def _between(found: Sequence[Compared], of: Callable[[Compared, Compared], float]) -> Floats:
    """(K, K) of what two of them share, without their diagonal."""
    made = np.zeros((len(found), len(found)))
    for i, first in enumerate(found):
        for j, second in enumerate(found[:i]):
            made[i, j] = made[j, i] = of(first, second)
    return made


def _of_control(first: Compared, second: Compared) -> float:
    if not first.layout.block or first.layout.block != second.layout.block:
        return 0.0
    both = sum(first.weights.get(name, 0) * second.weights.get(name, 0) for name in first.layout.shared)
    noises = [of.estimate.spread / sum(weight**2 for weight in of.weights.values()) for of in (first, second)]
    return both * math.sqrt(noises[0] * noises[1]) / max(first.estimate.n, second.estimate.n)


def _of_images(first: Compared, second: Compared) -> float:
    if first.draws is None or second.draws is None or first.layout.images != second.layout.images:
        return 0.0
    apart = np.not_equal.outer(np.array(list(first.by_seed)), np.array(list(second.by_seed)))
    shared = common(first.draws, second.draws, apart)
    return 0.0 if math.isnan(shared) else shared
