"""The narrow control has as many parameters as pruning leaves nonzero, as near as whole channels allow."""

import pytest
import torch

from prunescope.errors import PrunescopeError
from prunescope.networks.architectures import Architecture, build
from prunescope.networks.masks import prunable
from prunescope.networks.narrow import narrowed, parameters


def left(architecture: Architecture, sparsity: float) -> float:
    """Counted on the real network: parameters, less the share of the weights of convolutions and linear layers."""
    network = build(architecture)
    total = sum(weight.numel() for weight in network.parameters())
    return total - sparsity * sum(weight.numel() for weight in prunable(network).values())


# A DenseNet's channels are multiples of its growth rate, a whole number of at most 32.
@pytest.mark.parametrize("name, width, near", [("vgg16_bn", 0.25, 0.01), ("vgg11", 0.25, 0.01), ("densenet169", 1.0, 0.15)])
@pytest.mark.parametrize("sparsity", [0.5, 0.8, 0.95, 0.98])
def test_as_many_parameters_as_pruning_leaves(name, width, near, sparsity) -> None:
    wide = Architecture(name, 10, width=width, head="compact")
    narrow = narrowed(wide, sparsity)
    assert narrow.width < wide.width and (narrow.name, narrow.classes, narrow.head) == (name, 10, "compact")
    assert parameters(narrow) == sum(weight.numel() for weight in build(narrow).parameters())
    assert parameters(narrow) == pytest.approx(left(wide, sparsity), rel=near)


def test_no_width_next_to_it_comes_nearer() -> None:
    wide = Architecture("vgg16_bn", 10, width=0.25, head="compact")
    narrow, wanted = narrowed(wide, 0.8), left(wide, 0.8)
    widths = [narrow.width + step / 1000 for step in range(-20, 21)]
    others = [abs(parameters(Architecture("vgg16_bn", 10, width=width, head="compact")) - wanted) for width in widths]
    assert abs(parameters(narrow) - wanted) <= min(others)


def test_without_pruning_it_is_the_network_itself() -> None:
    wide = Architecture("vgg16_bn", 10, width=0.25, head="compact")
    assert narrowed(wide, 0.0) == wide


def test_it_computes() -> None:
    narrow = narrowed(Architecture("densenet169", 7, width=0.25), 0.98)
    with torch.inference_mode():
        assert build(narrow).eval()(torch.randn(2, 3, 32, 32)).shape == (2, 7)


def test_architectures_without_a_width_are_refused() -> None:
    with pytest.raises(PrunescopeError, match="found resnet18, wanted VGG or DenseNet"):
        narrowed(Architecture("resnet18", 10), 0.8)
