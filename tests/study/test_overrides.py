"""`prunescope check -S`: what `dvc exp run -S` would make of the file, all that is wrong with it at once, and nothing written."""

import re
import shlex
from pathlib import Path

import pytest
from test_set_param import SHIPPED, set_params

from prunescope.errors import PrunescopeError
from prunescope.study.params import load, teachers_left


def problems(*overrides: str, path: Path = SHIPPED) -> list[str]:
    try:
        load(path, overrides)
    except PrunescopeError as error:
        return str(error).split("\n  ")[1:]
    return []


@pytest.mark.parametrize("overrides", [
    ("sparsity=0.5",), ("params.yaml:study.seeds=[0,1]", "cka.pool=true"), ("data.own.prepare.path='/my data, new'",),
    ("data.cifar100-small.training.weight_decay=0.00005", "study.name=mine"), ("+prune.rewind-rate.exclude=[classifier*]",),
])  # fmt: skip
def test_it_is_what_dvc_writes(tmp_path, overrides):
    before = SHIPPED.read_bytes()
    written = set_params(tmp_path, *(override.removeprefix("params.yaml:") for override in overrides))
    assert load(SHIPPED, overrides) == load(written) != load(SHIPPED)
    assert SHIPPED.read_bytes() == before


@pytest.mark.parametrize(("override", "line"), [
    ("study.seeds=3", "study.seeds: found 3, wanted a list"),
    ("study.models=vgg16", "study.models: found 'vgg16', wanted a list"),
    ("study.seeds=[]", "study.seeds: found [], wanted at least one, none twice"),
    ("study.datasets=[cifar10]", "study.datasets: found 'cifar10', wanted one of the rows of data: digits, cifar100-small"),
])  # fmt: skip
def test_where_dvc_itself_breaks_the_key_is_named(override, line):
    (only,) = problems(override)
    assert only.startswith(line)


def test_a_file_that_dvc_has_broken_says_how(tmp_path):
    """It writes `seeds: [] # comment` into the line after it."""
    path = set_params(tmp_path, "study.seeds=[]")
    with pytest.raises(PrunescopeError, match=r"cannot be read as YAML.*\n.*\n.*\n.*\n.*git checkout .*params\.yaml"):
        load(path)


@pytest.mark.parametrize("override", ["sparsty=0.5", "sparsity", "[", "sparsity=0.5,0.7", "prune.x.step=0.1"])
def test_what_dvc_would_refuse_is_one_line(override):
    with pytest.raises(PrunescopeError, match=r"^-S .*; wanted key=value with a key of params\.yaml$"):
        load(SHIPPED, [override])


@pytest.mark.parametrize("models", ["resnet18", "resnet18,vgg16_bn", "vit_b_16,resnet50,densenet121"])
def test_any_model_runs_once_what_the_lines_say_is_typed(models):
    first = problems(f"study.models=[{models}]")
    typed = [re.findall(r": (-S .*)$", line) for line in first]
    assert typed and all(len(found) == 1 for found in typed), "one thing to type a line"
    assert problems(f"study.models=[{models}]", *(shlex.split(found[0])[1] for found in typed)) == []


def test_teachers_that_are_models_stay():
    (only,) = problems("distill.teachers=[densenet169,alexnet,vgg16_bn]")
    assert only.endswith('-S "distill.teachers=[densenet169,vgg16_bn]"')


def test_widths_and_stems_that_a_network_does_not_have():
    width = "data.digits.network.width: found 0.25, wanted 1 for resnet18: -S data.digits.network.width=1"
    assert problems("distill.student=resnet18") == [width]
    assert problems("distill.student=resnet18", "distill.teachers=[]") == []
    assert problems("study.models=[vit_b_16]", "distill.teachers=[]", "data.digits.network.stem=cifar")[1:] == [
        "data.digits.network.stem: found cifar, wanted imagenet for vit_b_16: -S data.digits.network.stem=imagenet"
    ]


def test_mistakes_and_contradictions_are_said_together():
    """What is contradicted by a mistaken value is left out; everything else is said at once."""
    wrong = ("study.seeds=3", "sparsity=much", "data.digits.training.batch_size=x", "prune.lottery=5", "cka.layers='('")
    odd = ("method=magic", "distill.student=tree", "data.digits.prepare.path=x", "data.digits.training.crop_padding=99")
    rows = ("prune.oneshot.plan=iterative", "study.other_methods=[erk]", "distill.teachers=[alexnet]")
    assert [line.partition(":")[0] for line in problems(*wrong, *odd, *rows)] == [
        "sparsity", "study.seeds", "prune.lottery", "data.digits.training.batch_size", "method", "distill.student", "cka.layers",
        "study.other_methods", "prune.oneshot.plan", "data.digits.prepare", "data.digits.training.crop_padding",
        "distill.teachers",
    ]  # fmt: skip


@pytest.mark.parametrize("table", ["study", "prune", "data", "distill", "data.digits", "prune.iterative", "runtime"])
def test_a_table_that_is_none_hides_no_other_problem(table):
    found = [line.partition(":")[0] for line in problems(f"{table}=3", "evaluate.ece_bins=0", "cka.layers='('")]
    assert found == ([table, "evaluate.ece_bins"] if table != "runtime" else ["evaluate.ece_bins", table]) + ["cka.layers"]


def test_a_row_with_mistakes_hides_no_problem_of_the_next():
    found = problems("study.datasets=[digits,own]", "data.digits.prepare=3", "data.own.prepare.source=digits")
    assert [line.partition(":")[0] for line in found] == ["data.digits.prepare", "data.own.prepare"]
    found = problems("study.datasets=[digits,own]", "data.digits.network.init=3", "data.own.network.init=imagenet")
    assert [line.partition(":")[0] for line in found] == ["data.digits.network.init", "data.own.network.init"]


@pytest.mark.parametrize(("overrides", "left"), [
    (["study.models=[resnet18]"], "distill.teachers=[]"),
    (["params.yaml:study.models=[densenet169,vgg16_bn]", "distill.student=vgg13"], ""),
    (["study.models=[resnet18]", "distill.teachers=[vgg16_bn]"], ""),  # as somebody typed it: refused
    (["study.seeds=[0]"], ""), (["study.models=3"], ""), (["study.models=["], ""), ([], ""),
])  # fmt: skip
def test_teachers_that_an_experiments_models_no_longer_have_are_left_out(overrides, left):
    assert teachers_left(overrides, SHIPPED) == left
    if left:
        rest = [*overrides, left, "data.digits.network.width=1"]
        assert problems(*rest) == [] and any("distill.teachers" in line for line in problems(*overrides))


def test_some_teachers_stay(tmp_path):
    two = set_params(tmp_path, "distill.teachers=[vgg16_bn,densenet169]")
    assert teachers_left(["study.models=[densenet169]"], two) == "distill.teachers=[densenet169]"
