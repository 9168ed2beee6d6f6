"""Masks: which weights survive. A mask is boolean, True = kept, and has the shape of its weight.

`weights` and `masks` are dicts in network order, keyed by parameter name ("features.0.weight").
"""

from collections.abc import Iterator, Mapping, Sequence
from fnmatch import fnmatchcase

import numpy as np
import torch
from torch import Tensor, nn

from prunescope.errors import PrunescopeError

CHUNK = 1 << 20  # weights looked at together: bounds the extra memory of a selection to some megabytes
INFINITY = 0x7F800000  # bits of +inf; larger ones are NaN


def prunable(network: nn.Module, exclude: Sequence[str] = ()) -> dict[str, nn.Parameter]:
    """Weights of all convolution and linear layers in network order, without the layers that a pattern of `exclude` names.

    Biases and normalisation are never prunable. Patterns are shell-style over layer names ("features.0", "classifier*").
    Raises PrunescopeError for a pattern that matches no layer and when nothing is left.
    """
    kinds = (nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.Linear)
    layers = {name: module for name, module in network.named_modules() if isinstance(module, kinds)}
    for pattern in exclude:
        if not any(fnmatchcase(name, pattern) for name in layers):
            known = ", ".join(layers)
            raise PrunescopeError(f"exclude: no convolution or linear layer matches {pattern!r}; layers are {known}")
    kept = {n: m for n, m in layers.items() if not any(fnmatchcase(n, p) for p in exclude)}
    if not kept:
        raise PrunescopeError(f"exclude {list(exclude)} leaves no layer to prune; name fewer layers")
    return {f"{name}.weight": network.get_parameter(f"{name}.weight") for name in kept}


def ones(weights: dict[str, nn.Parameter]) -> dict[str, Tensor]:
    """Masks that keep everything."""
    return {name: torch.ones_like(weight, dtype=torch.bool) for name, weight in weights.items()}


def keep_top(scores: Mapping[str, Tensor], masks: Mapping[str, Tensor], keep: int) -> dict[str, Tensor]:
    """Keep exactly the `keep` kept weights of largest |score|, ranked over all given layers together.

    Ties go to the earlier position (layer order, then flat index). Weights that `masks` has already removed stay removed.
    Scores are float32 and compared exactly: non-negative floats are ordered like their bits, so the threshold is found by
    counting the upper and then the lower half of the bits, one chunk of a layer at a time.
    Raises PrunescopeError for a score that is not finite and when fewer than `keep` weights are left.
    """
    left = sum(int(mask.sum()) for mask in masks.values())
    if keep > left:
        raise PrunescopeError(f"asked to keep {keep} weights, but earlier rounds left {left}: targets must not shrink")
    upper = _histogram(scores, masks, shift=16)
    if upper[INFINITY >> 16 :].sum():
        raise PrunescopeError("a pruning score is not finite (NaN or infinity): the weights have diverged; lower the rate")
    if keep == left:
        return {name: masks[name].clone() for name in scores}
    if keep == 0:
        return {name: torch.zeros_like(masks[name]) for name in scores}
    above, high = _descend(upper, keep)
    lower = _histogram(scores, masks, shift=0, high=high)
    above_low, low = _descend(lower, keep - above)
    threshold, ties = (high << 16) | low, keep - above - above_low
    return _select(scores, masks, threshold, ties)


def apply_(weights: Mapping[str, nn.Parameter], masks: Mapping[str, Tensor]) -> None:
    """Set removed weights to exactly +0."""
    with torch.no_grad():
        for name, mask in masks.items():
            weights[name].masked_fill_(~mask, 0.0)


def achieved_sparsity(weights: dict[str, nn.Parameter]) -> float:
    """Fraction of the prunable weights that are exactly zero, counted in the weights themselves."""
    zeros = sum(int((weight == 0).sum()) for weight in weights.values())
    return zeros / sum(weight.numel() for weight in weights.values())


def collapsed(masks: Mapping[str, Tensor]) -> list[str]:
    """Layers of which no weight is left."""
    return [name.removesuffix(".weight") for name, mask in masks.items() if not bool(mask.any())]


def _chunks(score: Tensor, mask: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
    """(bits of |score|, mask) as flat int32 and bool pieces in index order."""
    bits = score.detach().float().reshape(-1).view(torch.int32)  # a copy only where the layout is not already flat
    for piece, kept in zip(bits.split(CHUNK), mask.reshape(-1).split(CHUNK), strict=True):
        yield piece & 0x7FFFFFFF, kept


def _histogram(scores: Mapping[str, Tensor], masks: Mapping[str, Tensor], *, shift: int, high: int | None = None) -> np.ndarray:
    """Counts of a 16-bit half of the kept scores' bits; with `high`, of those whose upper half is `high`."""
    counts = np.zeros(1 << 16, dtype=np.int64)
    for name, score in scores.items():
        for bits, kept in _chunks(score, masks[name]):
            bits = bits[kept]
            if high is not None:
                bits = bits[(bits >> 16) == high]
            half = (bits >> shift) & 0xFFFF
            if half.device.type == "cpu":  # numpy counts several times faster than torch there
                counts += np.bincount(half.numpy(), minlength=1 << 16)
            else:
                counts += torch.bincount(half, minlength=1 << 16).cpu().numpy()
    return counts


def _descend(counts: np.ndarray, keep: int) -> tuple[int, int]:
    """(number in the bins above, the bin that holds the `keep`-th largest)."""
    from_top = np.cumsum(counts[::-1])
    position = int(np.searchsorted(from_top, keep))
    return int(from_top[position] - counts[::-1][position]), len(counts) - 1 - position


def _select(scores: Mapping[str, Tensor], masks: Mapping[str, Tensor], threshold: int, ties: int) -> dict[str, Tensor]:
    """Masks of all kept scores above the threshold and the first `ties` at it."""
    result = {}
    for name, score in scores.items():
        pieces = []
        for bits, kept in _chunks(score, masks[name]):
            chosen = kept & (bits > threshold)
            if ties:
                tied = (kept & (bits == threshold)).nonzero().squeeze(1)[:ties]
                chosen[tied] = True
                ties -= len(tied)
            pieces.append(chosen)
        flat = torch.cat(pieces) if pieces else masks[name].reshape(-1)
        result[name] = torch.empty_like(masks[name]).copy_(flat.view(masks[name].shape))
    return result
