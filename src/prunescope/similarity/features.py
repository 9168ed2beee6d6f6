"""Layer features of a network: which layers, in which order, and what is kept of each output in the forward pass."""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.nn.modules.conv import _ConvNd

from prunescope.errors import PrunescopeError

BLOCK_ELEMENTS = 1 << 18
"""Values that `gram` centres at a time: 1 MB in float32, which stays in a core's cache and does not raise the peak."""


def layer_names(network: nn.Module, layers: str = "all") -> list[str]:
    """Names of the modules that `layers` chooses, in order of definition (`capture` finds the forward order).

    - `"all"`: every convolution, linear and attention module (those that work on something else than the samples, such as
      the networks of Swin v2's position biases, have no features: `unseen` names them);
    - `"blocks"`: the few parts that a network is made of. Of the network's own children, the one with the most
      convolution and linear modules is replaced by its children until there are five parts. DenseNet: stem, dense
      blocks, transitions, classifier; ResNet: stem, stages, classifier; VGG: each convolution, and the classifier;
    - anything else is a regular expression that must match a whole module name: `r"features\\.\\d+"`.

    A module that is registered under two names is listed by the first. PrunescopeError if nothing is chosen.
    """
    known = [name for name, _ in network.named_modules() if name]
    if layers == "all":
        names = [name for name, module in network.named_modules() if _is_layer(module)]
    elif layers == "blocks":
        names = _block_names(network)
    else:
        try:
            names = [name for name in known if re.fullmatch(layers, name)]
        except re.error as error:
            raise PrunescopeError(
                f"found layers {layers!r}, which is no regular expression ({error}); "
                "wanted 'all', 'blocks' or a regular expression over module names"
            ) from error
    if not names:
        shown = ", ".join(known[:8]) + (", ..." if len(known) > 8 else "")
        raise PrunescopeError(
            f"found no layer of {type(network).__name__} for layers {layers!r}; wanted 'all' or 'blocks' (convolution, "
            f"linear), or a regular expression that matches a whole name of: {shown or '(no modules)'}"
        )
    return names


def _is_layer(module: nn.Module) -> bool:
    """Attention puts out what its last projection does, which it never calls as a module."""
    return isinstance(module, _ConvNd | nn.Linear | nn.MultiheadAttention)


def unseen(network: nn.Module, seen: Iterable[str], layers: str = "all") -> list[str]:
    """Layers that `layers` chooses and that have no features among `seen`: functions use their weights, as in attention,
    nothing does, or what they put out has no row for each sample. Of "all" layers these are also attention's first projections,
    which are parameters and no modules."""
    seen, left = set(seen), []
    for name in layer_names(network, layers):
        module, parent = network.get_submodule(name), name.removesuffix(".out_proj")
        if layers == "all" and isinstance(module, nn.MultiheadAttention):
            parts = ("in_proj",) if module.in_proj_weight is not None else ("q_proj", "k_proj", "v_proj")
            left += [f"{name}.{part}".lstrip(".") for part in parts]
        elif name not in seen and not (parent in seen and isinstance(network.get_submodule(parent), nn.MultiheadAttention)):
            left.append(name)
    return left


def _block_names(network: nn.Module, wanted: int = 5) -> list[str]:
    def weight(part: tuple[str, nn.Module]) -> int:
        return sum(_is_layer(module) for module in part[1].modules())

    def never_called(part: tuple[str, nn.Module]) -> bool:  # ModuleList, ModuleDict: only their children have outputs
        return type(part[1]).forward is nn.Module.forward

    def children(part: tuple[str, nn.Module]) -> list[tuple[str, nn.Module]]:
        inner = [(f"{part[0]}.{name}".lstrip("."), module) for name, module in part[1].named_children()]
        return [child for child in inner if weight(child)]

    parts = children(("", network))
    while True:
        closed = [part for part in parts if children(part)]
        lists = [part for part in closed if never_called(part)]
        if not lists and (not closed or len(parts) >= wanted):
            return [name for name, _ in parts]
        opened = max(lists or closed, key=weight)
        at = parts.index(opened)
        parts[at : at + 1] = children(opened)


def home(network: nn.Module) -> torch.device:
    """Device of the network's first parameter; the CPU if it has none."""
    return next((value.device for value in network.parameters()), torch.device("cpu"))


@contextmanager
def evaluating(networks: Iterable[nn.Module], device: torch.device | str | None = None) -> Iterator[None]:
    """Networks in eval mode (and on `device`, if given) inside the block; afterwards in the mode and place they were.

    Each submodule gets its own mode back, also where they differed.
    """
    networks = list(networks)
    modes = [(module, module.training) for network in networks for module in network.modules()]
    homes = [home(network) for network in networks]
    try:
        for network in networks:
            network.eval()
            if device is not None:
                network.to(device)
        yield
    finally:
        for module, training in modes:
            module.training = training
        for network, place in zip(networks, homes, strict=True):
            if device is not None:
                network.to(place)


