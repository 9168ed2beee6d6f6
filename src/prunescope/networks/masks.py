"""Masks: which weights survive. A mask is boolean, True = kept, and has the shape of its weight.

`weights` and `masks` are dicts in network order, keyed by parameter name ("features.0.weight"). Which weights go is chosen in
pruning/selection.py.
"""

from collections.abc import Iterator, Mapping, Sequence
from fnmatch import fnmatchcase

import torch
from torch import Tensor, nn

from prunescope.errors import PrunescopeError


def prunable(network: nn.Module, exclude: Sequence[str] = ()) -> dict[str, nn.Parameter]:
    """Weights of all convolution and linear layers and attention projections in network order, without the layers that a
    pattern of `exclude` names.

    Biases, normalisation and embeddings are never prunable. Patterns are shell-style over layer names (`layer_of`: "features.0",
    "classifier*", "*.in_proj"). Raises PrunescopeError for a pattern that matches no layer and when nothing is left.
    """
    weights = {name: weight for prefix, module in network.named_modules() for name, weight in _weights(prefix, module)}
    layers = {layer_of(name): name for name in weights}
    for pattern in exclude:
        if not any(fnmatchcase(layer, pattern) for layer in layers):
            raise PrunescopeError(f"exclude: no layer that can be pruned matches {pattern!r}; layers are {', '.join(layers)}")
    kept = [name for layer, name in layers.items() if not any(fnmatchcase(layer, pattern) for pattern in exclude)]
    if not kept:
        raise PrunescopeError(f"exclude {list(exclude)} leaves no layer to prune; name fewer layers")
    return {name: weights[name] for name in kept}


def _weights(prefix: str, module: nn.Module) -> Iterator[tuple[str, nn.Parameter]]:
    """A module's own weights that can be pruned. Attention has its first projections as parameters, not as layers."""
    own = ("weight",) if isinstance(module, nn.Conv1d | nn.Conv2d | nn.Conv3d | nn.Linear) else ()
    if isinstance(module, nn.MultiheadAttention):
        own = ("in_proj_weight", "q_proj_weight", "k_proj_weight", "v_proj_weight")
    for name in own:
        if getattr(module, name) is not None:
            yield f"{prefix}.{name}".lstrip("."), getattr(module, name)


def layer_of(name: str) -> str:
    """The layer that a weight belongs to: "features.0" of "features.0.weight", "x.in_proj" of "x.in_proj_weight"."""
    return name.removesuffix(".weight").removesuffix("_weight")


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
    return [layer_of(name) for name, mask in masks.items() if not bool(mask.any())]
