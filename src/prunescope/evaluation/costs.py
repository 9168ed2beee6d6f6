"""What a network costs: parameters, multiply-accumulates (MACs), bytes. flops = 2 MACs."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

from prunescope.networks.masks import layer_of, prunable


def macs_per_weight(network: nn.Module, image_size: int) -> tuple[dict[str, int], int]:
    """MACs of one image: (by parameter name of the weight that is multiplied, in forward order; between activations).

    Every product is counted where torch dispatches it, with torch's own formulas (torch.utils.flop_counter), so that it does not
    matter whether a layer is called or its weight is used by a function, as attention does. What attention multiplies
    without weights, queries by keys and the result by values, is the second number: pruning leaves it as it is.
    VGG16's convolutions at 32 px: 313.2 M.
    """
    counting = _Counting(network)
    training = network.training
    network.eval()
    try:
        with torch.no_grad(), sdpa_kernel(SDPBackend.MATH), _plain_attention(), counting:
            first = next(network.parameters())
            network(torch.zeros(1, 3, image_size, image_size, device=first.device, dtype=first.dtype))
    finally:
        network.train(training)
    return counting.by_weight, counting.between


class _Counting(TorchDispatchMode):
    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.names = {weight.untyped_storage()._cdata: name for name, weight in network.named_parameters() if weight.ndim > 1}
        self.by_weight: dict[str, int] = {}
        self.between = 0

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """No: torch would import its whole compiler to keep it away from this mode, 1.1 s of CPU a stage (torch 2.15)."""
        return False

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func._overloadpacket not in flop_registry:
            with self:
                pieces = func.decompose(*args, **kwargs)
            return func(*args, **kwargs) if pieces is NotImplemented else pieces
        out = func(*args, **kwargs)
        macs = flop_registry[func._overloadpacket](*args, **kwargs, out_val=out) // 2
        used = [value.untyped_storage()._cdata for value in args if isinstance(value, Tensor)]
        name = next((self.names[place] for place in used if place in self.names), None)
        if name is None:
            self.between += macs
        else:
            self.by_weight[name] = self.by_weight.get(name, 0) + macs
        return out


@contextmanager
def _plain_attention() -> Iterator[None]:
    """torch's attention by its parts: outside of training it would be one operation that counts for nothing."""
    before = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        yield
    finally:
        torch.backends.mha.set_fastpath_enabled(before)


def costs(network: nn.Module, masks: Mapping[str, Tensor], image_size: int) -> dict[str, int | float]:
    """Flat numbers for the metrics; bytes are of float32 weights, batch-norm statistics included.

    nonzero: counted in the weights. compression_ratio: all parameters over nonzero ones, whole model. macs_without_weights: the
    part of macs, and of nonzero_macs, that belongs to no layer, see `macs_per_weight`.
    """
    parameters = dict(network.named_parameters())
    total = sum(p.numel() for p in parameters.values())
    zeros = {name: int((parameters[name] == 0).sum()) for name in masks}
    macs, between = macs_per_weight(network, image_size)
    dense_bytes = sum(t.numel() * t.element_size() for t in network.state_dict().values())
    nonzero = total - sum(zeros.values())
    alive = sum(count * (1 - zeros.get(name, 0) / parameters[name].numel()) for name, count in macs.items())
    return {
        "parameters": total,
        "nonzero_parameters": nonzero,
        "compression_ratio": total / nonzero,
        "macs": sum(macs.values()) + between,
        "nonzero_macs": round(alive) + between,
        "macs_without_weights": between,
        "size_dense_bytes": dense_bytes,
    }


LAYER_COLUMNS = ("layer", "weights", "zeros", "sparsity", "macs", "nonzero_macs")


def layer_rows(network: nn.Module, image_size: int) -> list[tuple[str, int, int, float, int, int]]:
    """`LAYER_COLUMNS` of each layer that can be pruned, in forward order; zeros are counted in the weights."""
    weights = prunable(network)
    macs, _ = macs_per_weight(network, image_size)
    rows = []
    for name in (*(name for name in macs if name in weights), *(name for name in weights if name not in macs)):
        size, zeros, cost = weights[name].numel(), int((weights[name] == 0).sum()), macs.get(name, 0)
        rows.append((layer_of(name), size, zeros, zeros / size, cost, cost * (size - zeros) // size))
    return rows
