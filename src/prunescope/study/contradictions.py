"""What of params.yaml is right by itself but contradicts the rest: unknown names, options a network lacks, plans over budget.

Like params, this only refuses: no stage lists it in `deps`.
"""

import re
from collections.abc import Callable, Iterable
from contextlib import suppress
from difflib import get_close_matches
from importlib.util import find_spec

from prunescope.errors import PrunescopeError
from prunescope.sources.requested import check_request
from prunescope.study.architectures import ARCHITECTURES
from prunescope.study.budgets import check_budgets
from prunescope.study.partial import Unknown, recipes
from prunescope.study.tables import Params
from prunescope.study.teachers import check_taught, check_teachers
from prunescope.study.weights import check_starts

PAPER_METHODS = ("oneshot", "layerwise", "iterative")  # the methods with a stage of their own in dvc.yaml
TAKEN = {
    "base",
    "dense",
    "dense-taught",
    "narrow",
    "channels",
    "alone",
    "untrained",
    "name",
    "actual",
    "seeds",
    "ran",
    "class",
    "images",
    "groups",
}  # no names for methods
WITH_WIDTH = ("vgg", "densenet")  # families of architectures
WITH_CHANNELS = (*WITH_WIDTH, "resnet", "wide_resnet")
WITH_STEM = (*WITH_WIDTH, "resn", "wide_resnet")
LAYER_SETS = ("all", "blocks")  # of cka.layers; all else is a pattern
PLAIN_SIZE = 32  # px from which the families WITH_STEM take every image


def contradictions(params: Params) -> list[str]:
    """All problems, each with its key, what was found and what was wanted.

    params: the whole file, or a `Partial` of it: then what depends on an unknown value is left out.
    """
    problems: list[str] = []
    checks = (
        *(_check_names, _check_patterns, _check_row_names, _check_methods, _check_sources, _check_training, _check_networks),
        *(_check_controls, _check_formats, check_teachers, check_taught, check_starts, check_budgets, _check_endpoints),
    )
    for check in checks:
        with suppress(Unknown):
            check(params, problems)
    return problems


def _check_names(params: Params, problems: list[str]) -> None:
    """Names that must be rows elsewhere in the file, or torchvision's."""
    study, distill = params.study, params.distill
    known: tuple[tuple[str, Callable[[], Iterable[str]], Callable[[], Iterable[str]], str], ...] = (
        ("study.models", lambda: study.models, lambda: ARCHITECTURES, "torchvision's classifiers"),
        ("study.datasets", lambda: study.datasets, lambda: params.data, "the rows of data"),
        ("study.methods", lambda: study.methods, lambda: params.prune, "the rows of prune"),
        ("method", lambda: [params.method], lambda: study.methods, "study.methods"),
        ("distill.student", lambda: [distill.student], lambda: ARCHITECTURES, "torchvision's classifiers"),
    )
    for key, names, rows, where in known:
        with suppress(Unknown):
            table = tuple(rows())
            wrong = [name for name in names() if name not in table]
            problems += [f"{key}: found {name!r}, wanted one of {where}: {', '.join(_like(name, table))}" for name in wrong]


def _like(name: str, table: tuple[str, ...]) -> tuple[str, ...]:
    """All known names, of many those that look like this one, if any do."""
    return (*get_close_matches(name, table, 8), "...") if len(table) > 20 and get_close_matches(name, table) else table


def _check_patterns(params: Params, problems: list[str]) -> None:
    try:
        re.compile(params.cka.layers)
    except re.error as error:
        problems.append(f"cka.layers: found {params.cka.layers!r}, no regular expression ({error}); wanted all, blocks or one")


def _check_row_names(params: Params, problems: list[str]) -> None:
    """Names of rows, and of the study, that cannot name files or columns."""
    with suppress(Unknown):
        if not re.fullmatch(r"[A-Za-z0-9_.-]*[A-Za-z0-9_-]", params.study.name):
            problems.append(
                f"study.name: found {params.study.name!r}, wanted letters, digits, ., - and _: it names a kept study's folder"
            )
    for key in ("data", "prune"):
        with suppress(Unknown):
            problems += [
                f"{key}.{name}: found a name with other characters than letters, digits, - and _, wanted these: it names files"
                for name in getattr(params, key)
                if not re.fullmatch(r"[A-Za-z0-9_-]+", name)
            ]
    problems += [
        f"prune.{name}: found a name that the metrics and tables use for something else, wanted another one"
        for name in params.prune
        if name in TAKEN
    ]


def _check_methods(params: Params, problems: list[str]) -> None:
    """Methods whose plan or scope does not suit their name, and the list of those without a stage of their own."""
    study = params.study
    with suppress(Unknown):
        others = tuple(name for name in study.methods if name not in PAPER_METHODS)
        if study.other_methods != others:
            problems.append(
                f"study.other_methods: found {list(study.other_methods)}, wanted {list(others)}: "
                f"the study.methods without {', '.join(PAPER_METHODS)}, which have stages of their own"
            )
    for name in PAPER_METHODS:
        if name not in params.prune:
            problems.append(f"prune.{name}: missing; the stage prune-{name} needs this row")
    for name, method in params.prune.items():
        with suppress(Unknown):
            if name in PAPER_METHODS and method.plan != name:
                wanted = f"wanted {name!r}: make a row of another name for another plan"
                problems.append(f"prune.{name}.plan: found {method.plan!r}, {wanted}")
            if name in PAPER_METHODS and method.recovery != "labels":
                wanted = f"wanted 'labels': its stage knows no teacher; take {name}-taught, or a row of another name"
                problems.append(f"prune.{name}.recovery: found {method.recovery!r}, {wanted}")


