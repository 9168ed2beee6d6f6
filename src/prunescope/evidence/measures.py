"""What is measured for each of the paper's conclusions: differences between networks of a cell, seed by seed.

Each function takes (results, cell) and gives differences that are positive where the conclusion is right.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import combinations, product

import numpy as np
import pandas as pd

from prunescope.evidence import trends
from prunescope.evidence.differences import Compare, between, judge
from prunescope.evidence.layouts import Layout, compare, of_series
from prunescope.results.grid import Cell
from prunescope.results.results import Results

METHODS = ("oneshot", "layerwise", "iterative")  # the paper's: others of a study do not judge its conclusions
EQUAL_LEVELS = ("oneshot-uniform", "layerwise", "iterative-uniform")
CURVES = (*METHODS, "dense")
MAPS = (  # of layer similarity that the conclusions read, of every seed
    *((name, name) for name in METHODS),
    *combinations(METHODS, 2),
    *combinations(EQUAL_LEVELS, 2),
    *product((f"student-{name}" for name in ("alone", *METHODS)), METHODS),
)
LINEAR = ("classifier", "fc", "head", "heads")  # modules of torchvision's classifiers whose layers are linear
Measure = Callable[[Results, Sequence[Cell]], Mapping[Cell, Mapping[str, Compare]]]


def beats(first: str, others: Sequence[str], *, worse: bool = False) -> Measure:
    """Primary endpoint of `first` less that of each other; the other way round if it is claimed to be worse.

    The verdicts are those of the table of differences, whose family is all pairs of methods.
    """
    return _of_pairs([(other, first) if worse else (first, other) for other in others])


def _of_pairs(pairs: Sequence[tuple[str, str]]) -> Measure:
    def measure(results: Results, cells: Sequence[Cell]) -> Mapping[Cell, Mapping[str, Compare]]:
        return {cell: {f"{a} − {b}": between(results, cell, a, b) for a, b in pairs} for cell in cells}

    return measure


def _family(layout: Callable[[Results, Cell], Layout], margin: str) -> Measure:
    """A conclusion whose comparisons, in all cells, are a family of their own; margin: that attribute of the grid."""

    def measure(results: Results, cells: Sequence[Cell]) -> Mapping[Cell, Mapping[str, Compare]]:
        return judge(compare({cell: layout(results, cell) for cell in cells}), getattr(results.grid, margin))

    return measure


def _inside(results: Results, cell: Cell) -> Layout:
    found = _means(results, cell, [(name, name) for name in METHODS], _off_diagonal)
    pairs = {f"layerwise − {other}": {"layerwise": 1.0, other: -1.0} for other in ("oneshot", "iterative")}
    return Layout({name: of for (name, _), of in found.items()}, pairs, {})


def _between(results: Results, cell: Cell, names: Sequence[str] = METHODS) -> Layout:
    oneshot, layerwise, iterative = names
    pairs = [(oneshot, iterative), (oneshot, layerwise), (iterative, layerwise)]
    arms = {f"{a} and {b}": of for (a, b), of in _means(results, cell, pairs, np.diagonal).items()}
    alike, *others = arms
    return Layout(arms, {f"against {other}": {alike: 1.0, other: -1.0} for other in others}, {})


def _means(
    results: Results,
    cell: Cell,
    pairs: Sequence[tuple[str, str]],
    part: Callable[[np.ndarray], np.ndarray],
) -> dict[tuple[str, str], dict[int, float]]:
    """By pair and seed the mean of a part of its CKA map, over places that are defined in all pairs of that seed.

    A dead layer has no similarity: left out of one map alone it would shift that map's mean.
    """
    found: dict[tuple[str, str], dict[int, float]] = {pair: {} for pair in pairs}
    for seed in results.grid.seeds:
        maps = [results.similarity_map(cell, seed, *pair) for pair in pairs]
        parts = [part(of.to_numpy()) for of in maps if of is not None]
        if len(parts) == len(pairs) and len({of.shape for of in parts}) == 1:
            known = ~np.isnan(parts).any(axis=0)
            for pair, of in zip(pairs, parts, strict=True):
                found[pair] |= {seed: float(of[known].mean())} if known.any() else {}
    return found


def _off_diagonal(matrix: np.ndarray) -> np.ndarray:
    return matrix[~np.eye(len(matrix), dtype=bool)]


def _students(results: Results, cell: Cell, half: int) -> Layout:
    """By pruned teacher, how much more alike to it its own student is than one that nobody taught; half: 0 early, 1 late."""
    return of_series({f"taught by {method}": taught_less_alone(results, cell, method)[half] for method in METHODS})


def taught_less_alone(results: Results, cell: Cell, method: str) -> tuple[dict[int, float], dict[int, float]]:
    """(early, late) by seed: similarity of the taught student to its teacher, less that of the student alone to the same one."""
    early, late = {}, {}
    for seed in results.grid.seeds:
        maps = [results.similarity_map(cell, seed, student, method) for student in (f"student-{method}", "student-alone")]
        if maps[0] is not None and maps[1] is not None:
            gaps = [taught - alone for taught, alone in zip(halves(maps[0]), halves(maps[1]), strict=True)]
            for found, gap in zip((early, late), gaps, strict=True):
                found |= {} if math.isnan(gap) else {seed: gap}
    return early, late


def halves(matrix: pd.DataFrame) -> tuple[float, float]:
    """Mean similarity of student (rows) and teacher (columns) in the first and in the second half of the student's layers.

    Each row meets the layer of its own kind at the nearest relative depth: convolutions convolutions, linear layers of
    the classifier such ones. A middle row belongs to neither half; undefined cells are left out.
    """
    linear = [[name.split(".")[0] in LINEAR for name in names] for names in (matrix.index, matrix.columns)]
    same = np.full(len(matrix), math.nan)
    for kind in (False, True):
        rows, columns = (np.flatnonzero(np.array(of) == kind) for of in linear)
        if len(rows) and len(columns):
            places = columns[np.rint(np.arange(len(rows)) * (len(columns) - 1) / max(len(rows) - 1, 1)).astype(int)]
            same[rows] = matrix.to_numpy()[rows, places]
    half = len(same) // 2
    parts = [part[~np.isnan(part)] for part in (same[:half], same[len(same) - half :])]
    early, late = (float(part.mean()) if len(part) else math.nan for part in parts)
    return early, late


def _by_seed(results: Results, of: Callable[[int], float | None]) -> dict[int, float]:
    values = {seed: of(seed) for seed in results.grid.seeds}
    return {seed: value for seed, value in values.items() if value is not None}


def _of_dense(cell: Cell, arms: Mapping[str, Mapping[int, float]], comparisons: Mapping[str, Mapping[str, float]]) -> Layout:
    """Comparisons with the dense control, which is the same network at all levels."""
    return Layout(arms, comparisons, {}, block=cell.network, shared=("dense",))


def _trains(results: Results, cell: Cell) -> Layout:
    arms = {name: _by_seed(results, lambda seed, of=name: trends.trains_well(results, cell, seed, of)) for name in CURVES}
    return _of_dense(cell, arms, {f"{method} − dense": {method: 1.0, "dense": -1.0} for method in METHODS})


def _sooner(results: Results, cell: Cell) -> Layout:
    arms = {name: _by_seed(results, lambda seed, of=name: trends.reached_after(results, cell, seed, of)) for name in CURVES}
    return _of_dense(cell, arms, {f"{method} − dense": {method: -100.0, "dense": 100.0} for method in METHODS})


def _falls(results: Results, cell: Cell) -> Layout:
    found = {seed: of for seed in results.grid.seeds if (of := trends.gained_over_layers(results, cell, seed)) is not None}
    arms = {name: {seed: of[place] for seed, of in found.items()} for place, name in enumerate(("layerwise", "dense"))}
    return _of_dense(cell, arms, {"loss": {"dense": 1.0, "layerwise": -1.0}})


# Mean CKA of different layers inside the layerwise network less that inside the others.
alike_inside = _family(_inside, "margin_cka")
# Mean same-layer CKA of one-shot and iterative less that of each with layerwise.
alike_between = _family(_between, "margin_cka")
# The same of three networks whose layers all have the same level: what is left when levels do not differ.
alike_at_equal_levels = _family(partial(_between, names=EQUAL_LEVELS), "margin_cka")
early_students = _family(partial(_students, half=0), "margin_cka")
late_students = _family(partial(_students, half=1), "margin_cka")
# Primary endpoint of each method less that of the dense control; the verdicts are the table's of differences.
beats_dense = _of_pairs([(method, "dense") for method in METHODS])
trains_better = _family(_trains, "margin")
# How much sooner training reaches what dense has at half of the budget, percent of the budget.
trains_sooner = _family(_sooner, "margin")
falls_with_layers = _family(_falls, "margin")
