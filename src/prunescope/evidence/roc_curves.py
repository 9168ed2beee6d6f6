"""ROC curves, means over seeds: of every class where evaluate kept them, else of the critical classes from their scores."""

from collections.abc import Callable, Iterator

import numpy as np
import pandas as pd

from prunescope.results.grid import Cell, cells_of
from prunescope.results.predictions import Predictions
from prunescope.results.results import Results

PLACES = np.linspace(0, 1, 61)  # false-positive rates of a curve that is made from scores
COLUMNS = ("cell", "class", "critical", "network", "fall_out", "sensitivity")
Curve = pd.Series  # sensitivity by share of false positives, fractions


def every_class(results: Results, cell: Cell) -> pd.DataFrame:
    """`COLUMNS` of a cell, percent, critical classes first; no rows where those of dense or of all methods were not kept."""

    def of(seed: int, network: str) -> dict[str, Curve]:
        table = results.roc(cell, seed, network)
        if table is None:
            return {}
        points = {str(name): rows for name, rows in table.groupby("class", sort=False)}
        return {name: Curve(rows["sensitivity"].to_numpy(), 1 - rows["specificity"].to_numpy()) for name, rows in points.items()}

    rows = _table(results, cell, of)
    return rows if {"dense"} < set(rows["network"]) else rows.head(0)


def critical_classes(results: Results) -> pd.DataFrame:
    """The same of the critical classes of all cells that have no curves of every class."""

    def rows() -> Iterator[pd.DataFrame]:
        for cell in cells_of(results.grid):
            if every_class(results, cell).empty:
                yield _table(results, cell, lambda seed, network, cell=cell: _from_scores(results, cell, seed, network))

    found = [of for of in rows() if len(of)]
    return pd.concat(found, ignore_index=True) if found else pd.DataFrame(columns=list(COLUMNS))


def _networks(results: Results) -> tuple[str, ...]:
    return ("dense", *results.grid.methods)


def _table(results: Results, cell: Cell, curves: Callable[[int, str], dict[str, Curve]]) -> pd.DataFrame:
    known = {name: [curves(seed, name) for seed in results.grid.seeds] for name in _networks(results)}
    classes = dict.fromkeys(name for of in known.values() for seed in of for name in seed)
    rows = []
    for name in sorted(classes, key=lambda one: one not in results.grid.critical):  # the others stay in their order
        for network, seeds in known.items():
            mine = [of[name] for of in seeds if name in of]
            mean = pd.concat(mine, axis=1).mean(axis=1) if mine else Curve(dtype=float)
            where = {"cell": str(cell), "class": name, "critical": name in results.grid.critical, "network": network}
            rows += [
                where | {"fall_out": round(100 * x, 2), "sensitivity": round(100 * y, 2)}
                for x, y in zip(mean.index.to_numpy(dtype=float), mean, strict=True)
            ]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _from_scores(results: Results, cell: Cell, seed: int, network: str) -> dict[str, Curve]:
    of = results.predictions(cell, seed, network)
    found = {name: None if of is None else _curve(of, name) for name in results.grid.critical}
    return {name: curve for name, curve in found.items() if curve is not None}


def _curve(of: Predictions, name: str) -> Curve | None:
    """None where the class or its scores are not there."""
    scores = of.scores(name)
    if scores is None or name not in of.classes:
        return None
    actual = of.member[:, of.classes.index(name)]
    if not 0 < actual.sum() < len(actual):
        return None
    order = np.argsort(-scores, kind="stable")
    hits, ends = actual[order], np.flatnonzero(np.diff(scores[order], append=-np.inf))  # ties are passed at once
    found, false = np.cumsum(hits)[ends] / actual.sum(), np.cumsum(1 - hits)[ends] / (len(actual) - actual.sum())
    return Curve(np.interp(PLACES, np.concatenate([[0], false]), np.concatenate([[0], found])), PLACES)
