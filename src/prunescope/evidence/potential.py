"""Prune potential: the highest level at which no loss is shown that matters (after Liebenwein et al. 2021, with intervals)."""

import pandas as pd

from prunescope.evidence.differences import judged
from prunescope.evidence.inference import Estimate
from prunescope.evidence.text import NOT_RUN, NOTHING
from prunescope.results.grid import Cell, levels
from prunescope.results.results import Results


def table(results: Results) -> pd.DataFrame:
    """A row per model, data set and method of a study with two levels or more."""
    every = sorted(levels(results.grid))
    if len(every) < 2:
        return pd.DataFrame()
    rows, known = [], judged(results)
    for dataset in results.grid.datasets:
        for model in results.grid.models:
            for method in results.grid.methods:
                found = [known[Cell(model, dataset, level)][method, "dense"].judgement.estimate for level in every]
                row = {"model": model, "data": dataset, "method": method}
                if not any(of.n for of in found):
                    rows.append(row | {"no loss shown up to": NOT_RUN})
                    continue
                margin = results.grid.margin
                row["no loss shown up to"] = _up_to([of.measured and not shown_lost(of, margin) for of in found], every)
                row["shown to be without loss up to"] = _up_to([shown_safe(of, margin) for of in found], every)
                steps = [f"{level * 100:g} %: {of.text('+.1f')}" for level, of in zip(every, found, strict=True) if of.n]
                rows.append(row | {"difference to dense by level, points": "; ".join(steps)})
    return pd.DataFrame(rows)


def shown_lost(of: Estimate, margin: float) -> bool:
    """Whether more than the margin is lost, with 97.5 % confidence."""
    return of.high < -margin


def shown_safe(of: Estimate, margin: float) -> bool:
    """Whether less than the margin is lost, with 97.5 % confidence; one seed shows nothing."""
    return of.low > -margin


def _up_to(fine: list[bool], every: list[float]) -> str:
    """The last level of the unbroken run from the lowest one; a level whose loss was not measured ends it."""
    run = next((place for place, of in enumerate(fine) if not of), len(fine))
    return f"{every[run - 1] * 100:g} %" if run else NOTHING
