"""Numbers out of CKA maps, with intervals over the images they were measured on; and what the masks of two networks share.

Intervals: 95 % of a bootstrap over the probe images, to first order. Resampling images with multiplicities m changes an HSIC
by twice the sum of (m_k - 1) times image k's own share of it (its row of the product of the centred kernels), and CKA by
the differential of its ratio. So the forward passes and products are done once, and 1,000 resamplings are one product.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from prunescope.errors import PrunescopeError
from prunescope.similarity.cka import Maps

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Interval:
    """A value with the ends of its 95 % interval; all NaN where it is not defined."""

    value: float
    low: float
    high: float


def diversity(maps: Maps, name: str, *, draws: int = 1000, seed: int = 0) -> Interval:
    """Mean similarity of different layers of one network (low: its layers differ), dead layers left out."""
    cells = maps[name, name]
    alive = ~np.isnan(cells.diagonal())
    count = int(alive.sum())
    if count < 2:
        return Interval(np.nan, np.nan, np.nan)
    cells = cells[np.ix_(alive, alive)]
    parts, own = [], _own(maps, name)[alive]
    for vectors, weight in _batches(maps):
        scaled = vectors[maps.place(name)][alive] / np.sqrt(own)[:, None]
        together = np.square(scaled.sum(0)) - np.square(scaled).sum(0)  # all pairs of different layers at once
        means = (cells.sum(1) - 1) / (count - 1)
        shares = _per_image((together / (count * (count - 1)) - (means / count) @ np.square(scaled))[None])
        parts.append(weight * shares[0])
    value = float((cells.sum() - count) / (count * (count - 1)))
    return _intervals(np.array([value]), np.concatenate(parts)[:, None], draws, seed)[0]


def diagonal(maps: Maps, a: str, b: str, *, draws: int = 1000, seed: int = 0) -> tuple[list[Interval], Interval]:
    """Similarity of each layer with the same layer of another network, by depth; and the mean of those alive.

    PrunescopeError unless both networks have the same layers.
    """
    if maps.layers[a] != maps.layers[b]:
        raise PrunescopeError(
            f"found {len(maps.layers[a])} and {len(maps.layers[b])} layers of {a} and {b}; wanted the same ones"
        )
    values = maps[a, b].diagonal()
    first, second, parts = _own(maps, a), _own(maps, b), []
    for vectors, weight in _batches(maps):
        x = vectors[maps.place(a)] / np.sqrt(first)[:, None]
        y = vectors[maps.place(b)] / np.sqrt(second)[:, None]
        parts.append(weight * _per_image(x * y - values[:, None] / 2 * (np.square(x) + np.square(y))).T)
    shares = np.concatenate(parts)
    alive = ~np.isnan(values)
    mean = float(values[alive].mean()) if alive.any() else np.nan
    together = shares[:, alive].mean(1) if alive.any() else np.full(len(shares), np.nan)
    *layers, total = _intervals(np.append(values, mean), np.column_stack([shares, together]), draws, seed)
    return layers, total


@dataclass(frozen=True)
class Overlap:
    """Jaccard index of the kept weights of two masks, |both| / |either|, and what independent masks of their densities have."""

    jaccard: float
    chance: float


def mask_overlap(first: Mapping[str, Tensor], second: Mapping[str, Tensor]) -> tuple[dict[str, Overlap], Overlap]:
    """Overlap of two masks (True = kept) per layer that both prune, and of these layers together; NaN where both keep nothing.

    Independent masks of densities p and q have about p q / (p + q - p q), layer by layer: what they share because both
    leave the same layers dense counts as chance in the total. PrunescopeError for masks without a layer in common.
    """
    names = [name for name in first if name in second and first[name].shape == second[name].shape]
    if not names:
        raise PrunescopeError("found masks without a layer in common; wanted two masks of one architecture")
    counts = []
    for name in names:
        mask, other = first[name], second[name]
        both, one, two = (int(torch.count_nonzero(part)) for part in (mask & other, mask, other))
        counts.append((both, one, two, one * two / mask.numel()))
    layers = {name: _overlap(*of) for name, of in zip(names, counts, strict=True)}
    return layers, _overlap(*(sum(column) for column in zip(*counts, strict=True)))


def _overlap(both: float, one: float, two: float, expected: float) -> Overlap:
    def jaccard(shared: float) -> float:
        return shared / (one + two - shared) if one + two > shared else float("nan")

    return Overlap(jaccard(both), jaccard(expected))


def _own(maps: Maps, name: str) -> Array:
    """HSIC of each layer with itself, summed over batches as the kept vectors are; NaN for dead layers."""
    own = sum((weight * np.square(vectors[maps.place(name)]).sum(1) for vectors, weight in _batches(maps)), np.zeros(()))
    return np.where(own > 0, own, np.nan)


def _batches(maps: Maps) -> list[tuple[Array, float]]:
    if not maps.vectors:
        raise PrunescopeError("found no kept vectors; wanted maps of cka_maps(..., keep=True)")
    sizes = [_size(vectors.shape[1]) for vectors in maps.vectors]
    return [(vectors.astype(np.float64), (n - 1) / (n - 3)) for vectors, n in zip(maps.vectors, sizes, strict=True)]


def _size(pairs: int) -> int:
    return round((1 + np.sqrt(1 + 8 * pairs)) / 2)


def _per_image(pairs: Array) -> Array:
    """Sum values of pairs of images (S, P) over the pairs that each image is in: (S, n)."""
    n = _size(pairs.shape[1])
    rows, columns = np.triu_indices(n, 1)
    member = np.zeros((len(rows), n))
    member[np.arange(len(rows)), rows] = member[np.arange(len(rows)), columns] = 1
    return pairs @ member


def _intervals(values: Array, shares: Array, draws: int, seed: int) -> list[Interval]:
    """Intervals of S values from the shares (N, S) of N images in them."""
    generator = np.random.default_rng(seed)
    count = len(shares)
    times = generator.multinomial(count, np.full(count, 1 / count), size=draws) - 1
    moved = values + times @ shares
    low, high = np.percentile(moved, [2.5, 97.5], axis=0)
    return [Interval(*(float(x) for x in row)) for row in zip(values, low, high, strict=True)]
