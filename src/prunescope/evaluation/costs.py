"""What a network costs: parameters, multiply-accumulates (MACs), bytes. flops = 2 MACs."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn


def macs_per_layer(network: nn.Module, image_size: int) -> dict[str, int]:
    """MACs of one image through each convolution and linear layer, by parameter name of its weight.

    A layer costs its weights times the positions it is applied to. VGG16's convolutions at 32 px: 313.2 M. Attention is not
    counted, as torch's own module calls no layer for it.
    """
    counts: dict[str, int] = {}
    names = {module: name for name, module in network.named_modules()}

    def count(module: Any, inputs: tuple, output: Tensor) -> None:
        name = f"{names[module]}.weight"
        positions = output.numel() // (output.shape[0] * module.weight.shape[0])  # a weight's first axis: output channels
        counts[name] = counts.get(name, 0) + module.weight.numel() * positions

    kinds = (nn.Conv2d, nn.Linear)
    hooks = [module.register_forward_hook(count) for module in network.modules() if isinstance(module, kinds)]
    training = network.training
    network.eval()
    try:
        with torch.inference_mode():
            first = next(network.parameters())
            network(torch.zeros(1, 3, image_size, image_size, device=first.device, dtype=first.dtype))
    finally:
        network.train(training)
        for hook in hooks:
            hook.remove()
    return counts


def costs(network: nn.Module, masks: Mapping[str, Tensor], image_size: int) -> dict[str, int | float]:
    """Flat numbers for the metrics; bytes are of float32 weights, batch-norm statistics included.

    nonzero: counted in the weights. compression_ratio: all parameters over nonzero ones, whole model.
    """
    parameters = dict(network.named_parameters())
    total = sum(p.numel() for p in parameters.values())
    zeros = {name: int((parameters[name] == 0).sum()) for name in masks}
    macs = macs_per_layer(network, image_size)
    dense_bytes = sum(t.numel() * t.element_size() for t in network.state_dict().values())
    nonzero = total - sum(zeros.values())
    alive = sum(count * (1 - zeros.get(name, 0) / parameters[name].numel()) for name, count in macs.items())
    return {
        "parameters": total,
        "nonzero_parameters": nonzero,
        "compression_ratio": total / nonzero,
        "macs": sum(macs.values()),
        "nonzero_macs": round(alive),
        "size_dense_bytes": dense_bytes,
    }


LAYER_COLUMNS = ("layer", "weights", "zeros", "sparsity", "macs", "nonzero_macs")


def layer_rows(network: nn.Module, image_size: int) -> list[tuple[str, int, int, float, int, int]]:
    """`LAYER_COLUMNS` of each convolution and linear layer in forward order; zeros are counted in the weights."""
    parameters = dict(network.named_parameters())
    rows = []
    for name, macs in macs_per_layer(network, image_size).items():
        weights, zeros = parameters[name].numel(), int((parameters[name] == 0).sum())
        rows.append((name.removesuffix(".weight"), weights, zeros, zeros / weights, macs, macs * (weights - zeros) // weights))
    return rows
