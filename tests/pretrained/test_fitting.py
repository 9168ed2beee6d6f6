"""What of a file a network takes, and what is refused: all but a last layer of other classes and another stem must fit."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from prunescope.errors import PrunescopeError
from prunescope.networks.architectures import Architecture, build, skeleton
from prunescope.pretrained import fitting
from prunescope.pretrained.fitting import fit
from prunescope.pretrained.reading import PREFIX
from variants import TRIED

TINY = "squeezenet1_1"  # builds in a moment; a narrow VGG takes a second
HEAD = ["classifier.1.bias", "classifier.1.weight"]


def state(architecture: Architecture, seed: int = 5) -> dict[str, Tensor]:
    torch.manual_seed(seed)
    return dict(build(architecture).state_dict())


def refusal(source: dict[str, Tensor], architecture: Architecture) -> str:
    with pytest.raises(PrunescopeError) as error:
        fit(source, architecture, "x.pth")
    return str(error.value)


@pytest.mark.parametrize("name", TRIED)
def test_published_files_of_all_architectures_fit_but_for_the_last_layer(name, monkeypatch) -> None:
    """As torchvision publishes them: 1,000 classes, auxiliary classifiers, old names, and no counters in the oldest."""
    source = skeleton(Architecture(name, 1000))
    assert not [key for key in source if PREFIX.search(key)], "a prefix that is taken away is part of this network's names"
    source = {key: tensor for key, tensor in source.items() if not key.endswith("num_batches_tracked")}
    if name.startswith("vit"):
        for new, old in (("mlp.0.", "mlp.linear_1."), ("mlp.3.", "mlp.linear_2.")):
            source = {key.replace(new, old): tensor for key, tensor in source.items()}
    source |= {f"{part}fc.weight": torch.empty(1000, 9) for part in fitting.AUXILIARY.get(name, ())}
    monkeypatch.setattr(fitting, "_converted", lambda taken, *_: taken)  # they have no values
    taken, untaught = fit(source, Architecture(name, 7), name)
    assert 1 <= len(untaught) <= 2 and {key.rpartition(".")[2] for key in untaught} <= {"weight", "bias"}
    assert len({key.rpartition(".")[0] for key in untaught}) == 1, "one layer"
    assert len(taken) + len(untaught) + len([key for key in source if "ux" in key[:4]]) == len(source)


def test_values_are_the_files_and_the_head_is_taken_where_it_fits() -> None:
    source = state(Architecture(TINY, 7))
    taken, untaught = fit(source, Architecture(TINY, 7), "x.pth")
    assert untaught == [] and len(taken) == 52
    assert all(torch.equal(taken[name], source[name]) for name in source)
    taken, untaught = fit(source, Architecture(TINY, 3), "x.pth")
    assert untaught == HEAD and taken.keys() == source.keys() - set(HEAD)
    assert fit({n: t for n, t in source.items() if n not in HEAD}, Architecture(TINY, 3), "x.pth")[1] == HEAD, "none at all"


def test_densenets_published_names() -> None:
    """The published files have keys such as features.denseblock1.denselayer1.norm.1.weight."""
    source = skeleton(Architecture("densenet121", 1000, width=0.1))
    parts = {f".{part}{n}.": f".{part}.{n}." for part in ("norm", "conv") for n in (1, 2)}
    published = {}
    for name, tensor in state(Architecture("densenet121", 1000, width=0.1)).items():
        found = [part for part in parts if part in name and "denselayer" in name]
        published[name.replace(found[0], parts[found[0]]) if found else name] = tensor
    assert sum(".norm.1." in name for name in published) == 58 * 5
    taken, untaught = fit(published, Architecture("densenet121", 1000, width=0.1), "x.pth")
    assert untaught == [] and taken.keys() == {name for name in source if not name.endswith("num_batches_tracked")}


@pytest.mark.parametrize(("name", "stem"), [("resnet18", "conv1.weight"), ("densenet121", "features.conv0.weight")])
def test_a_replaced_stem_stays_random_and_a_fitting_one_is_taken(name, stem) -> None:
    published = Architecture(name, 7, width=0.1 if name == "densenet121" else 1)
    replaced = replace(published, stem="cifar")
    assert fit(state(published), replaced, "x.pth")[1] == [stem]
    assert fit(state(replaced), replaced, "x.pth")[1] == []
    assert f"1 have another shape ({stem}" in refusal(state(replaced), published)


def test_a_folded_classifier_is_the_same_function_of_a_1x1_map() -> None:
    published = Architecture("vgg11_bn", 7, width=0.05)
    compact = Architecture("vgg11_bn", 7, width=0.05, head="compact")
    source, network = build(published), build(compact)
    taken, untaught = fit(source.state_dict(), compact, "x.pth")
    assert untaught == []
    network.load_state_dict(taken, strict=False)
    images = torch.randn(4, 3, 32, 32)
    with torch.inference_mode():
        assert network.eval().features(images).shape[2:] == (1, 1)  # type: ignore[operator]
        torch.testing.assert_close(network(images), source.eval()(images), rtol=1e-4, atol=1e-5)
    assert sum(p.numel() for p in network.parameters()) < sum(p.numel() for p in source.parameters()) / 2


@pytest.mark.parametrize(("found", "wanted", "said"), [
    (Architecture("vgg11", 7, width=0.05), Architecture("vgg11_bn", 7, width=0.05),
     ("6 of its tensors are left over (features.3.weight 6x3x3x3", "38 of the network's are not in it (features.1.weight 3,")),
    (Architecture("resnet34", 1000), Architecture("resnet18", 7), ("80 of its tensors are left over (layer1.2.conv1.weight 64",)),
    (Architecture("resnet18", 7), Architecture("resnet34", 7), ("80 of the network's are not in it (layer1.2.conv1.weight 64x",)),
    (Architecture(TINY, 7), Architecture("densenet121", 7, width=0.1), ("does not fit densenet121 at width 0.1: 52 of its",)),
    (Architecture("vgg11", 7, width=0.1), Architecture("vgg11", 7, width=0.05),
     ("22 have another shape (features.0.weight 6x3x3x3 for 3x3x3x3", "name another file or model, or use init: random")),
])  # fmt: skip
def test_files_of_other_networks_are_refused(found, wanted, said) -> None:
    message = refusal(state(found), wanted)
    assert all(part in message for part in said), message


@pytest.mark.parametrize("change", [
    lambda s: s.pop("classifier.1.bias"),  # half a last layer
    lambda s: s.update({"classifier.1.weight": torch.ones(9, 511, 1, 1)}),  # of other features
    lambda s: s.update({"classifier.1.bias": torch.ones(8)}),  # of two numbers of classes
    lambda s: s.update({"features.0.bias": torch.ones(63)}),
    lambda s: s.pop("features.0.bias"),
    lambda s: s.update({"loss.weight": torch.ones(3)}),
    lambda s: s.update({"features.0.bias_mask": torch.ones(64)}),
    lambda s: s.update({"AuxLogits.fc.weight": torch.ones(3)}),  # of a network that has none
    lambda s: s.update({"features.0.weight": s["features.0.weight"].mul(99).to(torch.int8)}),
    lambda s: s["features.0.weight"].fill_(float("nan")),
    lambda s: s.update({"features.0.weight": torch.full((64, 3, 3, 3), 1e300, dtype=torch.float64)}),  # infinite in float32
])  # fmt: skip
def test_one_tensor_that_is_wrong_is_enough(change) -> None:
    source = {name: tensor.clone() for name, tensor in state(Architecture(TINY, 9)).items()}
    assert fit(source, Architecture(TINY, 7), "x.pth")[1] == HEAD
    change(source)
    message = refusal(source, Architecture(TINY, 7))
    assert message.startswith("init x.pth") and ("init: random" in message or "wanted numbers" in message)


def test_half_precision_becomes_the_networks() -> None:
    source = {name: tensor.half() for name, tensor in state(Architecture(TINY, 7)).items()}
    taken, _ = fit(source, Architecture(TINY, 7), "x.pth")
    assert {tensor.dtype for tensor in taken.values()} == {torch.float32}
