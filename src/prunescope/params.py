"""params.yaml as frozen, strict objects.

Every key is checked before a stage does any work: unknown, missing, mistyped and out-of-range ones stop with the key, what was
found and what was wanted, all of them in one message. There are no defaults: what runs stands in params.yaml.
The names that registries know are repeated here so that checking imports no torch; a test holds them equal.
This module only refuses: results depend on the values, which DVC tracks itself, so no stage lists it in `deps`.
"""

import dataclasses
import itertools
import types
import typing
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from prunescope.architectures import ARCHITECTURES
from prunescope.errors import PrunescopeError
from prunescope.pruning.plans import PLANS, rounds_of

SOURCES = ("digits", "cifar100", "ham10000", "folder")
SCORES = ("magnitude", "random")
SCHEDULES = ("constant", "cosine", "step")
OPTIMIZERS = ("sgd", "nesterov", "adamw")
PAPER_METHODS = ("oneshot", "layerwise", "iterative")  # the methods with a stage of their own in dvc.yaml


def number(wanted: str, check: Callable[[Any], bool]) -> Any:
    """A field whose value must pass `check`; `wanted` says so in the error."""
    return field(metadata={"wanted": wanted, "check": check})


def one_of(*names: str) -> Any:
    return number("one of " + ", ".join(names), lambda value: value in names)


def positive() -> Any:
    return number("a number above 0", lambda value: value > 0)


def not_negative() -> Any:
    return number("a number of at least 0", lambda value: value >= 0)


def fraction() -> Any:
    return number("a number in [0, 1]", lambda value: 0 <= value <= 1)


def level() -> Any:
    return number("a fraction in [0, 1): the share of weights that is removed", lambda value: 0 <= value < 1)


def some() -> Any:
    return number("at least one, none twice", lambda value: len(value) > 0 and len(set(value)) == len(value))


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
    step: float = number("a fraction in (0, 1]", lambda value: 0 < value <= 1)
    recovery_share: float = fraction()
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
    device: str = number("auto, cpu, cuda, cuda:N or mps", lambda value: value.split(":")[0] in ("auto", "cpu", "cuda", "mps"))
    precision: str = one_of("auto", "bf16", "fp32")
    threads: int = not_negative()


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
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise PrunescopeError(f"{path} cannot be read as YAML: {error}") from error
    problems: list[str] = []
    params = _build(Params, content, "", problems)
    if not problems:
        _check_names(params, problems)
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


def _check_budgets(params: Params, problems: list[str]) -> None:
    """Plans whose rounds alone exceed the training budget; layerwise is checked when its network is known."""
    for name in params.study.methods:
        method = params.prune.get(name)
        if method is None or method.plan != "iterative":
            continue
        for dataset, target in itertools.product(params.study.datasets, params.sparsities):
            recipe = params.data.get(dataset)
            rounds = rounds_of(target, method.step)
            if recipe and (spent := (rounds - 1) * recipe.epochs_per_round) > recipe.finetune.epochs:
                problems.append(
                    f"data.{dataset}.finetune.epochs: found {recipe.finetune.epochs:g}, wanted at least {spent:g}: "
                    f"prune.{name} takes {rounds} rounds to sparsity {target}, {recipe.epochs_per_round:g} epochs between them"
                )


def _build(kind: Any, value: Any, key: str, problems: list[str]) -> Any:
    """`value` as `kind`; on a mismatch adds to `problems` and returns None."""
    if dataclasses.is_dataclass(kind):
        return _build_object(kind, value, key, problems)
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin is types.UnionType:
        return None if value is None else _build(arguments[0], value, key, problems)
    if origin is tuple:
        if not isinstance(value, list):
            return _wrong(key, value, "a list", problems)
        return tuple(_build(arguments[0], item, f"{key}[{n}]", problems) for n, item in enumerate(value))
    if origin is dict:
        if not isinstance(value, dict) or not value:
            return _wrong(key, value, "a table with at least one row", problems)
        return {str(name): _build(arguments[1], row, f"{key}.{name}", problems) for name, row in value.items()}
    return _build_scalar(kind, value, key, problems)


def _build_object(kind: Any, value: Any, key: str, problems: list[str]) -> Any:
    fields, hints = dataclasses.fields(kind), typing.get_type_hints(kind)
    if not isinstance(value, dict):
        return _wrong(key or "the file", value, "a table with " + ", ".join(f.name for f in fields), problems)
    names = [f.name for f in fields]
    prefix = f"{key}." if key else ""
    problems.extend(f"{prefix}{name}: unknown key; known here: {', '.join(names)}" for name in value if name not in names)
    built = {}
    for f in fields:
        if f.name not in value:
            problems.append(f"{prefix}{f.name}: missing; wanted {f.metadata.get('wanted', hints[f.name])}")
            continue
        before = len(problems)
        item = _build(hints[f.name], value[f.name], prefix + f.name, problems)
        check = f.metadata.get("check")
        if len(problems) == before and check and item is not None and not check(item):
            _wrong(prefix + f.name, value[f.name], f.metadata["wanted"], problems)
        built[f.name] = item
    return kind(**built) if len(built) == len(fields) else None


def _build_scalar(kind: type, value: Any, key: str, problems: list[str]) -> Any:
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        value = float(value)
    if isinstance(value, kind) and not (kind is int and isinstance(value, bool)):
        if (kind is float and value != value) or value in (float("inf"), -float("inf")):
            return _wrong(key, value, "a finite number", problems)
        return value
    wanted = {float: "a number", int: "a whole number", str: "a name", bool: "true or false"}[kind]
    if kind in (float, int) and isinstance(value, str) and _reads_as_number(value):
        wanted += "; YAML 1.1 reads a number like 1e-3 as text: write 0.001 or 1.0e-3"
    return _wrong(key, value, wanted, problems)


def _reads_as_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _wrong(key: str, value: Any, wanted: str, problems: list[str]) -> None:
    problems.append(f"{key}: found {value!r}, wanted {wanted}")
