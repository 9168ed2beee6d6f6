"""What is measured for each of the paper's conclusions: differences between networks of a cell, seed by seed.

Each function takes (results, cell) and gives differences that are positive where the conclusion is right.
"""

import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pandas as pd

from prunescope.evidence.differences import Compare, between, judge
from prunescope.evidence.layouts import BySeed, Layout, compare, of_series
from prunescope.results.grid import Cell
from prunescope.results.results import Results

METHODS = ("oneshot", "layerwise", "iterative")  # the paper's: others of a study do not judge its conclusions
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


# Of the paper's methods, after as many steps as the control.
pruned_over_dense = _of_pairs([(method, "dense") for method in METHODS])


def _family(layout: Callable[[Results, Cell], Layout], margin: str) -> Measure:
    """A conclusion whose comparisons, in all cells, are a family of their own; margin: that attribute of the grid."""

    def measure(results: Results, cells: Sequence[Cell]) -> Mapping[Cell, Mapping[str, Compare]]:
        return judge(compare({cell: layout(results, cell) for cell in cells}), getattr(results.grid, margin))

    return measure


def _inside(results: Results, cell: Cell) -> Layout:
    found = _means(results, cell, [(name, name) for name in METHODS], _off_diagonal)
    pairs = {f"layerwise − {other}": {"layerwise": 1.0, other: -1.0} for other in ("oneshot", "iterative")}
    return Layout({name: of for (name, _), of in found.items()}, pairs, {})


def _between(results: Results, cell: Cell) -> Layout:
    pairs = [("oneshot", "iterative"), ("oneshot", "layerwise"), ("iterative", "layerwise")]
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


def _early(results: Results, cell: Cell) -> Layout:
    """`early_over_late` of each pruned teacher and its student."""
    found: dict[str, dict[int, float]] = {method: {} for method in METHODS}
    for method, seed in ((method, seed) for method in found for seed in results.grid.seeds):
        matrix = results.similarity_map(cell, seed, f"student-{method}", method)
        if matrix is not None:
            found[method][seed] = early_over_late(matrix.to_numpy())
    known = {method: {seed: gap for seed, gap in of.items() if not math.isnan(gap)} for method, of in found.items()}
    return of_series({f"taught by {method}": of for method, of in known.items()})


def early_over_late(matrix: np.ndarray) -> float:
    """Mean similarity of student (rows) and teacher (columns) at equal relative depth: first half of the rows less the second.

    A middle row belongs to neither half; undefined cells are left out.
    """
    rows, columns = matrix.shape
    places = np.rint(np.arange(rows) * (columns - 1) / max(rows - 1, 1)).astype(int)
    same, half = matrix[np.arange(rows), places], rows // 2
    halves = [part[~np.isnan(part)] for part in (same[:half], same[rows - half :])]
    return float(halves[0].mean() - halves[1].mean()) if all(len(part) for part in halves) else math.nan


def _falls(results: Results, cell: Cell) -> Layout:
    """`fall_over_layers` of the layerwise plan."""
    falls: dict[int, float] = {}
    for seed in results.grid.seeds:
        history = results.history(f"prune/{cell.of(seed)}/layerwise")
        if history is not None and (fall := fall_over_layers(history)) is not None:
            falls[seed] = fall
    series: Mapping[str, BySeed] = {"fall": falls}
    return of_series(series)


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


# Mean CKA of different layers inside the layerwise network less that inside the others.
alike_inside = _family(_inside, "margin_cka")
# Mean same-layer CKA of one-shot and iterative less that of each with layerwise.
alike_between = _family(_between, "margin_cka")
early_students = _family(_early, "margin_cka")
falls_with_layers = _family(_falls, "margin")
