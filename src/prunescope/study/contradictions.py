"""What of params.yaml is right by itself but contradicts the rest: unknown names, options a network lacks, plans over budget.

Like params, this only refuses: no stage lists it in `deps`.
"""

import itertools
import re
from collections.abc import Iterable

from prunescope.errors import PrunescopeError
from prunescope.pruning.schedules import SCHEDULES
from prunescope.sources.requested import check_request
from prunescope.study.architectures import ARCHITECTURES
from prunescope.study.tables import Params
from prunescope.study.weights import check_starts

PAPER_METHODS = ("oneshot", "layerwise", "iterative")  # the methods with a stage of their own in dvc.yaml
TAKEN = {"dense", "alone", "untrained", "name", "actual", "seeds", "ran", "class", "images", "groups"}  # no names for methods


def contradictions(params: Params) -> list[str]:
    """All problems, each with its key, what was found and what was wanted."""
    problems: list[str] = []
    for check in (_check_names, _check_sources, _check_networks, check_starts, _check_budgets):
        check(params, problems)
    return problems


def _check_names(params: Params, problems: list[str]) -> None:
    """Names that must be rows elsewhere in the file, or torchvision's."""
    study, distill = params.study, params.distill

    def known(key: str, names: Iterable[str], table: Iterable[str], where: str) -> None:
        table = tuple(table)
        problems.extend(f"{key}: found {n!r}, wanted one of {where}: {', '.join(table)}" for n in names if n not in table)

    known("study.models", study.models, ARCHITECTURES, "torchvision's classifiers")
    known("study.datasets", study.datasets, params.data, "the rows of data")
    known("study.methods", study.methods, params.prune, "the rows of prune")
    known("method", [params.method], study.methods, "study.methods")
    known("distill.teachers", distill.teachers, study.models, "study.models (or none: [])")
    known("distill.student", [distill.student], ARCHITECTURES, "torchvision's classifiers")
    try:
        re.compile(params.cka.layers)
    except re.error as error:
        problems.append(f"cka.layers: found {params.cka.layers!r}, no regular expression ({error}); wanted all, blocks or one")
    for key, names in (("data", params.data), ("prune", params.prune)):
        problems.extend(
            f"{key}.{name}: found a name with other characters than letters, digits, - and _, wanted only these: it names files"
            for name in names
            if not re.fullmatch(r"[A-Za-z0-9_-]+", name)
        )
    problems.extend(
        f"prune.{name}: found a name that the metrics and tables use for something else, wanted another one"
        for name in params.prune
        if name in TAKEN
    )
    others = tuple(name for name in study.methods if name not in PAPER_METHODS)
    if study.other_methods != others:
        problems.append(
            f"study.other_methods: found {list(study.other_methods)}, wanted {list(others)}: "
            f"the study.methods without {', '.join(PAPER_METHODS)}, which have stages of their own"
        )
    for name in PAPER_METHODS:
        if name not in params.prune:
            problems.append(f"prune.{name}: missing; the stage prune-{name} needs this row")
        elif params.prune[name].plan != name:
            found = params.prune[name].plan
            problems.append(f"prune.{name}.plan: found {found!r}, wanted {name!r}: make a row of another name for another plan")
    for name, method in params.prune.items():
        if method.plan == "layerwise" and method.scope != "layer":
            problems.append(f"prune.{name}.scope: found {method.scope}, wanted layer: a layerwise plan ranks inside one layer")


def _check_sources(params: Params, problems: list[str]) -> None:
    """Paths and test splits that a source does not have."""
    for dataset in params.study.datasets:
        if dataset in params.data:
            wanted = params.data[dataset].prepare
            try:
                check_request(wanted.source, wanted.path, wanted.test_fraction)
            except PrunescopeError as error:
                problems.append(f"data.{dataset}.prepare: {error}")


def _check_networks(params: Params, problems: list[str]) -> None:
    """Widths and stems that only some architectures have; building the network refuses them too, but after other work."""
    names = {*params.study.models, *((params.distill.student,) if params.distill.teachers else ())}
    for dataset, name in itertools.product(params.study.datasets, sorted(names)):
        if dataset in params.data:
            network = params.data[dataset].network
            if network.width != 1 and not name.startswith(("vgg", "densenet")):
                problems.append(f"data.{dataset}.network.width: found {network.width}, wanted 1: {name} has no width factor")
            if network.stem == "cifar" and not name.startswith(("vgg", "densenet", "resn", "wide_resnet")):
                problems.append(f"data.{dataset}.network.stem: found cifar, wanted imagenet: {name} has no other stem")


def _check_budgets(params: Params, problems: list[str]) -> None:
    """Plans whose rounds alone exceed the training budget; layerwise is checked when its network is known."""
    for name in (*PAPER_METHODS, *params.study.other_methods):
        method = params.prune.get(name)
        if method is None or method.plan != "iterative":
            continue
        for dataset, target in itertools.product(params.study.datasets, params.sparsities):
            recipe = params.data.get(dataset)
            rounds = len(SCHEDULES[method.schedule](target, method.step))
            if recipe and (spent := (rounds - 1) * recipe.epochs_per_round) > recipe.finetune.epochs + 1e-9:
                problems.append(
                    f"data.{dataset}.finetune.epochs: found {recipe.finetune.epochs:g}, wanted at least {spent:g}: "
                    f"prune.{name} takes {rounds} rounds to sparsity {target}, {recipe.epochs_per_round:g} epochs between them"
                )
