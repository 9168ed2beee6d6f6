"""Layers of fewer channels than published: what is left of a network of which whole channels were removed."""

from collections.abc import Mapping, Sequence

from torch import nn

from prunescope.errors import PrunescopeError

Sizes = Mapping[str, Sequence[int]]
"""By a layer's name: [outputs, inputs] of a convolution or linear layer, [channels] of batch norm."""


def sizes_of(network: nn.Module) -> dict[str, list[int]]:
    """The sizes of all layers that have channels, in network order."""
    return {name: found for name, module in network.named_modules() if (found := _size(module))}


def resize_(network: nn.Module, sizes: Sizes) -> None:
    """Put layers of these sizes, with random weights, in the place of those that the network has; all else stays.

    Raises PrunescopeError for a layer that is not there or has no channels, and for a size that is none or larger than it was.
    """
    published = sizes_of(network)
    if not isinstance(sizes, Mapping):
        raise PrunescopeError(f"channels: found {sizes!r}, wanted a table of layers and their sizes")
    for name, size in sizes.items():
        most = published.get(name)
        if most is None or not _fits(size, most):
            raise PrunescopeError(f"channels of layer {name!r}: found {size!r}, wanted {_wanted(most, published)}")
        network.set_submodule(name, _like(network.get_submodule(name), name, list(size)))


def _size(module: nn.Module) -> list[int]:
    if isinstance(module, nn.Conv2d):
        return [module.out_channels, module.in_channels]
    if isinstance(module, nn.Linear):
        return [module.out_features, module.in_features]
    return [module.num_features] if isinstance(module, nn.BatchNorm2d) else []


def _like(old: nn.Module, name: str, size: list[int]) -> nn.Module:
    if isinstance(old, nn.BatchNorm2d):
        return nn.BatchNorm2d(size[0], old.eps, old.momentum, old.affine, old.track_running_stats)
    outputs, inputs = size
    if isinstance(old, nn.Linear):
        return nn.Linear(inputs, outputs, bias=old.bias is not None)
    assert isinstance(old, nn.Conv2d)
    if outputs % old.groups or inputs % old.groups:
        raise PrunescopeError(f"channels of layer {name!r}: found {size}, wanted multiples of its {old.groups} groups")
    shape = old.kernel_size, old.stride, old.padding, old.dilation
    return nn.Conv2d(inputs, outputs, *shape, old.groups, bias=old.bias is not None, padding_mode=old.padding_mode)  # type: ignore[arg-type]


def _fits(size: object, most: Sequence[int]) -> bool:
    """Whether it is a list of numbers that can be; a header may hold anything."""
    if not isinstance(size, list | tuple) or len(size) != len(most):
        return False
    return all(type(number) is int and 0 < number <= limit for number, limit in zip(size, most, strict=True))


def _wanted(most: Sequence[int] | None, published: Sizes) -> str:
    return f"{len(most)} number(s) from 1 to {list(most)}" if most else f"one of the layers {', '.join(published)}"
