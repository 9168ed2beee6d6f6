"""params.yaml: the shipped one loads, everything wrong in another is named with its key, and the names are the registries'."""

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

import pytest
import yaml
from pydantic import ValidationError

from prunescope.errors import PrunescopeError
from prunescope.study import params, recipes, tables
from prunescope.study.params import load

SHIPPED = Path(__file__).parents[2] / "params.yaml"
CONTENT = yaml.safe_load(SHIPPED.read_text(encoding="utf-8"))
GONE = object()


def changed(**changes: Any) -> dict[str, Any]:
    """The shipped content with `a__b__c=value` set at a.b.c; GONE removes the key."""
    content = copy.deepcopy(CONTENT)
    for path, value in changes.items():
        *above, last = path.split("__")
        place = content
        for key in above:
            place = place[key]
        if value is GONE:
            del place[last]
        else:
            place[last] = value
    return content


@pytest.fixture
def problems(tmp_path) -> Callable[[Any], list[str]]:
    """problems(content): what loading it complains of, one entry a problem; [] if it loads."""

    def found(content: Any) -> list[str]:
        path = tmp_path / "params.yaml"
        text = content if isinstance(content, str) else json.dumps(content).replace("NaN", ".nan").replace("Infinity", ".inf")
        path.write_text(text, encoding="utf-8")  # JSON is YAML, with text always in quotes
        try:
            load(path)
        except PrunescopeError as error:
            message = str(error)
            assert message.startswith(str(path))
            if "cannot be read as YAML" in message:
                return [message]
            first, *rest = message.split("\n  ")
            assert f"has {len(rest)} problem(s), nothing was run" in first
            return rest
        return []

    return found


def test_the_shipped_file_loads_into_frozen_objects() -> None:
    loaded = load(SHIPPED)
    assert loaded.sparsity == CONTENT["sparsity"]
    assert list(loaded.data) == [
        *("digits", "cifar100-small", "ham10000-small", "cifar100", "ham10000", "cifar100-paper", "ham10000-paper"),
        *("cifar100-quarter", "ham10000-quarter", "ham10000-quarter-paper", "own"),
    ]
    assert loaded.data["cifar100"].finetune == params.Budget(epochs=200.0, learning_rate=0.01, schedule="hold")
    assert loaded.data["ham10000"].prepare.path is None
    assert loaded.prune["iterative"].step == 0.1 and loaded.prune["iterative"].exclude == ()
    assert loaded.grid.methods == loaded.study.methods == ("oneshot", "layerwise", "iterative")
    with pytest.raises(ValidationError, match="frozen"):
        loaded.sparsity = 0.5  # type: ignore[misc]


def test_equal_levels_are_one(tmp_path) -> None:
    levels = (([0.8] * 4, (0.8,)), ([0.5, 0.8, 0.5, 0.8], (0.8, 0.5)), ([0.5, 0.9, 0.95, 0.98], (0.8, 0.5, 0.9, 0.95, 0.98)))
    for others, wanted in levels:
        (tmp_path / "params.yaml").write_text(yaml.safe_dump(changed(sparsity=0.8, compare_sparsities=others)))
        assert load(tmp_path / "params.yaml").sparsities == load(tmp_path / "params.yaml").grid.sparsities == wanted


