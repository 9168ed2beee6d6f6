"""What is measured for each of the paper's conclusions: differences between networks of a cell, seed by seed.

Each function takes (results, cell) and gives differences that are positive where the conclusion is right.
"""

import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pandas as pd

from prunescope.evidence.differences import Difference, between, paired
from prunescope.results.grid import Cell
from prunescope.results.results import Results

METHODS = ("oneshot", "layerwise", "iterative")  # the paper's: others of a study do not judge its conclusions


Comparisons = Mapping[str, Difference]  # what with what: the difference
Measure = Callable[[Results, Cell], Comparisons]


def beats(first: str, others: Sequence[str], *, worse: bool = False) -> Measure:
    """Balanced accuracy of `first` less that of each other; the other way round if it is claimed to be worse."""

    def compare(results: Results, cell: Cell) -> Comparisons:
        pairs = [(other, first) if worse else (first, other) for other in others]
        return {f"{a} − {b}": between(results, cell, a, b) for a, b in pairs}

    return compare


def pruned_over_dense(results: Results, cell: Cell) -> Comparisons:
    """Balanced accuracy of the paper's methods less that of the dense control, after as many steps."""
    return {f"{method} − dense": between(results, cell, method, "dense") for method in METHODS}


def alike_inside(results: Results, cell: Cell) -> Comparisons:
    """Mean CKA of different layers inside the layerwise network less that inside the others."""
    found = _means(results, cell, [(name, name) for name in METHODS], _off_diagonal)
    mine = found["layerwise", "layerwise"]
    return {f"layerwise − {other}": paired(mine, found[other, other]) for other in ("oneshot", "iterative")}


def alike_between(results: Results, cell: Cell) -> Comparisons:
    """Mean same-layer CKA of one-shot and iterative less that of each with layerwise."""
    pairs = [("oneshot", "iterative"), ("oneshot", "layerwise"), ("iterative", "layerwise")]
    found = _means(results, cell, pairs, np.diagonal)
    return {f"against {a} and {b}": paired(found[pairs[0]], found[a, b]) for a, b in pairs[1:]}


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


def early_students(results: Results, cell: Cell) -> Comparisons:
    """`early_over_late` of each pruned teacher and its student."""
    found: dict[str, dict[int, float]] = {method: {} for method in METHODS}
    for method, seed in ((method, seed) for method in found for seed in results.grid.seeds):
        matrix = results.similarity_map(cell, seed, f"student-{method}", method)
        if matrix is not None:
            found[method][seed] = early_over_late(matrix.to_numpy())
    known = {method: {seed: gap for seed, gap in of.items() if not math.isnan(gap)} for method, of in found.items()}
    return {f"taught by {method}": Difference(of) for method, of in known.items()}


def early_over_late(matrix: np.ndarray) -> float:
    """Mean similarity of student (rows) and teacher (columns) at equal relative depth: first half of the rows less the second.

    A middle row belongs to neither half; undefined cells are left out.
    """
    rows, columns = matrix.shape
    places = np.rint(np.arange(rows) * (columns - 1) / max(rows - 1, 1)).astype(int)
    same, half = matrix[np.arange(rows), places], rows // 2
    halves = [part[~np.isnan(part)] for part in (same[:half], same[rows - half :])]
    return float(halves[0].mean() - halves[1].mean()) if all(len(part) for part in halves) else math.nan


def falls_with_layers(results: Results, cell: Cell) -> Comparisons:
    """`fall_over_layers` of the layerwise plan."""
    falls = {}
    for seed in results.grid.seeds:
        history = results.history(f"prune/{cell.of(seed)}/layerwise")
        if history is not None and (fall := fall_over_layers(history)) is not None:
            falls[seed] = fall
    return {"fall": Difference(falls)}


def fall_over_layers(history: pd.DataFrame) -> float | None:
    """Points of validation accuracy that the least-squares line through all rounds loses from the first layer to the last.

    Measured after each round's recovery; None where fewer than three rounds recovered.
    """
    rows = history[(history["event"] == "trained") & (history["layers_pruned"] > 0)]
    last = rows.groupby("layers_pruned")["accuracy"].last()
    if len(last) < 3:
        return None
    layers = last.index.to_numpy(dtype=float)
    return float(-np.polyfit(layers, last.to_numpy(), 1)[0] * (layers.max() - layers.min()) * 100)
