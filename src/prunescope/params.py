"""params.yaml as frozen, strict objects.

Every key is checked before a stage does any work: unknown, missing, mistyped and out-of-range ones stop with the key, what was
found and what was wanted, all of them in one message. There are no defaults: what runs stands in params.yaml.
The names that registries know are repeated here so that checking imports no torch; a test holds them equal.
This module only refuses: results depend on the values, which DVC tracks itself, so no stage lists it in `deps`.
"""

import itertools
import re
import typing
from dataclasses import dataclass
from pathlib import Path

import yaml

from prunescope.architectures import ARCHITECTURES
from prunescope.errors import PrunescopeError
from prunescope.pruning.plans import PLANS
from prunescope.pruning.schedules import SCHEDULES as SPARSITY_SCHEDULES
from prunescope.strict import UniqueKeys, build, fraction, level, not_negative, number, one_of, positive, some

SOURCES = ("digits", "cifar100", "ham10000", "folder")
SCORES = ("magnitude", "random", "gradient_times_weight")
SCOPES = ("global", "layer", "erk")
REWINDS = ("none", "weights", "learning_rate")
SCHEDULES = ("constant", "cosine", "step")
OPTIMIZERS = ("sgd", "nesterov", "adamw")
DEVICE = re.compile(r"auto|cpu|mps|cuda(:\d+)?")
PAPER_METHODS = ("oneshot", "layerwise", "iterative")  # the methods with a stage of their own in dvc.yaml


@dataclass(frozen=True, kw_only=True)
class Study:
    """The grid: every combination is one cell."""

    models: tuple[str, ...] = some()
    datasets: tuple[str, ...] = some()
    methods: tuple[str, ...] = some()
    other_methods: tuple[str, ...]
    seeds: tuple[int, ...] = some()
    name: str


@dataclass(frozen=True, kw_only=True)
class Prepare:
    """How a prepared store is made."""

    source: str = one_of(*SOURCES)
    path: str | None
    image_size: int = number("pixels, 8 to 1024", lambda value: 8 <= value <= 1024)
    val_fraction: float = number("a fraction in (0, 0.5]", lambda value: 0 < value <= 0.5)
    test_fraction: float | None = number("a fraction in (0, 0.5], or null", lambda value: 0 < value <= 0.5)
    split_seed: int = not_negative()


@dataclass(frozen=True, kw_only=True)
class Network:
    """How an architecture is fitted to the data."""

    width: float = number("a factor in (0, 4]", lambda value: 0 < value <= 4)
    batch_norm: bool
    stem: str = one_of("imagenet", "cifar")
    head: str = one_of("torchvision", "compact")
    init: str


@dataclass(frozen=True, kw_only=True)
class Training:
    """What all training of a dataset shares."""

    batch_size: int = number("a whole number of at least 2", lambda value: value >= 2)
    optimizer: str = one_of(*OPTIMIZERS)
    momentum: float = number("a number in [0, 1)", lambda value: 0 <= value < 1)
    weight_decay: float = not_negative()
    clip_norm: float = not_negative()
    label_smoothing: float = number("a number in [0, 1)", lambda value: 0 <= value < 1)
    imbalance: str = one_of("none", "class_weights")
    crop_padding: int = not_negative()
    flip: str = one_of("none", "horizontal", "both")


@dataclass(frozen=True, kw_only=True)
class Budget:
    """One training budget."""

    epochs: float = not_negative()
    learning_rate: float = positive()
    schedule: str = one_of(*SCHEDULES)


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """What a dataset asks for."""

    prepare: Prepare
    network: Network
    training: Training
    pretrain: Budget
    finetune: Budget
    distill: Budget
    epochs_per_round: float = not_negative()


@dataclass(frozen=True, kw_only=True)
class Method:
    """A pruning method: a plan with its settings."""

    plan: str = one_of(*PLANS)
    score: str = one_of(*SCORES)
    score_batches: int = number("a whole number of at least 1", lambda value: value >= 1)
    scope: str = one_of(*SCOPES)
    schedule: str = one_of(*SPARSITY_SCHEDULES)
    step: float = number("a fraction in (0, 1]", lambda value: 0 < value <= 1)
    recovery_share: float = fraction()
    rewind: str = one_of(*REWINDS)
    reestimate_batches: int = not_negative()
    exclude: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Distill:
    teachers: tuple[str, ...]
    student: str
    temperature: float = positive()
    soft_weight: float = fraction()


