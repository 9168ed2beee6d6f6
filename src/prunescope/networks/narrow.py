"""The dense alternative to a pruned network: the same architecture with fewer channels, and as many parameters as are left."""

from dataclasses import replace

from prunescope.errors import PrunescopeError
from prunescope.networks.architectures import Architecture, unfilled
from prunescope.networks.masks import prunable

HALVINGS = 14  # of the interval that the width lies in: finer than a channel


def narrowed(architecture: Architecture, sparsity: float) -> Architecture:
    """The width at which a dense network has as many parameters as this one has nonzero at `sparsity` (a fraction).

    As near as whole channels allow. Raises PrunescopeError for an architecture without a width.
    """
    network = unfilled(architecture)
    removed = sparsity * sum(weight.numel() for weight in prunable(network).values())
    wanted = sum(weight.numel() for weight in network.parameters()) - removed
    low, high = 0.0, architecture.width
    tried = {high: abs(removed)}
    for _ in range(HALVINGS):
        width = (low + high) / 2
        count = parameters(_with(architecture, width))
        tried[width] = abs(count - wanted)
        low, high = (width, high) if count < wanted else (low, width)
    return _with(architecture, min(tried, key=tried.__getitem__))


def parameters(architecture: Architecture) -> int:
    """How many parameters a network has; nothing is computed."""
    return sum(weight.numel() for weight in unfilled(architecture).parameters())


def _with(architecture: Architecture, width: float) -> Architecture:
    if not architecture.name.startswith(("vgg", "densenet")):
        raise PrunescopeError(f"found {architecture.name}, wanted VGG or DenseNet: only these can be made narrower here")
    return replace(architecture, width=width)