CASES: list[tuple[dict[str, Any], str]] = [
    # unknown and missing
    ({"sparsty": 0.5}, "sparsty: unknown key; known here: sparsity, compare_sparsities, method"),
    ({"data__digits__training__lr": 0.1}, "data.digits.training.lr: unknown key; known here: batch_size, optimizer"),
    ({"prune__oneshot__score": GONE}, "prune.oneshot.score: missing; wanted one of magnitude, "),
    ({"runtime": GONE}, "runtime: missing; wanted a table with device, precision"),
    ({"study__seeds": GONE}, "study.seeds: missing; wanted at least one, none twice"),
    ({"study__name": GONE}, "study.name: missing; wanted a name"),
    ({"data__digits__network__batch_norm": True}, "data.digits.network.batch_norm: unknown key; known here: width, stem, head"),
    # mistyped
    ({"sparsity": "1e-3"}, "sparsity: found '1e-3', wanted a number"),
    ({"data__digits__pretrain__learning_rate": "1e-2"}, "data.digits.pretrain.learning_rate: found '1e-2', wanted a number"),
    ({"sparsity": "much"}, "sparsity: found 'much', wanted a number"),
    ({"sparsity": [0.5, 0.8]}, "sparsity: found [0.5, 0.8], wanted a number"),
    ({"sparsity": None}, "sparsity: found None, wanted a number"),
    ({"sparsity": False}, "sparsity: found False, wanted a number"),
    ({"cka__batch_size": True}, "cka.batch_size: found True, wanted a whole number"),
    ({"cka__batch_size": 64.0}, "cka.batch_size: found 64.0, wanted a whole number"),
    ({"cka__pool": 1}, "cka.pool: found 1, wanted true or false"),
    ({"study__name": 3}, "study.name: found 3, wanted a name"),
    ({"study__seeds": 0}, "study.seeds: found 0, wanted a list"),
    ({"study__seeds": [0, "1"]}, "study.seeds[1]: found '1', wanted a whole number"),
    ({"study__models": "vgg16"}, "study.models: found 'vgg16', wanted a list"),
    ({"runtime__processes": 1.5}, "runtime.processes: found 1.5, wanted auto or a whole number of at least 1"),
    ({"data__own__prepare__path": None}, "data.own.prepare.path: found None, wanted a path, or none"),
    ({"data__own__prepare__test_fraction": None}, "data.own.prepare.test_fraction: found None, wanted a fraction in (0, 0.5], o"),
    ({"cka__bandwidth": "rbf"}, "cka.bandwidth: found 'rbf', wanted a number above 0, or linear"),
    ({"data__digits__prepare": [1]}, "data.digits.prepare: found [1], wanted a table with source, path"),
    ({"prune": {}}, "prune: found {}, wanted a table with at least one row"),
    # out of range
    ({"sparsity": 1.0}, "sparsity: found 1.0, wanted a fraction in [0, 1): the share of weights that is removed"),
    ({"sparsity": -0.1}, "sparsity: found -0.1, wanted a fraction in [0, 1)"),
    ({"sparsity": float("nan")}, "sparsity: found nan, wanted a finite number"),
    ({"compare_sparsities": [0.5, float("inf"), 0.8, 0.8]}, "compare_sparsities[1]: found inf, wanted a finite number"),
    ({"compare_sparsities": [0.5, 1.0, 0.8, 0.8]}, "compare_sparsities[1]: found 1.0, wanted a fraction in [0, 1)"),
    ({"compare_sparsities": [0.5, 0.8]}, "compare_sparsities: found [0.5, 0.8], wanted a list of 4"),
    ({"compare_sparsities": 0.5}, "compare_sparsities: found 0.5, wanted a list"),
    ({"study__seeds": [0, 0]}, "study.seeds: found [0, 0], wanted at least one, none twice"),
    ({"study__models": []}, "study.models: found [], wanted at least one, none twice"),
    ({"data__digits__finetune__epochs": -1}, "data.digits.finetune.epochs: found -1, wanted a number of at least 0"),
    ({"data__digits__pretrain__learning_rate": 0}, "data.digits.pretrain.learning_rate: found 0, wanted a number above 0"),
    ({"data__digits__training__momentum": 1.0}, "data.digits.training.momentum: found 1.0, wanted a number in [0, 1)"),
    ({"data__digits__training__batch_size": 1}, "data.digits.training.batch_size: found 1, wanted a whole number of at least 2"),
    ({"data__digits__prepare__val_fraction": 0}, "data.digits.prepare.val_fraction: found 0, wanted a fraction in (0, 0.5]"),
    ({"data__digits__network__width": 0}, "data.digits.network.width: found 0, wanted a factor in (0, 4]"),
    ({"prune__iterative__step": 0}, "prune.iterative.step: found 0, wanted a fraction in (0, 1]"),
    ({"data__own__prepare__test_fraction": 0.6}, "data.own.prepare.test_fraction: found 0.6, wanted a fraction in (0, 0.5], o"),
    ({"data__digits__prepare__image_size": 7}, "data.digits.prepare.image_size: found 7, wanted a whole number of pixels in [8"),
    ({"cka__bandwidth": 0}, "cka.bandwidth: found 0, wanted a number above 0, or linear"),
    ({"evaluate__margin": 0}, "evaluate.margin: found 0, wanted a number in (0, 50]"),
    ({"evaluate__primary__digits": "loss"}, "evaluate.primary.digits: found 'loss', wanted one of accuracy, balanced_accuracy, "),
    ({"runtime__processes": 0}, "runtime.processes: found 0, wanted auto or a whole number of at least 1"),
    ({"distill__soft_weight": 1.5}, "distill.soft_weight: found 1.5, wanted a number in [0, 1]"),
    # unknown names
    ({"study__models": ["vgg61"]}, "study.models: found 'vgg61', wanted one of torchvision's classifiers: vgg19, vgg16, "),
    ({"distill__student": "tree"}, "distill.student: found 'tree', wanted one of torchvision's classifiers: alexnet, conv"),
    ({"study__datasets": ["mnist"]}, "study.datasets: found 'mnist', wanted one of the rows of data: digits, cifar100-small"),
    ({"study__methods": ["oneshot", "layerwise", "iterative", "magic"]}, "study.methods: found 'magic', wanted one of the rows"),
    ({"method": "magic"}, "method: found 'magic', wanted one of study.methods: oneshot, layerwise, iterative"),
    ({"distill__teachers": ["resnet18"]}, "distill.teachers: found resnet18, wanted models of the study (vgg16_bn, densenet169)"),
    ({"prune__oneshot__plan": "twoshot"}, "prune.oneshot.plan: found 'twoshot', wanted one of oneshot, iterative, layerwise"),
    ({"data__digits__training__optimizer": "adam"}, "data.digits.training.optimizer: found 'adam', wanted one of sgd, nest"),
    ({"data__digits__finetune__schedule": "linear"}, "data.digits.finetune.schedule: found 'linear', wanted one of const"),
    ({"data__digits__prepare__source": "web"}, "data.digits.prepare.source: found 'web', wanted one of digits, cif"),
    ({"runtime__device": "gpu"}, "runtime.device: found 'gpu', wanted auto, cpu, cuda, cuda:N or mps"),
    # what does not go together
    ({"evaluate__primary__digits": GONE}, "evaluate.primary.digits: missing; wanted accuracy, balanced_accuracy, macro_f1 or"),
    ({"prune__a b": CONTENT["prune"]["random"]}, "prune.a b: found a name with other characters than letters"),
    ({"data__digits__prepare__path": "x"}, "data.digits.prepare: source digits: found path 'x'; source \"folder\" needs one"),
    ({"data__digits__prepare__test_fraction": "official"}, "data.digits.prepare: found test_fraction official (the source's own"),
    ({"study__models": ["vgg16"]}, "distill.teachers: found vgg16_bn, wanted models of the study (vgg16) or none: -S"),
    ({"data__digits__training__crop_padding": 32}, "data.digits.training.crop_padding: found 32, wanted less than the prepare."),
    ({"data__digits__training__batch_size": 6, "runtime__processes": 4}, "data.digits.training.batch_size: found 6, wanted at"),
    ({"study__other_methods": ["oneshot"]}, "study.other_methods: found ['oneshot'], wanted []: the study.methods without"),
    ({"prune__layerwise": GONE}, "prune.layerwise: missing; the stage prune-layerwise needs this row"),
    ({"sparsity": 0.8, "data__digits__finetune__epochs": 3, "data__digits__epochs_per_round": 0.5},
     "data.digits.finetune.epochs: found 3, wanted at least 3.5: prune.iterative takes 8 rounds to sparsity 0.8, 0.5 epochs"),
]  # fmt: skip


