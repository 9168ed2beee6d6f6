"""Masks: which weights survive. A mask is boolean, True = kept, and has the shape of its weight.

`weights` and `masks` are dicts in network order, keyed by parameter name ("features.0.weight"). Which weights go is chosen in
pruning/selection.py.
"""

from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase

import torch
from torch import Tensor, nn

from prunescope.errors import PrunescopeError


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
