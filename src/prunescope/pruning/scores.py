"""Scores: how much a weight is worth. Ranked by absolute value, the smallest go first.

A new score is a function here and a line in SCORES.
"""

import torch
from torch import Tensor, nn


def magnitude(weights: dict[str, nn.Parameter], *, seed: int) -> dict[str, Tensor]:
    """The weight itself: L1 unstructured pruning (Han et al. 2015). No copy is made."""
    return {name: weight.detach() for name, weight in weights.items()}


def random(weights: dict[str, nn.Parameter], *, seed: int) -> dict[str, Tensor]:
    """Uniform noise: the control that any score has to beat."""
    generator = torch.Generator().manual_seed(seed)
    return {name: torch.rand(weight.shape, generator=generator).to(weight.device) for name, weight in weights.items()}


SCORES = {"magnitude": magnitude, "random": random}
