"""Which cells and arms a study has, and what their files are called."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple


@dataclass(frozen=True, kw_only=True)
class Grid:
    """A study: every combination is an arm. `teachers` are the models that teach a student."""

    name: str
    models: tuple[str, ...]
    datasets: tuple[str, ...]
    methods: tuple[str, ...]
    seeds: tuple[int, ...]
    sparsities: tuple[float, ...]
    teachers: tuple[str, ...]


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

    def __str__(self) -> str:
        return f"{self.model} on {self.dataset} at {self.sparsity * 100:g} %"


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


def controls(grid: Grid) -> list[tuple[str, float]]:
    """(method, sparsity) of the dense control and of every pruned arm."""
    return [("dense", 0.0), *((method, level) for level in levels(grid) for method in grid.methods)]


def unpruned(name: str) -> bool:
    """Whether a network (dense, a method, student-<teacher>) is of no sparsity: the dense control, its student, or one alone."""
    return name.removeprefix("student-") in ("dense", "alone")


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
        yield Arm(dataset, model, "dense", "dense", 0.0, seed, f"evaluate/{cell}/dense", (f"finetune/{cell}/dense",))


def _pruned(grid: Grid, dataset: str, model: str) -> Iterator[Arm]:
    for sparsity in levels(grid):
        for method in grid.methods:
            for seed in grid.seeds:
                end = f"{Cell(model, dataset, sparsity).of(seed)}/{method}"
                stages = (f"prune/{end}", f"finetune/{end}")
                yield Arm(dataset, model, "pruned", method, float(sparsity), seed, f"evaluate/{end}", stages)


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
