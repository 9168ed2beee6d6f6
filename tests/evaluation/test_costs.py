"""Costs against published numbers and against sums done by hand."""

import pytest
import torch
from torch import nn

from prunescope.evaluation.costs import costs, layer_rows, macs_per_weight
from prunescope.networks.architectures import Architecture, build
from prunescope.networks.masks import apply_, ones, prunable
from prunescope.pruning.selection import keep_top


def macs_of(name: str, image_size: int, **changes) -> dict[str, int]:
    with torch.device("meta"):
        network = build(Architecture(name, 1000, **changes))
    return macs_per_weight(network, image_size)[0]


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


@pytest.mark.parametrize("name, image_size, published", [
    ("vgg16", 224, 15.470), ("vit_b_16", 224, 17.564), ("swin_t", 224, 4.491), ("maxvit_t", 224, 5.558),
    ("convnext_tiny", 224, 4.456), ("mnasnet0_5", 224, 0.104), ("inception_v3", 299, 5.713),
])  # fmt: skip
def test_all_products_together_are_torchvisions_and_every_layer_that_is_pruned_has_its_own(name, image_size, published) -> None:
    """`published`: billions, `_ops` of torchvision's weights, which torch's FlopCounterMode counted."""
    with torch.device("meta"):
        network = build(Architecture(name, 1000))
    by_weight, between = macs_per_weight(network, image_size)
    assert round((sum(by_weight.values()) + between) / 1e9, 3) == published
    assert by_weight.keys() == prunable(network).keys()
    assert bool(between) == name.startswith(("vit", "swin", "maxvit"))


@pytest.mark.parametrize("name, parameters", [("vit_b_16", 50), ("swin_t", 53)])
def test_the_projections_of_attention_are_layers(name, parameters) -> None:
    """In ViT they are no modules, in Swin modules that are never called: 24.7 % of vit_b_16, and 24 layers of swin_t."""
    with torch.device("meta"):
        network = build(Architecture(name, 1000))
    weights = prunable(network)
    assert len(weights) == parameters
    matrices = {n for n, w in network.named_parameters() if w.ndim > 1 and "position" not in n and "pos_embed" not in n}
    assert set(weights) == matrices - {"class_token"}


def test_the_table_of_layers_has_a_row_for_each_that_can_be_pruned() -> None:
    network = build(Architecture("swin_t", 3))
    rows = layer_rows(network, 32)
    assert [row[0] for row in rows].count("features.1.0.attn.qkv") == 1 and len(rows) == 53
    unused = layer_rows(Odd(), 9)[-1]
    assert (unused[0], unused[1], unused[4]) == ("unused", 49, 0), "a layer that is never called costs nothing and is named"


def test_attention_by_hand() -> None:
    """4 tokens of 6: three projections of 6x6, the output's, and twice 4 x 4 x 6 between activations."""

    class Attending(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.stem = nn.Conv2d(3, 6, 1)
            self.attention = nn.MultiheadAttention(6, 2, batch_first=True)

        def forward(self, x):
            tokens = self.stem(x).flatten(2).mT
            return self.attention(tokens, tokens, tokens, need_weights=False)[0]

    expected = {"stem.weight": 4 * 18, "attention.in_proj_weight": 4 * 108, "attention.out_proj.weight": 4 * 36}
    network, between = Attending(), 2 * 4 * 4 * 6
    assert macs_per_weight(network, 2) == (expected, between)
    assert torch.backends.mha.get_fastpath_enabled()
    weights = prunable(network)
    apply_(weights, {name: torch.zeros_like(weight, dtype=torch.bool) for name, weight in weights.items()})
    found = costs(network, ones(weights), 2)
    wanted = {"macs": sum(expected.values()) + between, "nonzero_macs": between, "macs_without_weights": between}
    assert {key: found[key] for key in wanted} == wanted, "pruning leaves what has no weights"


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
    assert macs_per_weight(network, 9)[0] == {
        "first.weight": 3 * 4 * 9 * 16,
        "grouped.weight": 2 * (4 * 2 * 16),
        "rows.weight": 16 * 5 * 4,
    }
    assert network.training


class Last(nn.Module):
    """Channels last with a linear layer, as ConvNeXt and Swin have it."""

    def __init__(self) -> None:
        super().__init__()
        self.mix = nn.Linear(3, 12)

    def forward(self, x):
        return self.mix(x.permute(0, 2, 3, 1)).mean((1, 2))


def test_a_linear_layer_on_channels_last_maps_by_hand() -> None:
    assert macs_per_weight(Last(), 8)[0] == {"mix.weight": 3 * 12 * 8 * 8}


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
        "macs_without_weights": 0,
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
        "macs_without_weights": 0,
        "size_dense_bytes": 4 * 91 + 8,
    }


def test_nonzero_counts_look_at_the_weights_and_leave_zero_biases_alone() -> None:
    network = toy()
    assert not network.get_parameter("1.bias").any(), "batch norm starts with zero biases"
    weights = prunable(network)
    apply_(weights, {name: torch.zeros_like(weight, dtype=torch.bool) for name, weight in weights.items()})
    found = costs(network, ones(weights), 4)
    assert (found["nonzero_parameters"], found["nonzero_macs"]) == (9, 0)
