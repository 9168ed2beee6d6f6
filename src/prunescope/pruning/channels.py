"""Whole channels instead of single weights: a network that is smaller, and so faster too.

Filters go by their L1 norm (Li et al. 2017), the same share of them in every layer: norms of filters of different sizes do not
compare, and one ranking of all can empty whole layers. So what is left has the shape of the control `narrow`, give or take a
channel, and differs from it in where its weights come from. Which channels can only go together, as they are added to each
other, and who reads them, tells torch-pruning's dependency graph; a finished network needs it no more.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from prunescope.errors import PrunescopeError
from prunescope.networks.architectures import Architecture
from prunescope.networks.masks import prunable
from prunescope.networks.sizes import sizes_of

FAMILIES = ("vgg", "densenet", "resnet", "wide_resnet")  # of architectures; ResNeXt's convolutions are grouped
HALVINGS = 24  # of the interval that the share lies in: finer than a channel
SIDE = 64  # px of the image that the graph is traced with


@dataclass(frozen=True)
class Part:
    """What a layer has of channels that go together: `places` (n,) of its outputs (dim 0) or inputs (dim 1), each of the channel
    in `channels` (n,)."""

    layer: str
    dim: int
    places: Tensor
    channels: Tensor


Group = Sequence[Part]
"""All that goes with the same channels; the first part puts them out."""
Kept = dict[str, list[Tensor]]
"""By a layer's name, which (True) of its outputs, and of its inputs, stay."""


def require_family(name: str) -> None:
    """Raise PrunescopeError for an architecture whose channels cannot be removed here."""
    if not name.startswith(FAMILIES):
        raise PrunescopeError(f"found {name}, wanted VGG, DenseNet or ResNet: of others no whole channels are removed here")


def thinned(network: nn.Module, architecture: Architecture, sparsity: float) -> tuple[Architecture, dict[str, Tensor]]:
    """(what is left, its state dict) when filters of the smallest L1 norm went, until there are as many parameters as are nonzero
    in the network at `sparsity` (a fraction). As near as whole channels allow; the classifier's outputs stay.

    network: built as `architecture`, on the CPU; it is left as it is
    """
    require_family(architecture.name)
    kept = kept_channels(network, sparsity)
    sizes = {name: [int(mask.sum()) for mask in masks] for name, masks in kept.items()}
    whole = sizes_of(network)
    channels = dict(architecture.channels or {}) | {name: size for name, size in sizes.items() if size != whole[name]}
    return replace(architecture, channels=channels or None), _cut(network.state_dict(), kept)


def kept_channels(network: nn.Module, sparsity: float) -> Kept:
    """Which outputs and inputs of each layer stay, in network order."""
    groups = linked(network)
    return _kept(network, groups, _counts(network, groups, sparsity))


def linked(network: nn.Module) -> list[Group]:
    """All channels but the network's outputs as groups that can only go together, in network order."""
    try:
        import torch_pruning
    except ImportError as error:
        raise PrunescopeError(
            "found no package torch_pruning, wanted it to remove channels (study.channels): pip install 'prunescope[channels]'"
        ) from error
    names = {module: name for name, module in network.named_modules()}
    layers = [module for module in names if isinstance(module, nn.Conv2d | nn.Linear)]
    order = {names[layer]: place for place, layer in enumerate(layers)}
    training = network.training
    with torch.inference_mode(False), torch.enable_grad():  # the graph is read from autograd's
        image = next(network.parameters()).new_zeros(1, 3, SIDE, SIDE)
        graph = torch_pruning.DependencyGraph().build_dependency(network.eval(), image)
        found = [
            list(_parts(graph, group, names))
            for group in graph.get_all_groups(ignored_layers=layers[-1:], root_module_types=(nn.Conv2d, nn.Linear))
        ]
    network.train(training)
    makers = [[of for of in group if of.dim == 0 and of.layer in order] for group in found]
    first = [min(order[of.layer] for of in group) for group in makers]
    return [found[place] for place in sorted(range(len(found)), key=first.__getitem__)]


