"""What a later stage would refuse of any network of the study is refused before the first one is trained."""

import copy
import shlex
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from test_params import CONTENT, changed

from graph import items
from prunescope.errors import PrunescopeError
from prunescope.networks.architectures import Architecture, torchvision_models, unfilled
from prunescope.study.contradictions import wants_networks
from prunescope.study.guards import refusal, require_layers_chosen, require_study_fits, sizes
from prunescope.study.tables import Params
from tiny import load_stage, tiny_params


@pytest.fixture
def refused() -> Callable[..., str]:
    """refused(**changes): what is said of the shipped study so changed; empty if it fits."""

    def found(per_epoch: int = 20, **changes: Any) -> str:
        try:
            require_study_fits(
                Params.model_validate(changed(**changes)), "digits", steps=lambda epochs: round(epochs * per_epoch)
            )
        except PrunescopeError as error:
            return str(error)
        return ""

    return found


def test_the_shipped_study_fits_and_is_tried_quickly(refused):
    assert refused() == ""
    begin = time.process_time()
    assert refused() == ""
    assert time.process_time() - begin < 3, "0.4 s on a slow core: nothing is computed"


@pytest.mark.parametrize(("model", "size", "wanted"), [
    ("vit_b_16", 256, "224"), ("vit_b_16", 32, "224"), ("vit_h_14", 223, "224"), ("alexnet", 32, "63 or more"),
])  # fmt: skip
def test_the_sizes_that_a_network_takes_are_named(refused, model, size, wanted):
    own = {"study__models": [model], "distill__teachers": [], "data__digits__network__width": 1.0}
    said = refused(data__digits__prepare__image_size=size, **own)
    assert said.startswith(f"data.digits.prepare.image_size: found {size}, wanted {wanted}, for {model} (")


@pytest.mark.parametrize("model", ["alexnet", "densenet121", "googlenet", "inception_v3", "squeezenet1_0", "vgg11", "vgg16_bn"])
def test_the_smallest_sizes_are_those_that_torchvision_documents(model):
    least = max(torchvision_models().get_model_weights(model).DEFAULT.meta["min_size"])
    network = unfilled(Architecture(model, 2)).eval()
    assert refusal(network, least) == "" and refusal(network, least - 1) != ""
    assert sizes(network, least - 1) == f"{least} or more"


@pytest.mark.parametrize("model", ["regnet_y_400mf", "swin_t", "swin_v2_t", "convnext_tiny", "efficientnet_b0", "mnasnet0_5"])
def test_other_families_are_tried_without_values(model):
    """RegNet computes its widths with tensors, Swin indexes with buffers."""
    assert refusal(unfilled(Architecture(model, 2)).eval(), 32) == ""


def test_the_student_is_tried_before_its_teachers_are_trained(refused):
    student = {"distill__student": "alexnet", "data__digits__network__width": 1.0}
    assert "wanted 63 or more, for alexnet" in refused(**student)
    assert refused(**student, distill__teachers=[]) == ""


def test_all_data_sets_and_models_are_tried_before_the_first(refused):
    """DVC may finish one model, or data set, before it begins the next."""
    rows = {"study__datasets": ["digits", "own"], "data__own__prepare__image_size": 16}
    assert refused(**rows).startswith("data.own.prepare.image_size: found 16, wanted 32 or more, for vgg16_bn")
    said = refused(per_epoch=8)  # enough for the 16 layers of VGG, not for the 169 of DenseNet
    assert said.startswith("prune.layerwise, for densenet169 on digits (steps an epoch: 8): layerwise: recovery_share 0.7")


@pytest.mark.parametrize(("layers", "said"), [
    ("classifer", "cka.layers, for vgg16_bn: found no layer of VGG for layers 'classifer'; wanted 'all' or 'blocks'"),
    (r"classifier\.\d", "cka.layers, for densenet169: found no layer of DenseNet"),
    (r"classifier(\.\d)?", ""), ("blocks", ""),
])  # fmt: skip
def test_layers_to_compare_match_every_network(refused, layers, said):
    assert refused(cka__layers=layers).startswith(said) and bool(refused(cka__layers=layers)) == bool(said)


def test_layers_match_the_student_too(refused):
    """A name that both teachers have and AlexNet has not."""
    student = {"distill__student": "alexnet", "data__digits__network__width": 1.0, "data__digits__prepare__image_size": 64}
    assert refused(cka__layers=r"features\.\d+|features\.norm5", **student) == ""
    assert refused(cka__layers=r"features\.(40|norm5)", **student).startswith(
        "cka.layers, for alexnet: found no layer of AlexNet"
    )


def test_layers_that_cannot_be_compared_are_refused(refused):
    """ResNet calls an activation twice; Swin's table of positions has no row for each image."""
    resnet = {"study__models": ["resnet18"], "distill__teachers": [], "data__digits__network__width": 1.0}
    assert refused(cka__layers=r"layer1\.0\.relu", **resnet).startswith(
        "cka.layers, for resnet18: found layer layer1.0.relu called"
    )
    swin = {"study__models": ["swin_v2_t"], "distill__teachers": [], "data__digits__network__width": 1.0}
    assert "without a row for each image" in refused(cka__layers=r".*cpb_mlp\.0", **swin)
    assert refused(cka__layers="all", **swin) == "", "all are those that can be compared"


def test_patterns_that_match_no_layer_of_some_model(refused):
    prune = copy.deepcopy(CONTENT["prune"])
    prune["oneshot"]["exclude"] = ["classifier.6"]
    said = refused(prune=prune)
    assert said.startswith("prune.oneshot, for densenet169: ") and "matches 'classifier.6'" in said


@pytest.mark.parametrize("stage", ["prune-oneshot", "prune-other", "finetune", "finetune-dense", "distill"])
def test_a_pattern_written_after_the_base_was_trained_is_refused_by_every_stage_that_trains(stage, tmp_path, monkeypatch):
    """DVC restores the base, and with it the look at the study that its stage takes."""
    content = tiny_params() | {"cka": {**tiny_params()["cka"], "layers": "nomatch"}}
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")
    command = next(item["cmd"] for name, item in items(content).items() if name.startswith(f"{stage}@"))
    _, path, *arguments = shlex.split(command)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", [path, *arguments])
    with pytest.raises(PrunescopeError, match=r"cka.layers, for vgg11_bn: found no layer of VGG for layers 'nomatch'"):
        load_stage(Path(path).stem).recipe()  # in a folder without any file that it would read later


def test_sets_of_layers_cost_a_stage_that_trains_nothing(monkeypatch):
    monkeypatch.setattr("prunescope.study.guards.unfilled", None)
    require_layers_chosen(Params.model_validate(CONTENT))


@pytest.mark.parametrize(("changes", "wanted"), [
    ({}, False), ({"cka__layers": "blocks"}, False), ({"cka__layers": r"features\.0"}, True),
    ({"study__models": ["vit_b_16"], "distill__teachers": [], "data__digits__network__width": 1.0}, True),
    ({"data__digits__prepare__image_size": 31}, True), ({"prune__oneshot__exclude": ["classifier*"]}, True),
])  # fmt: skip
def test_networks_are_built_for_a_check_only_where_they_can_refuse(changes, wanted):
    assert wants_networks(Params.model_validate(changed(**changes))) == wanted
