"""Which arms a study has, where their metrics files lie, and how those files are read."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import pandas as pd

from prunescope.errors import PrunescopeError


class Study(Protocol):
    """What the report needs to know of a study; any object with these attributes will do."""

    @property
    def name(self) -> str: ...
    @property
    def models(self) -> Sequence[str]: ...
    @property
    def datasets(self) -> Sequence[str]: ...
    @property
    def methods(self) -> Sequence[str]: ...
    @property
    def seeds(self) -> Sequence[int]: ...
    @property
    def sparsities(self) -> Sequence[float]: ...
    @property
    def teachers(self) -> Sequence[str]: ...  # the models that teach a student


@dataclass(frozen=True)
class Arm:
    """One trained network: `evaluate` and `training` are paths under metrics/ without suffix, as they ran."""

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


def pruned_cell(model: str, dataset: str, sparsity: float, seed: int) -> str:
    """The name of a cell; the sparsity is spelled as DVC spells the parameter (0.8, 0.9375)."""
    return f"{model}-{dataset}-{sparsity}-{seed}"


def levels(study: Study) -> list[float]:
    """The study's sparsities in their order, each once (a study may name the same level twice)."""
    return list(dict.fromkeys(study.sparsities))


def cells_of(study: Study) -> Iterator[tuple[str, str, float]]:
    """(model, data set, sparsity) of every cell, seeds taken together, in the order of all tables and figures."""
    for dataset in study.datasets:
        for model in study.models:
            for level in levels(study):
                yield model, dataset, level


def unpruned(name: str) -> bool:
    """Whether a network (dense, a method, student-<teacher>) is of no sparsity: the dense control, its student, or one alone."""
    return name.removeprefix("student-") in ("dense", "alone")


def arms_of(study: Study) -> Iterator[Arm]:
    """Every arm the study asks for, run or not: dense, pruned, then students, per data set and model."""
    for dataset in study.datasets:
        for model in study.models:
            yield from _dense(study, dataset, model)
            yield from _pruned(study, dataset, model)
            if model in study.teachers:
                yield from _students(study, dataset, model)


def _dense(study: Study, dataset: str, model: str) -> Iterator[Arm]:
    for seed in study.seeds:
        cell = dense_cell(model, dataset, seed)
        yield Arm(dataset, model, "dense", "dense", 0.0, seed, f"evaluate/{cell}/dense", (f"finetune/{cell}/dense",))


def _pruned(study: Study, dataset: str, model: str) -> Iterator[Arm]:
    for sparsity in levels(study):
        for method in study.methods:
            for seed in study.seeds:
                end = f"{pruned_cell(model, dataset, sparsity, seed)}/{method}"
                stages = (f"prune/{end}", f"finetune/{end}")
                yield Arm(dataset, model, "pruned", method, float(sparsity), seed, f"evaluate/{end}", stages)


def _students(study: Study, dataset: str, model: str) -> Iterator[Arm]:
    for teacher in ("alone", "dense"):
        for seed in study.seeds:
            yield _student(dataset, model, teacher, 0.0, seed, dense_cell(model, dataset, seed))
    for sparsity in levels(study):
        for method in study.methods:
            for seed in study.seeds:
                cell = pruned_cell(model, dataset, sparsity, seed)
                yield _student(dataset, model, method, float(sparsity), seed, cell)


def _student(dataset: str, model: str, teacher: str, sparsity: float, seed: int, cell: str) -> Arm:
    name = f"student-{teacher}"
    return Arm(dataset, model, "student", name, sparsity, seed, f"evaluate/{cell}/{name}", (f"distill/{cell}/{teacher}",))


def read_json(path: Path) -> dict[str, Any] | None:
    """The object in a JSON file, or None where the file does not exist (that stage did not run)."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise PrunescopeError(f"{path}: found no valid JSON ({error}), wanted a metrics file; run its stage again") from error
    if not isinstance(content, dict):
        found = type(content).__name__
        raise PrunescopeError(f"{path}: found a JSON {found}, wanted an object of metrics; run its stage again")
    return content


def read_history(path: Path) -> pd.DataFrame | None:
    """The validation rows of a history CSV in the order they were written; None where it does not exist."""
    if not path.is_file():
        return None
    history = pd.read_csv(path)
    missing = {"step", "event", "split", "accuracy", "layers_pruned"} - set(history.columns)
    if missing:
        raise PrunescopeError(f"{path}: found no column {', '.join(sorted(missing))}; run its stage again")
    return history[history["split"] == "val"].reset_index(drop=True)