def _parts(graph, group, names: dict[nn.Module, str]) -> Iterator[Part]:
    for item in group:
        layer = item.dep.target.module
        if isinstance(layer, nn.Conv2d | nn.Linear | nn.BatchNorm2d):
            inputs = not isinstance(layer, nn.BatchNorm2d) and not graph.is_out_channel_pruning_fn(item.dep.handler)
            yield Part(names[layer], int(inputs), torch.tensor(item.idxs), torch.tensor(item.root_idxs))


def _counts(network: nn.Module, groups: Sequence[Group], sparsity: float) -> list[int]:
    """How many channels of each group stay, at least one: the same share of all, found by bisection."""
    whole = {name: list(size) for name, size in sizes_of(network).items()}
    numbers = [len(group[0].channels) for group in groups]
    removed = sparsity * sum(weight.numel() for weight in prunable(network).values())
    wanted = sum(weight.numel() for weight in network.parameters()) - removed

    def at(share: float) -> list[int]:
        # Groups come to a channel less one after the other: of layers of the same width not all at once.
        return [max(1, n - int(n * share + place / len(groups))) for place, n in enumerate(numbers)]

    def miss(counts: Sequence[int]) -> float:
        sizes = {name: list(size) for name, size in whole.items()}
        for group, n, count in zip(groups, numbers, counts, strict=True):
            for part in group:
                sizes[part.layer][part.dim] -= (n - count) * len(part.places) // n
        return _parameters(network, sizes) - wanted

    low, high = 0.0, 1.0
    tried = {low: abs(miss(at(low))), high: abs(miss(at(high)))}
    for _ in range(HALVINGS):
        share = (low + high) / 2
        over = miss(at(share))
        tried[share] = abs(over)
        low, high = (share, high) if over > 0 else (low, share)
    return at(min(tried, key=tried.__getitem__))


def _parameters(network: nn.Module, sizes: dict[str, list[int]]) -> int:
    """How many parameters the network has with layers of these sizes."""
    whole, total = sizes_of(network), 0
    for name, weight in network.named_parameters():
        layer, count = name.rpartition(".")[0], weight.numel()
        for now, before in list(zip(sizes[layer], whole[layer], strict=True))[: weight.ndim]:
            count = count // before * now
        total += count
    return total


def _kept(network: nn.Module, groups: Sequence[Group], counts: Sequence[int]) -> Kept:
    """The strongest `counts` of each group; of equal ones the first."""
    kept: Kept = {name: [torch.ones(n, dtype=torch.bool) for n in size] for name, size in sizes_of(network).items()}
    for group, count in zip(groups, counts, strict=True):
        stays = torch.zeros(len(group[0].channels), dtype=torch.bool)
        stays[norms(network, group).argsort(descending=True, stable=True)[:count]] = True
        for part in group:
            kept[part.layer][part.dim][part.places] = stays[part.channels]
    return kept


def norms(network: nn.Module, group: Group) -> Tensor:
    """The L1 norm (channels,) of the filters that make each channel; where several layers are added, the sum of theirs."""
    found = torch.zeros(len(group[0].channels), dtype=torch.float64)
    for part in group:
        layer = network.get_submodule(part.layer)
        if part.dim == 0 and isinstance(layer, nn.Conv2d | nn.Linear):
            filters = layer.weight.detach().double().abs().flatten(1).sum(1)
            found.index_add_(0, part.channels, filters[part.places])
    return found


def _cut(state: dict[str, Tensor], kept: Kept) -> dict[str, Tensor]:
    cut = {}
    for name, tensor in state.items():
        masks = kept.get(name.rpartition(".")[0], [])[: tensor.ndim]
        for dim, mask in enumerate(masks):
            tensor = tensor.index_select(dim, mask.nonzero().flatten())
        cut[name] = tensor.clone()
    return cut
