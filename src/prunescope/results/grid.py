"""Which cells and arms a study has, and what their files are called."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

BASE, DENSE, TAUGHT, NARROW, CHANNELS = "base", "dense", "dense-taught", "narrow", "channels"
"""Networks that no method prunes: before the budget, after it, after it with the base as teacher, and two of fewer channels: one
from random weights, one that is left of the base."""


@dataclass(frozen=True, kw_only=True)
class Grid:
    """A study: every combination is an arm.

    teachers: models that teach a student · narrow: models of which a dense network of as few parameters is trained ·
    channels: models whose base loses whole channels until it has as few ·
    taught: models whose dense control also learns from its own base · sensitivity: models whose layers are tried one by one ·
    formats: of deployment, in which the finished networks are measured (fp32, bf16, int8) ·
    chance: methods whose weights go at random, the negative controls

    What decides, fixed beforehand: the primary endpoint of each data set, the margin (points) below which a difference does not
    matter, that of similarities (CKA), and the classes whose recall matters. A study kept before it had them has these.
    """

    name: str
    models: tuple[str, ...]
    datasets: tuple[str, ...]
    methods: tuple[str, ...]
    seeds: tuple[int, ...]
    sparsities: tuple[float, ...]
    teachers: tuple[str, ...]
    narrow: tuple[str, ...] = ()
    channels: tuple[str, ...] = ()
    taught: tuple[str, ...] = ()
    sensitivity: tuple[str, ...] = ()
    formats: tuple[str, ...] = ()
    chance: tuple[str, ...] = ()
    primary: Mapping[str, str] = field(default_factory=dict)
    margin: float = 1.0
    margin_cka: float = 0.02
    critical: tuple[str, ...] = ()

    @property
    def choices(self) -> tuple[str, ...]:
        """The methods without negative controls, which nobody chooses; all where there is nothing else."""
        return tuple(name for name in self.methods if name not in self.chance) or self.methods

    def primary_of(self, dataset: str) -> str:
        """A column of summary.csv."""
        return self.primary.get(dataset, "balanced_accuracy")


class Cell(NamedTuple):
    """Networks that are compared with each other, their seeds taken together."""

    model: str
    dataset: str
    sparsity: float

    def of(self, seed: int) -> str:
        """The name of its files; the sparsity is spelled as DVC spells the parameter (0.8, 0.9375)."""
        return f"{self.model}-{self.dataset}-{self.sparsity}-{seed}"

    def dense(self, seed: int) -> str:
        """The name of the files of its dense control, which has no sparsity."""
        return dense_cell(self.model, self.dataset, seed)

    def labels(self) -> dict[str, str]:
        """The first columns of a table's row."""
        return {"model": self.model, "data": self.dataset, "sparsity %": f"{self.sparsity * 100:.1f}"}

    @property
    def network(self) -> str:
        """What its levels have in common: base, dense control, and much of what pruning does."""
        return f"{self.model} on {self.dataset}"

    def __str__(self) -> str:
        return f"{self.network} at {self.sparsity * 100:g} %"


@dataclass(frozen=True)
class Arm:
    """One trained network: `evaluate` and `training` are the names, without suffix, of what its stages wrote, as they ran."""

    dataset: str
    model: str
    kind: str
    method: str
    sparsity: float
    seed: int
    evaluate: str
    training: tuple[str, ...]


def dense_cell(model: str, dataset: str, seed: int) -> str:
    return f"{model}-{dataset}-{seed}"


def levels(grid: Grid) -> list[float]:
    """The study's sparsities in their order, each once (a study may name the same level twice)."""
    return list(dict.fromkeys(grid.sparsities))


def cells_of(grid: Grid) -> Iterator[Cell]:
    """Every cell, in the order of all tables and figures."""
    for dataset in grid.datasets:
        for model in grid.models:
            for level in levels(grid):
                yield Cell(model, dataset, level)


def fewer(grid: Grid, model: str) -> tuple[str, ...]:
    """The controls of each level that a model has: dense networks of fewer channels."""
    return tuple(name for name, models in ((NARROW, grid.narrow), (CHANNELS, grid.channels)) if model in models)


def controls(grid: Grid, model: str) -> list[tuple[str, float]]:
    """(method, sparsity) of a model's networks but students: the base, the dense controls, and every arm of each level."""
    of_level = (*grid.methods, *fewer(grid, model))
    dense = (BASE, DENSE, *((TAUGHT,) if model in grid.taught else ()))
    return [*((name, 0.0) for name in dense), *((name, level) for level in levels(grid) for name in of_level)]


def unpruned(name: str) -> bool:
    """Whether a network (dense, a method, student-<teacher>) belongs to no level: the base, dense controls, their students."""
    return name.removeprefix("student-") in (BASE, DENSE, TAUGHT, "alone")


def arms_of(grid: Grid) -> Iterator[Arm]:
    """Every arm the study asks for, run or not: dense, pruned, then students, per data set and model."""
    for dataset in grid.datasets:
        for model in grid.models:
            yield from _dense(grid, dataset, model)
            yield from _pruned(grid, dataset, model)
            if model in grid.teachers:
                yield from _students(grid, dataset, model)


def _dense(grid: Grid, dataset: str, model: str) -> Iterator[Arm]:
    for seed in grid.seeds:
        cell = dense_cell(model, dataset, seed)
        yield Arm(dataset, model, "base", BASE, 0.0, seed, f"evaluate/{cell}/{BASE}", (f"pretrain/{cell}",))
    for name in (DENSE, *((TAUGHT,) if model in grid.taught else ())):
        for seed in grid.seeds:
            end = f"{dense_cell(model, dataset, seed)}/{name}"
            yield Arm(dataset, model, "dense", name, 0.0, seed, f"evaluate/{end}", (f"finetune/{end}",))


def _pruned(grid: Grid, dataset: str, model: str) -> Iterator[Arm]:
    for sparsity in levels(grid):
        for method in grid.methods:
            for seed in grid.seeds:
                end = f"{Cell(model, dataset, sparsity).of(seed)}/{method}"
                stages = (f"prune/{end}", f"finetune/{end}")
                yield Arm(dataset, model, "pruned", method, float(sparsity), seed, f"evaluate/{end}", stages)
        for name in fewer(grid, model):
            for seed in grid.seeds:
                cell = Cell(model, dataset, sparsity).of(seed)
                begun = (f"pretrain/{NARROW}-{cell}",) if name == NARROW else ()  # from a base of its own
                stages = (*begun, f"finetune/{cell}/{name}")
                yield Arm(dataset, model, name, name, float(sparsity), seed, f"evaluate/{cell}/{name}", stages)


def _students(grid: Grid, dataset: str, model: str) -> Iterator[Arm]:
    for teacher in ("alone", "dense"):
        for seed in grid.seeds:
            yield _student(dataset, model, teacher, 0.0, seed, dense_cell(model, dataset, seed))
    for sparsity in levels(grid):
        for method in grid.methods:
            for seed in grid.seeds:
                yield _student(dataset, model, method, float(sparsity), seed, Cell(model, dataset, sparsity).of(seed))


def _student(dataset: str, model: str, teacher: str, sparsity: float, seed: int, cell: str) -> Arm:
    name = f"student-{teacher}"
    return Arm(dataset, model, "student", name, sparsity, seed, f"evaluate/{cell}/{name}", (f"distill/{cell}/{teacher}",))
