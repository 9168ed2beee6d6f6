"""Masks as a state: what is prunable, what applying does, what has collapsed."""

import pytest
import torch
from torch import nn

from prunescope.errors import PrunescopeError
from prunescope.networks.masks import achieved_sparsity, apply_, collapsed, prunable


def test_applying_makes_removed_weights_plus_zero_and_touches_no_other() -> None:
    weight = nn.Parameter(torch.tensor([-1.0, float("nan"), 3.0, -4.0]))
    apply_({"a": weight}, {"a": torch.tensor([False, False, True, True])})
    assert weight.tolist() == [0.0, 0.0, 3.0, -4.0]
    assert not torch.signbit(weight[:2]).any()
    assert achieved_sparsity({"a": weight, "b": nn.Parameter(torch.ones(6))}) == 0.2


def test_collapsed_layers_are_named_without_the_parameter() -> None:
    masks = {"x.0.weight": torch.zeros(3, dtype=torch.bool), "x.1.weight": torch.tensor([False, True])}
    assert collapsed(masks) == ["x.0"]


class Named(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Conv1d(4, 4, 1), nn.Conv3d(1, 1, 1))
        self.classifier = nn.ModuleList([nn.Linear(4, 4), nn.LayerNorm(4), nn.Linear(4, 2)])


ALL = ["features.0", "features.2", "features.3", "classifier.0", "classifier.2"]


@pytest.mark.parametrize("exclude, left", [
    ((), ALL),
    (("features.0",), ALL[1:]),
    (("classifier*",), ALL[:3]),
    (("*.0",), ["features.2", "features.3", "classifier.2"]),
    (("features.[02]", "classifier.2"), ["features.3", "classifier.0"]),
])  # fmt: skip
def test_prunable_are_convolutions_and_linear_layers_without_the_excluded(exclude, left) -> None:
    network = Named()
    weights = prunable(network, exclude)
    assert list(weights) == [f"{name}.weight" for name in left]
    assert all(weights[name] is network.get_parameter(name) for name in weights)


@pytest.mark.parametrize("exclude, message", [
    (("features.1",), "no layer that can be pruned matches 'features.1'; layers are features.0, features.2"),
    (("features.*", "head"), "matches 'head'"),
    (("*",), "leaves no layer to prune"),
])  # fmt: skip
def test_exclude_patterns_that_cannot_be_meant_are_refused(exclude, message) -> None:
    with pytest.raises(PrunescopeError) as error:
        prunable(Named(), exclude)
    assert message in str(error.value)
