"""Scores: how much a weight is worth. Ranked by absolute value, the smallest go first.

A new score is a function here and a line in SCORES.
"""

import zlib

import torch
from torch import Tensor, nn

from prunescope.seeds import mix


def magnitude(weights: dict[str, nn.Parameter], *, seed: int) -> dict[str, Tensor]:
    """The weight itself: L1 unstructured pruning (Han et al. 2015). No copy is made."""
    return {name: weight.detach() for name, weight in weights.items()}


def random(weights: dict[str, nn.Parameter], *, seed: int) -> dict[str, Tensor]:
    """Uniform noise in [0, 1), a function of seed and layer: the control that any score has to beat."""

    def noise(name: str, shape: torch.Size) -> Tensor:
        return torch.rand(shape, generator=torch.Generator().manual_seed(mix(seed, zlib.crc32(name.encode()))))

    return {name: noise(name, weight.shape).to(weight.device) for name, weight in weights.items()}


SCORES = {"magnitude": magnitude, "random": random}
