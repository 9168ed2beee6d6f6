"""Architectures: torchvision's own at width 1, fitted to classes, image size and width."""

import subprocess
import sys

import pytest
import torch
from torch import Tensor, nn

from prunescope.errors import PrunescopeError
from prunescope.networks.architectures import Architecture, build, fitted, skeleton
from prunescope.study.recipes import Network

SMALL = {"vgg16_bn": 0.05, "vgg11": 0.05, "densenet169": 0.1, "resnet18": 1.0}


def on_meta(name: str, classes: int = 1000, **changes) -> nn.Module:
    """Built without memory or numbers: only shapes."""
    with torch.device("meta"):
        return build(Architecture(name, classes, **changes))


def parameters(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


TINY = "squeezenet1_1"  # builds in a moment; a narrow VGG takes a second


def random_state(architecture: Architecture, seed: int = 5) -> dict[str, Tensor]:
    torch.manual_seed(seed)
    return build(architecture).state_dict()


@pytest.mark.parametrize("name, published", [
    ("vgg16", 138_357_544), ("vgg16_bn", 138_365_992), ("vgg11", 132_863_336), ("vgg11_bn", 132_868_840),
    ("vgg13", 133_047_848), ("vgg19", 143_667_240), ("densenet121", 7_978_856), ("densenet161", 28_681_000),
    ("densenet169", 14_149_480), ("densenet201", 20_013_928), ("resnet18", 11_689_512),
])  # fmt: skip
def test_parameters_at_width_1_are_those_torchvision_publishes(name, published) -> None:
    """`num_params` in the meta of torchvision's weights, as in the tables at pytorch.org/vision/stable/models.html."""
    assert parameters(on_meta(name)) == published


@pytest.mark.parametrize("name", ["vgg16_bn", "densenet121"])
def test_tensors_at_width_1_have_torchvisions_names_and_shapes(name) -> None:
    from torchvision.models import get_model

    with torch.device("meta"):
        theirs = get_model(name, weights=None)
    shapes = [{key: tensor.shape for key, tensor in n.state_dict().items()} for n in (on_meta(name), theirs)]
    assert shapes[0] == shapes[1]


@pytest.mark.parametrize("name", sorted(SMALL))
def test_networks_have_the_fitted_classes_and_compute_finite_numbers(name) -> None:
    network = build(Architecture(name, 7, width=SMALL[name], head="compact")).eval()
    with torch.inference_mode():
        logits = network(torch.randn(2, 3, 32, 32))
    assert logits.shape == (2, 7)
    assert logits.isfinite().all() and not torch.equal(logits[0], logits[1])


@pytest.mark.parametrize("name", ["vgg11_bn", "vgg16", "vgg19_bn"])
@pytest.mark.parametrize("head", ["torchvision", "compact"])
def test_vggs_fit_together_at_any_width(name, head) -> None:
    network = on_meta(name, 7, width=0.3, head=head)
    assert network.eval()(torch.empty(2, 3, 32, 32, device="meta")).shape == (2, 7)
    norms = [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
    assert bool(norms) == name.endswith("_bn")


def test_the_width_scales_the_channels() -> None:
    vgg = on_meta("vgg16", 10, width=0.25)
    assert [m.out_channels for m in vgg.modules() if isinstance(m, nn.Conv2d)] == [
        16, 16, 32, 32, 64, 64, 64, 128, 128, 128, 128, 128, 128,
    ]  # fmt: skip
    linear = [(m.in_features, m.out_features) for m in vgg.modules() if isinstance(m, nn.Linear)]
    assert linear == [(128 * 49, 1024), (1024, 1024), (1024, 10)]
    densenet = on_meta("densenet169", 10, width=0.25)
    convolutions = [m.out_channels for m in densenet.modules() if isinstance(m, nn.Conv2d)]
    assert convolutions[:3] == [16, 32, 8]  # first, bottleneck of 4 growths, growth
    assert on_meta("vgg16", 10, width=0.001).features[0].out_channels == 1  # type: ignore[index]


def test_the_compact_head_has_one_position_instead_of_49() -> None:
    assert parameters(on_meta("vgg16", 1000, head="compact")) == 138_357_544 - 48 * 512 * 4096
    assert parameters(on_meta("densenet169", head="compact")) == 14_149_480, "DenseNet pools to one position as published"


@pytest.mark.parametrize("name", ["densenet169", "resnet18"])
def test_the_cifar_stem_keeps_the_resolution(name) -> None:
    shapes = {}
    for stem in ("imagenet", "cifar"):
        network = on_meta(name, 10, stem=stem)
        first = next(module for module in network.modules() if isinstance(module, nn.Conv2d))
        seen = []
        body = network.features.denseblock1 if name == "densenet169" else network.layer1  # type: ignore[union-attr]
        body.register_forward_pre_hook(lambda module, inputs, seen=seen: seen.append(inputs[0].shape[2:]))  # type: ignore[operator]
        network.eval()(torch.empty(1, 3, 32, 32, device="meta"))
        shapes[stem] = first.kernel_size, first.stride, tuple(seen[0])
    assert shapes == {"imagenet": ((7, 7), (2, 2), (8, 8)), "cifar": ((3, 3), (1, 1), (32, 32))}


@pytest.mark.parametrize("architecture, message", [
    (Architecture("vgg_16", 10), "model 'vgg_16' is no torchvision classifier; known: alexnet"),
    (Architecture("fcn_resnet50", 10), "no torchvision classifier"),
    (Architecture("resnet18", 10, width=0.5), "width 0.5 for resnet18: only VGG and DenseNet"),
    (Architecture("squeezenet1_1", 10, stem="cifar"), "stem: cifar is known for VGG, DenseNet and ResNet, not for squeezenet1_1"),
    (Architecture(TINY, 10, stem="cfiar"), "stem: found"),
    (Architecture(TINY, 10, head="compat"), "head: found"),
])  # fmt: skip
def test_what_does_not_fit_is_refused(architecture, message) -> None:
    with pytest.raises(PrunescopeError) as error:
        build(architecture)
    assert message in str(error.value)


@pytest.mark.parametrize("model, norms", [("vgg16", 0), ("vgg16_bn", 13)])
def test_the_models_name_decides_on_batch_normalisation(model, norms) -> None:
    architecture = fitted(model, Network(width=0.05, stem="imagenet", head="compact", init="random"), 7)
    assert architecture == Architecture(model, 7, width=0.05, head="compact")
    assert sum(isinstance(module, nn.BatchNorm2d) for module in build(architecture).modules()) == norms


def test_the_same_seed_starts_with_the_same_weights() -> None:
    architecture = Architecture("densenet121", 3, width=0.1)
    first, again, other = (random_state(architecture, seed) for seed in (1, 1, 2))
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not torch.equal(first["features.conv0.weight"], other["features.conv0.weight"])


@pytest.mark.parametrize("name", [TINY, "resnet18", "mnasnet0_5", "regnet_y_400mf", "shufflenet_v2_x0_5"])
def test_a_skeleton_is_the_network_without_its_values(name) -> None:
    """RegNet computes its widths with tensors, which must have values."""
    found, whole = skeleton(Architecture(name, 7)), build(Architecture(name, 7)).state_dict()
    assert {n: (t.shape, t.dtype) for n, t in found.items()} == {n: (t.shape, t.dtype) for n, t in whole.items()}
    assert sum(tensor.is_meta for tensor in found.values()) > 30


def test_building_counting_and_packing_spare_torchs_compiler_which_can_still_be_imported() -> None:
    """Each of them alone would import it, a second of CPU in every stage: torchvision, a mode of dispatch, weights on "meta"."""
    code = (
        "import sys; from prunescope.networks.architectures import Architecture, build, skeleton;"
        "from prunescope.evaluation.costs import costs;"
        "costs(build(Architecture('vgg11', 3, width=0.05, head='compact')), {}, 32);"
        "[skeleton(Architecture(name, 3)) for name in ('vgg16', 'densenet121', 'resnet18', 'swin_t', 'vit_b_16')];"
        "assert 'torchvision' in sys.modules;"
        "assert not [name for name in sys.modules if name.startswith('torch._dynamo')], 'the compiler was imported';"
        "import torch._dynamo, torch._dynamo.utils;"
        "assert torch._dynamo.utils.__file__ and callable(torch._dynamo.optimize);"
        "import torchvision.ops; print(callable(torchvision.ops.roi_align))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.strip() == "True", done.stderr