@pytest.mark.parametrize("changes, message", CASES, ids=[message.split(",")[0][:60] for _, message in CASES])
def test_a_wrong_key_is_named_with_what_was_found_and_wanted(problems, changes, message) -> None:
    found = problems(changed(**changes))
    assert any(problem.startswith(message) for problem in found), found


def test_the_number_of_cases() -> None:
    assert len(CASES) == 70


@pytest.mark.parametrize("changes", [
    {}, {"sparsity": 0.0}, {"sparsity": 0.999}, {"distill__teachers": []}, {"data__digits__finetune__epochs": 3.5},
    {"data__own__prepare__test_fraction": "official"}, {"runtime__device": "cuda:1"}, {"cka__bandwidth": 0.5},
    {"study__models": ["densenet121", "vgg16_bn"]}, {"runtime__processes": 2}, {"sparsity": 5e-05},
])  # fmt: skip
def test_values_at_the_ends_of_their_ranges_are_taken(problems, changes) -> None:
    assert problems(changed(**({"data__digits__finetune__epochs": 5} | changes))) == []


def test_another_method_is_a_row_and_two_names(problems) -> None:
    row = CONTENT["prune"]["oneshot"] | {"score": "random"}
    methods = [*CONTENT["study"]["methods"], "random"]
    content = changed(prune__random=row, study__methods=methods, study__other_methods=["random"])
    assert problems(content) == []
    content["study"]["other_methods"] = []
    (only,) = problems(content)
    assert only.startswith("study.other_methods: found [], wanted ['random']")


