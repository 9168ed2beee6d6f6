"""Classes whose recall matters most (evaluate.critical): their sensitivity at the operating point of the dense control.

A pruned network may find more melanomas only because it calls more images melanomas. So its threshold is moved until it has the
control's specificity, and the sensitivity there is compared.
"""

import numpy as np
import pandas as pd

from prunescope.evidence.classes import FEWEST
from prunescope.evidence.differences import judge
from prunescope.evidence.inference import Floats
from prunescope.evidence.layouts import Layout, compare
from prunescope.evidence.text import percent
from prunescope.resampling import resampled_sums
from prunescope.results.grid import Cell, cells_of
from prunescope.results.predictions import DRAWS, Predictions
from prunescope.results.results import Results


def found_at(scores: Floats, actual: Floats, specificity: float) -> Floats:
    """(N,) 1 for an image of the class whose score is above the lowest threshold that has at least this specificity. On the
    threshold it is the share of the other images there that this specificity lets be taken for the class: a network that gives
    all images one score finds no more than chance does.

    scores (N,), actual (N,) 1 for the class. The mean over the class is the sensitivity there.
    """
    others = np.sort(scores[actual == 0])[::-1]
    false_positives = int(np.floor((1 - specificity) * len(others) + 1e-9))
    if false_positives == len(others):
        return actual
    threshold = others[false_positives]
    share = (false_positives - (others > threshold).sum()) / (others == threshold).sum()
    return actual * ((scores > threshold) + share * (scores == threshold))


def specificity_of(of: Predictions, name: str) -> float:
    """The share of other images that are not taken for the class."""
    others = of.table["actual"] != name
    return float((of.table["predicted"][others] != name).mean())


def critical_table(results: Results) -> pd.DataFrame:
    """A row per cell, critical class and method; none where scores were not kept, or of a class of fewer than `FEWEST` groups."""
    layouts = {
        (cell, name): of
        for cell in cells_of(results.grid)
        for name in results.grid.critical
        if (of := _layout(results, cell, name))
    }
    rows = []
    for (cell, name), comparisons in judge(compare(layouts), results.grid.margin).items():
        arms = layouts[cell, name].arms
        for method, of in comparisons.items():
            if of.judgement.estimate.n:
                plain = pd.Series(_sensitivities(results, cell, name, method))
                row = cell.labels() | {"class": name, "method": method, "n": str(of.judgement.estimate.n)}
                row |= {"sensitivity %": percent(plain), "at the control's specificity %": percent(pd.Series(arms[method]) / 100)}
                row |= {"control there %": percent(pd.Series(arms["dense"]) / 100)}
                rows.append(row | {"change, points": of.judgement.estimate.text(), "verdict": of.verdict})
    return pd.DataFrame(rows)


def _layout(results: Results, cell: Cell, name: str) -> Layout | None:
    arms: dict[str, dict[int, float]] = {arm: {} for arm in ("dense", *results.grid.methods)}
    draws = {}
    for seed in results.grid.seeds:
        control = results.predictions(cell, seed, "dense")
        for arm in arms if control is not None else ():
            known = results.predictions(cell, seed, arm)
            scores = None if known is None else known.scores(name)
            if known is None or scores is None or control is None or name not in known.classes:
                continue
            actual = known.member[:, known.classes.index(name)]
            if known.table["group"][actual > 0].nunique() < FEWEST:
                return None
            found = found_at(scores, actual, specificity_of(control, name))
            arms[arm][seed] = float(found.sum() / actual.sum() * 100)
            sums = resampled_sums(np.stack([found, actual], axis=1), known.table["group"].to_numpy(), draws=DRAWS)
            with np.errstate(invalid="ignore"):
                moved = sums[:, 0] / sums[:, 1] * 100  # NaN in a draw without an image of the class
            draws[arm, seed] = np.nan_to_num(moved - np.nanmean(moved))
    weights = {method: {method: 1.0, "dense": -1.0} for method in results.grid.methods}
    block, apart = cell.network, results.grid.chance
    return Layout(arms, weights, draws, cell.dataset, block, ("dense",), apart) if arms["dense"] else None


def _sensitivities(results: Results, cell: Cell, name: str, method: str) -> list[float]:
    """By seed, at the network's own operating point."""
    found = [results.predictions(cell, seed, method) for seed in results.grid.seeds]
    return [float(of.right[of.table["actual"] == name].mean()) for of in found if of is not None]
