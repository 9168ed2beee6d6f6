"""Layers of fewer channels than published: built from a checkpoint's header alone, and no word of them in any other header."""

import json
import re

import pytest
import torch
from safetensors import safe_open
from torch import nn

from prunescope.errors import PrunescopeError
from prunescope.networks import checkpoint
from prunescope.networks.architectures import Architecture, build, skeleton
from prunescope.networks.sizes import resize_, sizes_of

FEWER = {"features.0": [3, 3], "features.1": [3], "features.4": [8, 3]}


def test_headers_of_whole_networks_say_nothing_of_channels(tmp_path) -> None:
    """So their bytes, and the SHA-256 by which others name them, are what they were."""
    whole, channels = Architecture("squeezenet1_1", 3), {"features.0": [5, 3]}
    assert list(whole.as_dict()) == ["name", "classes", "width", "stem", "head"]
    for architecture in (whole, Architecture("vgg11_bn", 3, width=0.0625, channels=channels)):
        path = tmp_path / f"{architecture.name}.safetensors"
        checkpoint.write(path, checkpoint.Checkpoint("dense", architecture, {"a": torch.zeros(1)}))
        with safe_open(path, framework="pt") as file:
            said = json.loads(file.metadata()["prunescope"])["architecture"]
        assert said.get("channels") == (channels if architecture.channels else None) and ("channels" in said) == bool(
            architecture.channels
        )
        assert checkpoint.read(path).architecture == architecture


def test_layers_have_these_sizes_and_are_else_as_published() -> None:
    whole, small = (build(Architecture("vgg11_bn", 5, width=0.125, head="compact", channels=of)) for of in (None, FEWER))
    assert sizes_of(small) == sizes_of(whole) | FEWER
    for (name, one), (other, two) in zip(whole.named_modules(), small.named_modules(), strict=True):
        assert name == other and type(one) is type(two)
        if isinstance(one, nn.Conv2d) and isinstance(two, nn.Conv2d):
            assert (one.kernel_size, one.stride, one.padding) == (two.kernel_size, two.stride, two.padding)
            assert (one.bias is None) == (two.bias is None)
    shapes = {name: tensor.shape for name, tensor in small.state_dict().items()}
    assert {
        name: tensor.shape
        for name, tensor in skeleton(Architecture("vgg11_bn", 5, 0.125, head="compact", channels=FEWER)).items()
    } == shapes


def test_all_that_a_layer_is_stays() -> None:
    network = nn.Sequential(
        nn.Conv2d(8, 12, (3, 5), 2, (1, 2), 2, groups=4, bias=False, padding_mode="reflect"), nn.BatchNorm2d(12, 0.1, 0.3, False),
        nn.Linear(12, 6, bias=False),
    )  # fmt: skip
    before = [repr(module) for module in network]
    resize_(network, {"0": [8, 4], "1": [8], "2": [6, 8]})
    after = [repr(module) for module in network]
    changed = (("Conv2d(8, 12", "Conv2d(4, 8"), ("BatchNorm2d(12", "BatchNorm2d(8"), ("in_features=12", "in_features=8"))
    assert after == [text.replace(*pair) for text, pair in zip(before, changed, strict=True)]
    with torch.no_grad():
        assert network[0](torch.randn(1, 4, 9, 9)).shape[1] == 8


@pytest.mark.parametrize(("channels", "said"), [
    ({"features.99": [1, 1]}, "channels of layer 'features.99': found [1, 1], wanted one of the layers features.0, features.1"),
    ({"features.2": [1]}, "channels of layer 'features.2': found [1], wanted one of the layers"),
    ({"features.0": [0, 3]}, "channels of layer 'features.0': found [0, 3], wanted 2 number(s) from 1 to [8, 3]"),
    ({"features.0": [9, 3]}, "found [9, 3], wanted 2 number(s) from 1 to [8, 3]"),
    ({"features.0": [4]}, "found [4], wanted 2"),
    ({"features.1": [2.0]}, "found [2.0], wanted 1 number(s) from 1 to [8]"),
    ({"features.1": [True]}, "found [True], wanted 1"),
    ([4, 3], "channels: found [4, 3], wanted a table of layers and their sizes"),
    ({"features.1": 4}, "found 4, wanted 1"),
    ({"features.1": "4"}, "found '4', wanted 1"),
])  # fmt: skip
def test_sizes_that_cannot_be_are_refused(channels, said) -> None:
    with pytest.raises(PrunescopeError, match=re.escape(said)):
        build(Architecture("vgg11_bn", 5, width=0.125, channels=channels))


def test_groups_must_divide_the_channels() -> None:
    with pytest.raises(PrunescopeError, match=re.escape("found [6, 4], wanted multiples of its 4 groups")):
        resize_(nn.Sequential(nn.Conv2d(8, 8, 3, groups=4)), {"0": [6, 4]})
