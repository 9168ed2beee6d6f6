"""Whole channels: the small network computes what the large one does with these filters silent; which go; how many are left."""

import sys

import pytest
import torch
from torch import Tensor, nn

from prunescope.errors import PrunescopeError
from prunescope.evaluation.packing import pack, unpack
from prunescope.networks import checkpoint
from prunescope.networks.architectures import Architecture, build, fill_
from prunescope.networks.masks import prunable
from prunescope.pruning.channels import FAMILIES, kept_channels, linked, norms, thinned
from prunescope.study import contradictions
from prunescope.study.architectures import ARCHITECTURES

pytest.importorskip("torch_pruning", reason="needs torch-pruning: pip install 'prunescope[channels]'")

NETWORKS = (
    Architecture("vgg11", 5, width=0.125, head="compact"),
    Architecture("vgg11_bn", 5, width=0.0625),  # a flattened map of 7x7 before the classifier
    Architecture("densenet121", 5, width=0.25),
    Architecture("densenet121", 5, width=0.125, stem="cifar"),
    Architecture("resnet18", 5),
    Architecture("resnet18", 5, stem="cifar"),
    Architecture("resnet50", 5),
)


def trained(architecture: Architecture) -> nn.Module:
    """A network whose batch norms have something to do, as after training."""
    network = build(architecture).eval()
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.running_mean, 0, 0.1)  # pyright: ignore[reportArgumentType]
            nn.init.uniform_(module.running_var, 0.5, 1.5)  # pyright: ignore[reportArgumentType]
            nn.init.normal_(module.weight, 1, 0.2)
            nn.init.normal_(module.bias, 0, 0.2)
    return network


def of(architecture: Architecture, state: dict[str, Tensor]) -> nn.Module:
    network = build(architecture).eval()
    fill_(network, state)
    return network


def silence_(network: nn.Module, kept: dict[str, list[Tensor]]) -> None:
    """Every layer's removed outputs are zero from here on; what reads them is left alone."""
    for name, (outputs, *_) in kept.items():

        def hush(module: nn.Module, given: object, out: Tensor, outputs: Tensor = outputs) -> Tensor:
            return out * outputs.view(1, -1, *[1] * (out.ndim - 2))

        network.get_submodule(name).register_forward_hook(hush)


@pytest.mark.parametrize("architecture", NETWORKS, ids=lambda of: f"{of.name}-{of.stem}-{of.head}")
def test_it_computes_what_the_large_one_does_without_these_filters(architecture) -> None:
    network = trained(architecture)
    small = of(*thinned(network, architecture, 0.6)).double()
    images = torch.randn(4, 3, 64, 64, dtype=torch.float64)
    whole = network.double()
    with torch.inference_mode():
        before = whole(images)
        silence_(whole, kept_channels(network, 0.6))
        torch.testing.assert_close(small(images), whole(images), rtol=1e-9, atol=1e-9)
        assert not torch.allclose(before, small(images), rtol=1e-3, atol=1e-3), "the filters that went did something"


@pytest.mark.parametrize("sparsity", [0.5, 0.8, 0.95])
@pytest.mark.parametrize("architecture", [
    Architecture("vgg16_bn", 10, width=0.25, head="compact"), Architecture("vgg11", 10, width=0.25),
    Architecture("densenet121", 10, width=0.25), Architecture("resnet18", 10, stem="cifar"), Architecture("resnet50", 100),
], ids=lambda of: getattr(of, "name", of))  # fmt: skip
def test_as_many_parameters_as_pruning_leaves(architecture, sparsity) -> None:
    network = build(architecture)
    wanted = sum(weight.numel() for weight in network.parameters())
    wanted -= sparsity * sum(weight.numel() for weight in prunable(network).values())
    found = sum(weight.numel() for weight in of(*thinned(network, architecture, sparsity)).parameters())
    assert found == pytest.approx(wanted, rel=0.015)


def test_filters_of_the_smallest_norm_go() -> None:
    architecture = Architecture("vgg11_bn", 5, width=0.25, head="compact")
    network = build(architecture)
    small, state = thinned(network, architecture, 0.7)
    before = torch.tensor([0, 1, 2])  # of the layer below; of the first one the image's
    for layer in ("features.0", "features.4", "features.8"):
        weight = network.get_parameter(f"{layer}.weight").detach()
        assert small.channels is not None
        left = small.channels[layer][0]
        assert 0 < left < len(weight)
        strongest = weight.abs().sum((1, 2, 3)).topk(left).indices.sort().values
        assert torch.equal(state[f"{layer}.weight"], weight[strongest][:, before])
        assert torch.equal(state[f"{layer}.bias"], network.get_parameter(f"{layer}.bias")[strongest])
        before = strongest


