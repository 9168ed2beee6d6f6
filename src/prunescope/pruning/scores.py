"""Scores: how much a weight is worth. Ranked by absolute value, the smallest go first.

A new score is a function here and a line in SCORES, and its name in study/tables.py (Score). `gradients()` gives the mean
gradient of the loss by every prunable weight; only a score that calls it pays for it.
"""

import zlib
from collections.abc import Callable

import torch
from torch import Tensor, nn

from prunescope.seeds import mix

Weights = dict[str, nn.Parameter]
Gradients = Callable[[], dict[str, Tensor]]


def magnitude(weights: Weights, *, seed: int, gradients: Gradients) -> dict[str, Tensor]:
    """The weight itself: L1 unstructured pruning (Han et al. 2015). No copy is made."""
    return {name: weight.detach() for name, weight in weights.items()}


def random(weights: Weights, *, seed: int, gradients: Gradients) -> dict[str, Tensor]:
    """Uniform noise in [0, 1), a function of seed and layer: the control that any score has to beat."""

    def noise(name: str, shape: torch.Size) -> Tensor:
        return torch.rand(shape, generator=torch.Generator().manual_seed(mix(seed, zlib.crc32(name.encode()))))

    return {name: noise(name, weight.shape).to(weight.device) for name, weight in weights.items()}


def gradient_times_weight(weights: Weights, *, seed: int, gradients: Gradients) -> dict[str, Tensor]:
    """First-order estimate of the loss that a weight's removal costs (Molchanov et al. 2017, eq. 6, a weight at a time)."""
    slopes = gradients()
    return {name: weight.detach() * slopes[name] for name, weight in weights.items()}


SCORES = {"magnitude": magnitude, "random": random, "gradient_times_weight": gradient_times_weight}
