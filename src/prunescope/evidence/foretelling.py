"""Does the order of the methods right after pruning foretell their order after recovery? Rank correlations with intervals."""

from collections.abc import Mapping, Sequence
from itertools import combinations

import numpy as np
import pandas as pd

from prunescope.evidence.inference import Estimate
from prunescope.evidence.overall import OF_ONE_SEED, over_networks
from prunescope.evidence.text import NOTHING
from prunescope.results.grid import Cell, cells_of
from prunescope.results.results import Results
from prunescope.results.summary import runs

WHEN = {"right after pruning": "accuracy_after_pruning", "re-estimated": "accuracy_after_reestimation"}


def concordant(before: Sequence[float], after: Sequence[float]) -> tuple[int, int, int]:
    """Pairs in the same order, in the other order, and tied in one of the two."""
    signs = [int(np.sign(before[a] - before[b]) * np.sign(after[a] - after[b])) for a, b in combinations(range(len(before)), 2)]
    return signs.count(1), signs.count(-1), signs.count(0)


def tau(before: Sequence[float], after: Sequence[float]) -> float:
    """Kendall's tau-a: pairs in the same order less those in the other, over all pairs; ties speak for neither."""
    same, other, tied = concordant(before, after)
    return (same - other) / (same + other + tied)


def table(results: Results) -> pd.DataFrame:
    """A row per way of measuring right after pruning that the study has; none with fewer than two methods."""
    rows = []
    for when, column in WHEN.items():
        by_cell = {cell: found for cell in cells_of(results.grid) if (found := _orders(results, cell, column))}
        orders = [order for of in by_cell.values() for order in of]
        if orders:
            same, other, tied = np.sum([concordant(*order) for order in orders], axis=0)
            taus = {cell: [tau(*order) for order in of] for cell, of in by_cell.items()}
            shown = (estimate := _over(taus)).text("+.2f")
            row = {"measured": when, "cells": str(len(by_cell)), "seeds of cells": str(len(orders))}
            row |= {"pairs in the same order": f"{same} of {same + other + tied}"}
            rows.append(row | {"rank correlation": shown, "foretells": _word(estimate)})
    return pd.DataFrame(rows)


def _over(taus: Mapping[Cell, Sequence[float]]) -> Estimate:
    """The mean over networks of the correlations of each seed, as conclusions have it; of a single one over its seeds."""
    means = np.array([float(np.mean(of)) for of in taus.values()])
    networks = [(cell.model, cell.dataset) for cell in taus]
    if len(set(networks)) > 1:
        return over_networks(means, OF_ONE_SEED * np.eye(len(means)), networks)[0].estimate
    values = [float(np.mean(of)) for of in zip(*taus.values(), strict=False)]
    spread = float(np.var(values, ddof=1)) if len(values) > 1 else float("nan")
    return Estimate(float(means.mean()), len(values), spread, len(values) - 1.0)


def _word(estimate: Estimate) -> str:
    """Of these methods in other cells: two orders of few methods are often alike by chance."""
    if not estimate.measured:
        return NOTHING
    return "the order of these" if estimate.low > 0 else "the reverse of these" if estimate.high < 0 else "not shown"


def _orders(results: Results, cell: Cell, column: str) -> list[tuple[list[float], list[float]]]:
    """By seed the accuracies of the methods, before and after; seeds that lack one are left out."""
    methods = results.grid.methods
    arms = {name: runs(results.summary, cell, name).set_index("seed") for name in methods}
    found = []
    for seed in results.grid.seeds if len(methods) > 1 else ():
        if all(seed in of.index for of in arms.values()):
            pairs = [(float(of.loc[seed, column]), float(of.loc[seed, "accuracy"])) for of in arms.values()]  # type: ignore[arg-type]
            before, after = zip(*pairs, strict=True)
            if not np.isnan([before, after]).any():
                found.append((list(before), list(after)))
    return found