@contextmanager
def capture(
    network: nn.Module, names: Sequence[str], reduce: Callable[[str, Tensor], Tensor | None] = lambda name, output: output.clone()
) -> Iterator[dict[str, Tensor]]:
    """Yield a dict that each forward pass inside the block fills, in its order, with `reduce(name, output)` per module.

    `reduce` runs inside the hook and returns a tensor of its own: what follows may overwrite the output in place (a
    `ReLU(inplace=True)`), and a kept output would then be the ReLU's. Where it returns None nothing is kept. Clear the
    dict before a further pass. The hooks are gone after the block, however it ends. A module that is not called (an
    auxiliary head in eval mode) has no entry. PrunescopeError for a module that is called twice, since one entry cannot
    stand for two outputs, and for an output that is no tensor.
    """
    found: dict[str, Tensor] = {}

    def keeper(name: str) -> Callable[[nn.Module, object, object], None]:
        def keep(module: nn.Module, inputs: object, output: object) -> None:
            way_out = "choose layers without it (regular expression)"
            if isinstance(module, nn.MultiheadAttention) and isinstance(output, tuple):
                tokens: Tensor = output[0]  # beside them the attention weights
                output = tokens if module.batch_first or tokens.ndim != 3 else tokens.transpose(0, 1)
            if not isinstance(output, Tensor):
                kind = type(output).__name__
                raise PrunescopeError(f"found a {kind} as output of layer {name}; wanted a tensor: {way_out}")
            reduced = reduce(name, output)
            if reduced is not None and name in found:
                raise PrunescopeError(f"found layer {name} called twice in one forward; wanted once: {way_out}")
            if reduced is not None:
                found[name] = reduced

        return keep

    handles = []
    try:
        for name in names:
            handles.append(network.get_submodule(name).register_forward_hook(keeper(name)))
        yield found
    finally:
        for handle in handles:
            handle.remove()


def has_rows(output: Tensor, samples: int) -> bool:
    """Whether the first dimension of a layer's output is the samples."""
    return output.ndim > 0 and len(output) == samples


def flattened(output: Tensor) -> Tensor:
    """A layer's output (n, ...) as features (n, p), at least float32, without a copy where its memory allows.

    The order of the features is the one in memory (a Gram matrix does not depend on it).
    """
    if output.ndim == 4 and output.is_contiguous(memory_format=torch.channels_last) and len(output):
        width = output.numel() // len(output)
        features = output.as_strided((len(output), width), (width, 1))  # one call: a hook finds all caches cold
    else:
        features = output.reshape(len(output) if output.ndim else 1, -1)
    return features if features.dtype in (torch.float32, torch.float64) else features.float()


def pooled(output: Tensor, channels: int = 1) -> Tensor:
    """A layer's output (n, ...) as its means over all positions, (n, channels), at least float32; `channels` is their axis."""
    output = output if output.dtype == torch.float64 else output.float()
    if output.ndim <= 2:
        return output.reshape(len(output) if output.ndim else 1, -1)
    return output.movedim(channels, 1).flatten(2).mean(2)


def channel_axis(module: nn.Module, output: Tensor) -> int:
    """Where the channels of a module's output lie: second after convolutions, last after linear layers, as in transformers.

    Any other module is taken to put out as many channels as its last convolution or linear layer, on the axis of that size.
    """
    layers = [layer for layer in module.modules() if isinstance(layer, _ConvNd | nn.Linear)]
    if not layers or output.ndim <= 2:
        return 1
    last = layers[-1]
    size, axis = (last.out_channels, 1) if isinstance(last, _ConvNd) else (last.out_features, -1)  # type: ignore[union-attr]
    return axis if output.shape[axis] == size else next((of for of in (1, -1) if output.shape[of] == size), axis)


def product(features: Tensor, out: Tensor | None = None) -> Tensor:
    """Gram matrix (n, n) of features (n, p) as they are: in their precision, or on a CPU in pieces that leave its cache to
    others, summed in float64.

    out: where it is written if the product needs no pieces.
    """
    width = BLOCK_ELEMENTS // (2 * max(1, len(features)))
    pieces = features.shape[1] // width if width else 0
    if pieces < 2 or features.device.type != "cpu":
        return torch.mm(features, features.t(), out=out)
    stacked = features[:, : pieces * width].unflatten(1, (pieces, width)).transpose(0, 1)
    rest = features[:, pieces * width :]
    return torch.bmm(stacked, stacked.mT).sum(0, dtype=torch.float64).add_(rest @ rest.T)


def gram(features: Tensor) -> Tensor:
    """Gram matrix (n, n), float64, of features (n, p) that are centred over the n samples first.

    For centred similarity an exact no-op, but in float32 an offset that all samples share would eat the digits. Products
    are taken in the precision of the features block by block and summed in float64 (float32 on a device without it). A
    layer that does not vary over the batch beyond rounding gives exactly zero: equal rows leave a forward pass with a
    spread of 1 to 2 units in the last place of their mean (measured in float32 on VGG16, DenseNet169 and ResNet18);
    below 8 there is nothing to compare.
    """
    n = len(features)
    wide = torch.float32 if features.device.type == "mps" else torch.float64
    total = torch.zeros(n, n, dtype=wide, device=features.device)
    offset = torch.zeros((), dtype=wide, device=features.device)
    # an accelerator wants large products; there the block only bounds the memory
    elements = BLOCK_ELEMENTS if features.device.type == "cpu" else 64 * BLOCK_ELEMENTS
    for block in features.split(max(1, elements // max(1, n)), dim=1):
        mean = block.mean(0)
        centred = block - mean
        total += centred @ centred.T
        offset += n * mean.dot(mean)
    resolution = (8 * torch.finfo(features.dtype).eps) ** 2
    return total * (total.trace() > resolution * offset)