@dataclass(frozen=True, kw_only=True)
class Cka:
    probe_images: int = number("a whole number of at least 4", lambda value: value >= 4)
    batch_size: int = number("a whole number of at least 4", lambda value: value >= 4)


@dataclass(frozen=True, kw_only=True)
class Evaluate:
    ece_bins: int = positive()


@dataclass(frozen=True, kw_only=True)
class Runtime:
    device: str = number("auto, cpu, cuda, cuda:N or mps", lambda value: bool(DEVICE.fullmatch(value)))
    precision: str = one_of("auto", "bf16", "fp32")
    compile: bool
    threads: int = not_negative()
    processes: int | str = number(
        "auto or a whole number of at least 1", lambda value: value == "auto" or (isinstance(value, int) and value >= 1)
    )
    save_seconds: float = positive()


@dataclass(frozen=True, kw_only=True)
class Params:
    sparsity: float = level()
    compare_sparsity: float = level()
    method: str
    study: Study
    data: dict[str, Recipe]
    prune: dict[str, Method]
    distill: Distill
    cka: Cka
    evaluate: Evaluate
    runtime: Runtime

    @property
    def grid(self) -> "Grid":
        """The study as the report reads it."""
        study = self.study
        return Grid(
            name=study.name,
            models=study.models,
            datasets=study.datasets,
            methods=study.methods,
            seeds=study.seeds,
            sparsities=self.sparsities,
            teachers=self.distill.teachers,
        )

    @property
    def sparsities(self) -> tuple[float, ...]:
        """The levels of the study: one, or two to compare."""
        return tuple(dict.fromkeys((self.sparsity, self.compare_sparsity)))


@dataclass(frozen=True, kw_only=True)
class Grid:
    """Which arms a study has."""

    name: str
    models: tuple[str, ...]
    datasets: tuple[str, ...]
    methods: tuple[str, ...]
    seeds: tuple[int, ...]
    sparsities: tuple[float, ...]
    teachers: tuple[str, ...]


def load(path: Path | str = "params.yaml") -> Params:
    """Read and check the whole file. Raises PrunescopeError that lists every problem."""
    path = Path(path)
    try:
        content = yaml.load(path.read_text(encoding="utf-8"), Loader=UniqueKeys)
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise PrunescopeError(f"{path} cannot be read as YAML: {error}") from error
    problems: list[str] = []
    params = build(Params, content, "", problems)
    if not problems:
        for key in ("sparsity", "compare_sparsity"):
            if isinstance(content[key], int):
                problems.append(f"{key}: found {content[key]}, wanted it as 0.0: DVC names cells after the value's text")
        _check_names(params, problems)
        _check_networks(params, problems)
        _check_budgets(params, problems)
    if problems:
        raise PrunescopeError(f"{path} has {len(problems)} problem(s), nothing was run:\n  " + "\n  ".join(problems))
    return params


def _check_names(params: Params, problems: list[str]) -> None:
    """Names that must be rows elsewhere in the file, or torchvision's."""
    study, distill = params.study, params.distill

    def known(key: str, names: typing.Iterable[str], table: typing.Iterable[str], where: str) -> None:
        table = tuple(table)
        problems.extend(f"{key}: found {n!r}, wanted one of {where}: {', '.join(table)}" for n in names if n not in table)

    known("study.models", study.models, ARCHITECTURES, "torchvision's classifiers")
    known("study.datasets", study.datasets, params.data, "the rows of data")
    known("study.methods", study.methods, params.prune, "the rows of prune")
    known("method", [params.method], study.methods, "study.methods")
    known("distill.teachers", distill.teachers, study.models, "study.models (or none: [])")
    known("distill.student", [distill.student], ARCHITECTURES, "torchvision's classifiers")
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


def _check_networks(params: Params, problems: list[str]) -> None:
    """Widths and stems that only some architectures have; `models.build` refuses them too, but after other work."""
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
            rounds = len(SPARSITY_SCHEDULES[method.schedule](target, method.step))
            if recipe and (spent := (rounds - 1) * recipe.epochs_per_round) > recipe.finetune.epochs + 1e-9:
                problems.append(
                    f"data.{dataset}.finetune.epochs: found {recipe.finetune.epochs:g}, wanted at least {spent:g}: "
                    f"prune.{name} takes {rounds} rounds to sparsity {target}, {recipe.epochs_per_round:g} epochs between them"
                )