def test_of_equal_filters_the_first_stay() -> None:
    architecture = Architecture("vgg11", 5, width=0.25, head="compact")
    network = build(architecture)
    nn.init.ones_(network.get_parameter("features.0.weight"))
    outputs = kept_channels(network, 0.7)["features.0"][0]
    assert outputs.tolist() == sorted(outputs.tolist(), reverse=True) and 0 < outputs.sum() < len(outputs)


def test_added_channels_go_together_by_all_their_filters() -> None:
    network = trained(Architecture("resnet18", 5))
    makers = ("conv1", "layer1.0.conv2", "layer1.1.conv2")
    wanted = torch.stack([network.get_parameter(f"{name}.weight").double().abs().sum((1, 2, 3)) for name in makers]).sum(0)
    groups = linked(network)
    assert {part.layer for part in groups[0] if part.dim == 0 and "bn" not in part.layer} == set(makers)
    assert torch.allclose(norms(network, groups[0]), wanted)
    kept = kept_channels(network, 0.8)
    assert all(torch.equal(kept[name][0], kept["conv1"][0]) for name in makers)
    assert torch.equal(kept["layer2.0.downsample.0"][1], kept["conv1"][0])


@pytest.mark.parametrize("name", ["vgg11_bn", "densenet121", "resnet18"])
def test_no_layer_is_emptied_and_the_outputs_stay(name) -> None:
    architecture = Architecture(name, 7, width=0.0625 if name == "vgg11_bn" else 1.0, head="compact")
    small, state = thinned(build(architecture), architecture, 0.999)
    assert small.channels
    least = min(min(size) for size in small.channels.values())
    assert least == 1 if name == "vgg11_bn" else 1 <= least < 8
    assert of(small, state)(torch.randn(2, 3, 64, 64)).shape == (2, 7)


def test_without_pruning_it_is_the_network_itself() -> None:
    architecture = Architecture("vgg11", 5, width=0.0625, head="compact")
    network = build(architecture)
    small, state = thinned(network, architecture, 0.0)
    assert small == architecture and all(torch.equal(tensor, state[name]) for name, tensor in network.state_dict().items())


def test_the_same_network_gives_the_same_and_is_left_as_it_is() -> None:
    architecture = Architecture("densenet121", 5, width=0.125)
    network = trained(architecture).train()
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    (first, one), (second, two) = (thinned(network, architecture, 0.8) for _ in range(2))
    assert first == second and all(torch.equal(tensor, two[name]) for name, tensor in one.items())
    assert network.training and all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())


def test_what_is_thin_can_become_thinner() -> None:
    architecture = Architecture("vgg11_bn", 5, width=0.125, head="compact")
    once, state = thinned(build(architecture), architecture, 0.5)
    twice, less = thinned(of(once, state), once, 0.5)
    assert of(twice, less)(torch.randn(2, 3, 32, 32)).shape == (2, 5)
    assert once.channels and twice.channels and twice.channels["features.0"][0] < once.channels["features.0"][0] < 8


@pytest.mark.parametrize("architecture", NETWORKS[1:5:2], ids=lambda of: of.name)
def test_a_checkpoint_is_built_again_without_torch_pruning(tmp_path, monkeypatch, architecture) -> None:
    small, state = thinned(trained(architecture), architecture, 0.8)
    saved = checkpoint.Checkpoint("finetuned", small, state, about={"sparsity": 0.8})
    monkeypatch.setitem(sys.modules, "torch_pruning", None)
    checkpoint.write(tmp_path / "a.safetensors", saved)
    images, again = torch.randn(2, 3, 64, 64), checkpoint.read(tmp_path / "a.safetensors")
    assert again.architecture == small
    packed = unpack(pack(again), tmp_path / "a.packed")
    for found in (again, packed):
        assert all(torch.equal(tensor, state[name]) for name, tensor in found.network().state_dict().items())
        assert torch.equal(found.network().eval()(images), of(small, state)(images))


@pytest.mark.parametrize("name", ["resnext50_32x4d", "squeezenet1_1", "vit_b_16", "efficientnet_b0"])
def test_other_architectures_are_refused(name) -> None:
    with pytest.raises(PrunescopeError, match=f"found {name}, wanted VGG, DenseNet or ResNet"):
        thinned(nn.Identity(), Architecture(name, 5), 0.8)


def test_without_torch_pruning_it_is_said_what_is_missing(monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "torch_pruning", None)
    architecture = Architecture("vgg11", 5, width=0.0625, head="compact")
    with pytest.raises(PrunescopeError, match="found no package torch_pruning, wanted it to remove channels"):
        thinned(build(architecture), architecture, 0.8)


def test_params_take_the_same_families() -> None:
    assert set(contradictions.WITH_CHANNELS) == set(FAMILIES)
    taken = [name for name in ARCHITECTURES if name.startswith(FAMILIES)]
    assert len(taken) == 8 + 4 + 5 + 2
