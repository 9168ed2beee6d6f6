"""Bootstrap intervals of everything that is a function of sums over images, resampled by groups (lesions, patients).

Images of one lesion are not independent: drawing groups with replacement keeps them together, and the interval says what
another draw of lesions would have given (Efron & Tibshirani 1993, ch. 8). A draw is a weight for each group, so that all
sums of all draws are one matrix product.
"""

from collections.abc import Callable, Iterator
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
CHUNK = 256  # draws at a time, which bounds the memory to CHUNK x groups numbers
KEPT = 2**26  # draws x groups up to which they are kept for the next network, in 128 MB


def resampled_sums(columns: Floats, groups: NDArray, *, draws: int, seed: int = 0) -> Floats:
    """Sums (draws, C) of columns (N, C) over the images of as many groups (N,) as there are, drawn with replacement.

    The same groups, draws and seed give the same resamples, so that differences between networks may be taken draw by draw.
    """
    numbers = np.unique(groups, return_inverse=True)[1].reshape(-1)
    order = np.argsort(numbers, kind="stable")
    starts = np.flatnonzero(np.diff(numbers[order], prepend=-1))
    grouped = np.add.reduceat(columns[order], starts, axis=0)
    drawn = _kept_weights if draws * len(grouped) <= KEPT else _weights
    kind = np.float32 if _countable(grouped) else np.float64
    grouped = grouped.astype(kind)
    return np.concatenate([(weights.astype(kind) @ grouped).astype(np.float64) for weights in drawn(len(grouped), draws, seed)])


def _countable(grouped: Floats) -> bool:
    """Whether all sums are whole numbers that float32 has exactly: the product takes half the time, and gives the same bits."""
    return bool((grouped == np.rint(grouped)).all()) and len(grouped) * float(np.abs(grouped).max(initial=0)) < 2**24


@lru_cache(maxsize=4)
def _kept_weights(count: int, draws: int, seed: int) -> tuple[NDArray[np.uint16], ...]:
    """The same for all networks that saw the same images."""
    return tuple(_weights(count, draws, seed))


def _weights(count: int, draws: int, seed: int) -> Iterator[NDArray[np.uint16]]:
    """How often each of `count` groups was drawn, (CHUNK, count) at a time."""
    generator = np.random.default_rng(seed)
    for first in range(0, draws, CHUNK):
        weights = np.empty((min(CHUNK, draws - first), count), dtype=np.uint16)
        for row in weights:
            row[:] = np.bincount(generator.integers(count, size=count), minlength=count)
        yield weights


def intervals(
    columns: Floats, groups: NDArray, of: Callable[[Floats], Floats], *, draws: int, level: float = 0.95, seed: int = 0
) -> tuple[Floats, Floats]:
    """Percentile intervals (low, high), each shaped as one row of `of(sums)`: (draws, C) to (draws, ...).

    NaN in a draw (a class that it has no image of) is left out; NaN where all draws are.
    """
    values = of(resampled_sums(columns, groups, draws=draws, seed=seed))
    known = ~np.isnan(values).all(axis=0)
    bounds = np.full((2, *values.shape[1:]), np.nan)
    bounds[:, known] = np.nanquantile(values[:, known], [(1 - level) / 2, (1 + level) / 2], axis=0)
    return bounds[0], bounds[1]
