"""params.yaml as frozen, strict objects.

Every key is checked before a stage does any work: unknown, missing, mistyped and out-of-range ones stop with the key, what was
found and what was wanted, all of them in one message. There are no defaults: what runs stands in params.yaml.
The names that registries know are repeated here so that checking imports no torch; a test holds them equal.
This module only refuses: results depend on the values, which DVC tracks itself, so no stage lists it in `deps`.
"""

import re
from dataclasses import dataclass
from pathlib import Path

import yaml

from prunescope.errors import PrunescopeError
from prunescope.pruning.plans import PLANS
from prunescope.pruning.schedules import SCHEDULES as SPARSITY_SCHEDULES
from prunescope.results.grid import Grid
from prunescope.sources.requested import OFFICIAL_TEST
from prunescope.study.contradictions import contradictions
from prunescope.study.strict import UniqueKeys, build, fraction, level, not_negative, number, one_of, positive, some

SCORES = ("magnitude", "random", "gradient_times_weight")
SCOPES = ("global", "layer", "erk")
REWINDS = ("none", "weights", "learning_rate")
SCHEDULES = ("constant", "cosine", "step")
OPTIMIZERS = ("sgd", "nesterov", "adamw")
DEVICE = re.compile(r"auto|cpu|mps|cuda(:\d+)?")


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

    source: str = one_of(*OFFICIAL_TEST)
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
    imbalance: str = one_of("none", "class_weights", "balanced_sampling")
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
    layers: str
    pool: bool
    bandwidth: float | None = number("a number above 0, or null", lambda value: value > 0)


@dataclass(frozen=True, kw_only=True)
class Evaluate:
    ece_bins: int = positive()
    bootstrap_draws: int = positive()
    latency_seconds: float = positive()


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
    def grid(self) -> Grid:
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
        problems += contradictions(params)
    if problems:
        raise PrunescopeError(f"{path} has {len(problems)} problem(s), nothing was run:\n  " + "\n  ".join(problems))
    return params