def test_several_problems_are_listed_together(problems) -> None:
    found = problems(changed(sparsity=2, colour="red", cka__batch_size="64", runtime__precision="fp8", evaluate__ece_bins=GONE))
    assert sorted(problem.split(":")[0] for problem in found) == [
        "cka.batch_size", "colour", "evaluate.ece_bins", "runtime.precision", "sparsity",
    ]  # fmt: skip
    assert len(problems(changed(method="a", distill__student="b", study__datasets=["c"]))) == 3


@pytest.mark.parametrize("text, message", [
    ("sparsity: [0.8", "cannot be read as YAML"),
    ("a: b: c", "cannot be read as YAML"),
    ("", "the file: found None, wanted a table with sparsity"),
    ("- sparsity", "the file: found ['sparsity'], wanted a table"),
    ("sparsity: !!python/object/apply:os.getcwd []", "cannot be read as YAML"),
])  # fmt: skip
def test_a_file_that_is_no_table_is_refused(problems, text, message) -> None:
    (only,) = problems(text)
    assert message in only


def test_a_missing_file_is_named(tmp_path) -> None:
    with pytest.raises(PrunescopeError, match=r"nowhere\.yaml cannot be read"):
        load(tmp_path / "nowhere.yaml")


@pytest.mark.parametrize("device", ["cuda:one", "auto:3", "cpu:x", "mps:"])
def test_devices_that_torch_does_not_know_are_refused(problems, device) -> None:
    assert problems(changed(runtime__device=device)) != []


def test_a_key_that_stands_twice_is_refused(problems) -> None:
    assert problems(SHIPPED.read_text(encoding="utf-8") + "\nsparsity: 0.1\n") != []


def test_names_are_those_of_the_registries() -> None:
    import torchvision.models

    from prunescope.pruning.plans import PLANS
    from prunescope.pruning.schedules import SCHEDULES as SPARSITY_SCHEDULES
    from prunescope.pruning.scopes import SCOPES
    from prunescope.pruning.scores import SCORES
    from prunescope.sources.prepare import SOURCES
    from prunescope.sources.requested import OFFICIAL_TEST
    from prunescope.study.architectures import ARCHITECTURES
    from prunescope.study.contradictions import PAPER_METHODS
    from prunescope.training.optimizers import OPTIMIZERS
    from prunescope.training.rates import SCHEDULES
    from prunescope.training.rewinding import REWINDS

    assert sorted(ARCHITECTURES) == sorted(torchvision.models.list_models(module=torchvision.models))
    assert tuple(SCORES) == get_args(tables.Score)
    assert tuple(SCOPES) == get_args(tables.Scope)
    assert tuple(REWINDS) == get_args(tables.Rewind)
    assert tuple(SCHEDULES) == get_args(recipes.RateSchedule)
    assert tuple(SPARSITY_SCHEDULES) == get_args(tables.SparsitySchedule)
    assert tuple(OPTIMIZERS) == get_args(recipes.Optimizer)
    assert tuple(PLANS) == get_args(tables.Plan)
    assert tuple(SOURCES) == tuple(OFFICIAL_TEST) == get_args(recipes.Source)
    assert set(PAPER_METHODS) <= set(PLANS)
