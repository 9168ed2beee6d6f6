"""Selection: exactly the best weights, by rank; ties go by position.

Scores and masks are dicts in network order, keyed by parameter name ("features.0.weight").
"""

import math
from collections.abc import Iterator, Mapping

import numpy as np
import torch
from torch import Tensor

from prunescope.errors import PrunescopeError

CHUNK = 1 << 18  # weights looked at together on a CPU: what fits its cache
SAMPLE = 1 << 18  # weights that tell about where the threshold lies
MARGIN = 6 / math.sqrt(SAMPLE)  # as a share of the sample: at least 12 standard deviations of a rank in it
INFINITY, NAN = 0x7F800000, 0x7FFFFFFF  # bits of +inf; larger ones are NaN, this is the largest


def keep_top(scores: Mapping[str, Tensor], masks: Mapping[str, Tensor], keep: int) -> dict[str, Tensor]:
    """Keep exactly the `keep` kept weights of largest |score|, ranked over all given layers together.

    Ties go to the earlier position (layer order, then flat index). Weights that `masks` has already removed stay removed.
    Scores are float32 and compared exactly. Non-negative floats are ordered like their bits, so the threshold is sought among
    integers: a sample tells between which two values it lies, one pass counts what is above and collects what is between
    (some per cent), and a second pass writes the masks. The sample decides only how long this takes, never the result.
    It runs on the CPU in numpy, several times as fast as torch there, so any device gives the same masks.
    Raises PrunescopeError for a score that is not finite and when fewer than `keep` weights are left.
    """
    left = sum(np.count_nonzero(mask.cpu().numpy()) for mask in masks.values())
    if keep > left:
        raise PrunescopeError(f"asked to keep {keep} weights, but earlier rounds left {left}: targets must not shrink")
    sample, margin = _sample(scores, masks), MARGIN
    while (found := _threshold(scores, masks, keep, *_bracket(sample, keep / max(left, 1), margin))) is None:
        margin *= 8
    if keep == left:
        return {name: masks[name].clone() for name in scores}
    if keep == 0:
        return {name: torch.zeros_like(masks[name]) for name in scores}
    return _select(scores, masks, *found)


def _chunks(score: Tensor, mask: Tensor) -> Iterator[np.ndarray]:
    """Bits of |score|, negative where not kept, as flat int32 pieces in index order; each overwrites the last."""
    bits = score.detach().float().reshape(-1).cpu().numpy().view(np.int32)  # a copy only where the layout is not already flat
    mask_ = mask.reshape(-1).cpu().numpy()
    buffer = np.empty(min(CHUNK, len(bits)), dtype=np.int32)
    for start in range(0, len(bits), CHUNK):
        kept = mask_[start : start + CHUNK]
        piece = np.bitwise_and(bits[start : start + CHUNK], 0x7FFFFFFF, out=buffer[: len(kept)])
        if not kept.all():
            np.putmask(piece, ~kept, -2)
        yield piece


def _sample(scores: Mapping[str, Tensor], masks: Mapping[str, Tensor]) -> np.ndarray:
    """Sorted bits of kept scores at random positions: the same positions each time, about SAMPLE of them over all layers."""
    total = max(sum(score.numel() for score in scores.values()), 1)
    generator = torch.Generator().manual_seed(0)
    parts = [torch.empty(0, dtype=torch.int32)]
    for name, score in scores.items():
        count = math.ceil(score.numel() * SAMPLE / total)
        flat, kept = score.detach().reshape(-1), masks[name].reshape(-1)
        chosen = torch.randint(max(len(flat), 1), (count,), generator=generator).to(flat.device)
        drawn = flat[chosen].float().view(torch.int32) & 0x7FFFFFFF
        parts.append(drawn[kept[chosen]].cpu())
    return np.sort(torch.cat(parts).numpy())


def _bracket(sample: np.ndarray, share: float, margin: float) -> tuple[int, int]:
    """Two values between which the threshold of the `share` largest is likely to lie; from a margin of 1 on all values do."""
    low = math.floor((1 - share - margin) * len(sample))
    high = math.ceil((1 - share + margin) * len(sample))
    return (int(sample[low]) if 0 <= low < len(sample) else -1, int(sample[high]) if 0 <= high < len(sample) else NAN)


def _threshold(
    scores: Mapping[str, Tensor], masks: Mapping[str, Tensor], keep: int, low: int, high: int
) -> tuple[int, int] | None:
    """(threshold, how many of those at it are kept), or None where it is not in [low, high]."""
    above = at_high = at_low = 0
    between = [np.empty(0, dtype=np.int32)]
    for name, score in scores.items():
        for bits in _chunks(score, masks[name]):
            if bits.max() >= INFINITY:
                raise PrunescopeError(
                    "a pruning score is not finite (NaN or infinity): the weights have diverged; lower the rate"
                )
            from_low, from_high = bits >= low, bits >= high
            over, inside = int(np.count_nonzero(bits > high)), bits[from_low & ~from_high]
            above += over
            at_high += int(np.count_nonzero(from_high)) - over
            between.append(inside[inside > low])
            at_low += len(inside) - len(between[-1])
    inside = np.concatenate(between)
    if keep <= above + at_high:
        return (high, keep - above) if keep > above or keep == 0 else None
    wanted = keep - above - at_high  # from the top of what is inside
    if wanted <= len(inside):
        threshold = int(np.partition(inside, len(inside) - wanted)[len(inside) - wanted])
        return threshold, wanted - int(np.count_nonzero(inside > threshold))
    return (low, wanted - len(inside)) if wanted <= len(inside) + at_low else None


def _select(scores: Mapping[str, Tensor], masks: Mapping[str, Tensor], threshold: int, ties: int) -> dict[str, Tensor]:
    """Masks of all kept scores above the threshold and the first `ties` at it."""
    result = {}
    for name, score in scores.items():
        flat, start = np.empty(score.numel(), dtype=np.bool_), 0
        for bits in _chunks(score, masks[name]):
            chosen = np.greater(bits, threshold, out=flat[start : start + len(bits)])
            start += len(bits)
            if ties:
                tied = np.flatnonzero(bits == threshold)[:ties]
                chosen[tied] = True
                ties -= len(tied)
        result[name] = torch.from_numpy(flat).view(score.shape).to(score.device)
    return result
