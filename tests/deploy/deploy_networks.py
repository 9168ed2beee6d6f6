"""A small pruned network with what it takes, for the tests of using it."""

from pathlib import Path

import torch

from prunescope.networks import checkpoint
from prunescope.networks.architectures import Architecture, build
from prunescope.networks.bits import Bits
from prunescope.networks.inputs import Inputs
from prunescope.networks.masks import apply_, ones, prunable
from prunescope.pruning.selection import keep_top

INPUTS = Inputs("skin", ("mel", "nv", "bkl"), (0.7, 0.5, 0.4), (0.2, 0.25, 0.3), 32)
VGG = Architecture("vgg11_bn", 3, width=0.125, stem="cifar", head="compact")


def pruned(architecture: Architecture = VGG, inputs: Inputs | None = INPUTS, *, sparsity: float = 0.8) -> checkpoint.Checkpoint:
    """Batch norm has statistics, and of each layer's weights the largest are kept: none is left without."""
    torch.manual_seed(0)
    network = build(architecture)
    network.train()
    with torch.no_grad():
        for _ in range(3):
            network(torch.randn(16, 3, 32, 32))
    weights = prunable(network)
    masks = {}
    for name, weight in weights.items():
        one = {name: weight.detach()}
        masks |= keep_top(one, ones({name: weight}), max(1, round(weight.numel() * (1 - sparsity))))
    apply_(weights, masks)
    about = {"stage": "finetune", "seed": 3, "method": "oneshot", "sparsity": sparsity}
    parents = {"base": "1" * 64}
    return checkpoint.Checkpoint(
        "finetuned", architecture, network.state_dict(), Bits(masks), parents=parents, about=about, inputs=inputs
    )


def saved(folder: Path, **options) -> Path:
    path = folder / "oneshot.safetensors"
    checkpoint.write(path, pruned(**options))
    return path
