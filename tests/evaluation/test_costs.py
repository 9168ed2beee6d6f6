"""Costs against published numbers and against sums done by hand."""

import pytest
import torch
from torch import nn

from prunescope.evaluation.costs import costs, macs_per_layer
from prunescope.networks.architectures import Architecture, build
from prunescope.networks.masks import apply_, ones, prunable
from prunescope.pruning.selection import keep_top


def macs_of(name: str, image_size: int, **changes) -> dict[str, int]:
    with torch.device("meta"):
        network = build(Architecture(name, 1000, **changes))
    return macs_per_layer(network, image_size)


@pytest.mark.parametrize("name, image_size, stem, convolutions", [
    ("vgg16", 32, "imagenet", 313_196_544),  # 313.2 M
    ("vgg16", 224, "imagenet", 15_346_630_656),
    ("densenet169", 224, "imagenet", 3_358_179_328),  # 3,358 M
    ("densenet169", 32, "imagenet", 68_534_272),  # 68.5 M
    ("densenet169", 32, "cifar", 1_059_782_656),  # 1,060 M
])  # fmt: skip
def test_convolutions_cost_what_is_published(name, image_size, stem, convolutions) -> None:
    counts = macs_of(name, image_size, stem=stem)
    assert sum(count for layer, count in counts.items() if "classifier" not in layer) == convolutions
    head = {layer: count for layer, count in counts.items() if "classifier" in layer}
    assert sum(head.values()) == {"vgg16": 123_633_664, "densenet169": 1_664_000}[name]


def test_vgg16s_first_layers_by_hand() -> None:
    """Weights times positions: 3 -> 64 channels at 32x32 by 3x3, then 64 -> 64; after pooling 64 -> 128 at 16x16."""
    counts = macs_of("vgg16", 32)
    assert counts["features.0.weight"] == 3 * 64 * 9 * 32 * 32
    assert counts["features.2.weight"] == 64 * 64 * 9 * 32 * 32
    assert counts["features.5.weight"] == 64 * 128 * 9 * 16 * 16
    assert len(counts) == 16


class Odd(nn.Module):
    """Strides, groups, a layer used twice, a linear layer on a sequence, and one that is never called."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 4, 3, stride=2, bias=False)  # 9 px -> 4 px
        self.grouped = nn.Conv2d(4, 4, 1, groups=2)
        self.rows = nn.Linear(16, 5)
        self.unused = nn.Linear(7, 7)

    def forward(self, x):
        return self.rows(self.grouped(self.grouped(self.first(x))).flatten(2))


def test_strides_groups_repeated_and_unused_layers_by_hand() -> None:
    network = Odd().train()
    assert macs_per_layer(network, 9) == {
        "first.weight": 3 * 4 * 9 * 16,
        "grouped.weight": 2 * (4 * 2 * 16),
        "rows.weight": 16 * 5 * 4,
    }
    assert network.training and not any(module._forward_hooks for module in network.modules())


class Last(nn.Module):
    """Channels last with a linear layer, as ConvNeXt and Swin have it."""

    def __init__(self) -> None:
        super().__init__()
        self.mix = nn.Linear(3, 12)

    def forward(self, x):
        return self.mix(x.permute(0, 2, 3, 1)).mean((1, 2))


def test_a_linear_layer_on_channels_last_maps_by_hand() -> None:
    assert macs_per_layer(Last(), 8) == {"mix.weight": 3 * 12 * 8 * 8}


def toy() -> nn.Sequential:
    """Weights 54 + 24 = 78, biases 2 + 3, batch norm 4 and its statistics 4 floats and one int64."""
    return nn.Sequential(nn.Conv2d(3, 2, 3, padding=1), nn.BatchNorm2d(2), nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(8, 3))


def test_a_dense_network_by_hand() -> None:
    assert costs(toy(), {}, 4) == {
        "parameters": 87,
        "nonzero_parameters": 87,
        "compression_ratio": 1.0,
        "macs": 54 * 16 + 24,
        "nonzero_macs": 54 * 16 + 24,
        "size_dense_bytes": 4 * 91 + 8,
    }


def test_a_pruned_network_by_hand() -> None:
    """27 of 54 and 6 of 24 weights stay."""
    network = toy()
    weights = prunable(network)
    masks = {}
    for (name, weight), keep in zip(weights.items(), (27, 6), strict=True):
        masks |= keep_top({name: weight.detach()}, {name: ones(weights)[name]}, keep)
    apply_(weights, masks)
    found = costs(network, masks, 4)
    assert found == {
        "parameters": 87,
        "nonzero_parameters": 87 - 27 - 18,
        "compression_ratio": 87 / 42,
        "macs": 54 * 16 + 24,
        "nonzero_macs": 27 * 16 + 6,
        "size_dense_bytes": 4 * 91 + 8,
    }


def test_nonzero_counts_look_at_the_weights_and_leave_zero_biases_alone() -> None:
    network = toy()
    assert not network.get_parameter("1.bias").any(), "batch norm starts with zero biases"
    weights = prunable(network)
    apply_(weights, {name: torch.zeros_like(weight, dtype=torch.bool) for name, weight in weights.items()})
    found = costs(network, ones(weights), 4)
    assert (found["nonzero_parameters"], found["nonzero_macs"]) == (9, 0)