def _check_sources(params: Params, problems: list[str]) -> None:
    """Paths and test splits that a source does not have."""
    for dataset, recipe in recipes(params):
        wanted = recipe.prepare
        try:
            check_request(wanted.source, wanted.path, wanted.test_fraction)
        except PrunescopeError as error:
            problems.append(f"data.{dataset}.prepare: {error}")
        except Unknown:
            continue


def _check_training(params: Params, problems: list[str]) -> None:
    """Borders wider than the images, and batches too small to be divided."""
    for dataset, recipe in recipes(params):
        key = f"data.{dataset}.training"
        with suppress(Unknown):
            padding, size = recipe.training.crop_padding, recipe.prepare.image_size
            if padding >= size:
                problems.append(f"{key}.crop_padding: found {padding}, wanted less than the prepare.image_size of {size}")
        with suppress(Unknown):
            batch, processes = recipe.training.batch_size, params.runtime.processes
            if processes != "auto" and batch < 2 * processes:
                problems.append(f"{key}.batch_size: found {batch}, wanted at least 2 for each of {processes} runtime.processes")


def _check_networks(params: Params, problems: list[str]) -> None:
    """Widths and stems that only some architectures have; building the network refuses them too, but after other work."""
    students = (params.distill.student,) if params.distill.teachers else ()
    names = [name for name in dict.fromkeys((*params.study.models, *students)) if name in ARCHITECTURES]
    for dataset, recipe in recipes(params):
        for key, usual, families in (("width", 1, WITH_WIDTH), ("stem", "imagenet", WITH_STEM)):
            with suppress(Unknown):
                found, without = getattr(recipe.network, key), [name for name in names if not name.startswith(families)]
                if found != usual and without:
                    place = f"data.{dataset}.network.{key}"
                    problems.append(f"{place}: found {found}, wanted {usual} for {', '.join(without)}: -S {place}={usual}")


def _check_controls(params: Params, problems: list[str]) -> None:
    """Models whose further controls or sensitivity are asked for but that the study has not, or that cannot have them."""
    study = params.study
    asked = {"study.narrow": study.narrow, "study.channels": study.channels, "study.taught": study.taught}
    asked |= {"sensitivity.models": params.sensitivity.models}
    for key, names in asked.items():
        missing = [name for name in names if name not in study.models]
        if missing:
            problems.append(f"{key}: found {', '.join(missing)}, wanted some of study.models: {', '.join(study.models)}")
    for key, families, words in (
        ("narrow", WITH_WIDTH, "VGG or DenseNet: other architectures have no width here"),
        ("channels", WITH_CHANNELS, "VGG, DenseNet or ResNet: of other architectures no whole channels are removed here"),
    ):
        wanted = [name for name in getattr(study, key) if name in study.models]
        if without := [name for name in wanted if not name.startswith(families)]:
            problems.append(f"study.{key}: found {', '.join(without)}, wanted {words}")
        if wanted and all(row in params.prune and params.prune[row].exclude for row in study.methods):
            every = "found layers that stay dense in every prune.<method>.exclude, wanted [] in one"
            problems.append(f"study.{key}: {every}: it has as many parameters as that one leaves")
    if study.channels and not find_spec("torch_pruning"):
        problems.append(
            f"study.channels: found {', '.join(study.channels)} but no package torch_pruning, wanted it: it says which go "
            "together: pip install 'prunescope[channels]' (in a clone: pip install -e '.[channels]'), or study.channels: []"
        )


def _check_formats(params: Params, problems: list[str]) -> None:
    """Formats of deployment that would be refused only after all training."""
    with suppress(Unknown):
        missing = [name for name in ("onnx", "onnxscript", "onnxruntime") if find_spec(name) is None]
        if params.deploy.formats and missing:
            problems.append(
                f"deploy.formats: found {', '.join(params.deploy.formats)}, which {', '.join(missing)} must be installed for, "
                "wanted []: or pip install 'prunescope[deploy]'"
            )


def _check_endpoints(params: Params, problems: list[str]) -> None:
    """What decides must be said of every data set before it runs."""
    for dataset, _ in recipes(params):
        with suppress(Unknown):
            if dataset not in params.evaluate.primary:
                wanted = "wanted accuracy, balanced_accuracy, macro_f1 or auc: what the verdicts are to be about there"
                problems.append(f"evaluate.primary.{dataset}: missing; {wanted}")


def wants_networks(params: Params) -> bool:
    """Whether only networks can tell that params.yaml is right (`guards`): building them imports torch, which takes seconds."""
    study = params.study
    patterns = params.cka.layers not in LAYER_SETS or any(params.prune[row].exclude for row in study.methods)
    plain = all(name.startswith(WITH_STEM) for name in (*study.models, params.distill.student))
    return patterns or not plain or any(params.data[name].prepare.image_size < PLAIN_SIZE for name in study.datasets)
