"""Scopes: among which weights a round ranks, and how many each such group keeps. Counts are exact.

A new scope is a function (weights, left, sparsity) -> groups and a line in SCOPES, and its name in study/tables.py (Scope).
`left` is the number of weights per layer that earlier rounds kept; a group is (names of its layers, how many weights it keeps).
"""

import numpy as np
from torch import nn

Weights = dict[str, nn.Parameter]
Groups = list[tuple[tuple[str, ...], int]]


def kept_count(size: int, sparsity: float) -> int:
    """How many of `size` weights stay at `sparsity`: size minus the nearest whole number of removed weights."""
    return size - round(sparsity * size)


def whole(weights: Weights, left: dict[str, int], sparsity: float) -> Groups:
    """All layers in one ranking."""
    return [(tuple(weights), kept_count(_size(weights), sparsity))]


def layer(weights: Weights, left: dict[str, int], sparsity: float) -> Groups:
    """Every layer by itself to the sparsity, rounded to whole weights layer by layer."""
    return [((name,), kept_count(weight.numel(), sparsity)) for name, weight in weights.items()]


def erk(weights: Weights, left: dict[str, int], sparsity: float) -> Groups:
    """Erdős–Rényi kernel (Evci et al. 2020): every layer by itself, small layers dense, large ones sparse.

    A layer of shape (out, in, height, width) keeps a number proportional to out + in + height + width, at most what is left
    of it; what a full layer cannot take goes to the others. The counts sum up to exactly what one ranking would keep.
    """
    shares = np.array([sum(weight.shape) for weight in weights.values()], dtype=np.float64)
    limits = np.array([left[name] for name in weights], dtype=np.int64)
    counts = _shared_out(kept_count(_size(weights), sparsity), shares, limits)
    return [((name,), int(count)) for name, count in zip(weights, counts, strict=True)]


SCOPES = {"global": whole, "layer": layer, "erk": erk}


def _size(weights: Weights) -> int:
    return sum(weight.numel() for weight in weights.values())


def _shared_out(total: int, shares: np.ndarray, limits: np.ndarray) -> np.ndarray:
    """Whole numbers in proportion to `shares`, none above its limit, that sum up to min(total, all limits).

    Fractions are settled by the largest remainder, ties by position.
    """
    total = min(total, int(limits.sum()))
    full = np.zeros(len(shares), dtype=bool)
    exact = np.zeros(len(shares))
    while not full.all():
        exact = np.where(full, limits, (total - limits[full].sum()) * shares / shares[~full].sum())
        over = ~full & (exact > limits)
        if not over.any():
            break
        full |= over
    counts = np.minimum(np.floor(exact + 1e-9).astype(np.int64), limits)
    for position in np.argsort(counts - exact, kind="stable"):
        if counts.sum() < total and counts[position] < limits[position]:
            counts[position] += 1
    return counts
