"""What causes a difference: schedule and levels as two factors, and controls that say whether pruning was needed at all.

A contrast is a weighted sum of the networks of a cell whose weights sum to zero; it is judged like any pair.
"""

from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from itertools import combinations

import pandas as pd

from prunescope.evidence.differences import Compare, Pair, decided, judge, layout
from prunescope.evidence.differences import judged as every_pair
from prunescope.evidence.layouts import Weights, compare
from prunescope.evidence.text import mean, percent
from prunescope.results.grid import BASE, CHANNELS, DENSE, TAUGHT, Cell, cells_of, fewer, levels
from prunescope.results.results import Results
from prunescope.results.summary import runs

FACTORS = {
    "oneshot": ("oneshot", "oneshot-uniform"),
    "layerwise": ("layerwise-global", "layerwise"),
    "iterative": ("iterative", "iterative-uniform"),
}
"""By schedule the row of `prune` whose levels one ranking sets, and the one whose layers all have the same level."""
LEVELS, SCHEDULE = "levels: uniform − global", "schedule: "  # effects, and how those of schedules begin
Contrasts = Mapping[str, Weights]


def factorial(results: Results, cell: Cell) -> Contrasts:
    """Effects of levels and schedules, each averaged over the other; none with fewer than two schedules in both forms."""
    known = {name: rows for name, rows in FACTORS.items() if set(rows) <= set(results.grid.methods)}
    if len(known) < 2:
        return {}
    by_schedule = {name: {uniform: 1.0, ranked: -1.0} for name, (ranked, uniform) in known.items()}
    found: dict[str, Weights] = {LEVELS: {arm: weight / len(known) for of in by_schedule.values() for arm, weight in of.items()}}
    for first, second in combinations(known, 2):
        halves = (*((arm, 0.5) for arm in known[second]), *((arm, -0.5) for arm in known[first]))
        found[f"{SCHEDULE}{second} − {first}"] = dict(halves)
    return found | {f"levels, of {name}: uniform − global": of for name, of in by_schedule.items()}


def schedules_apart(results: Results) -> Iterator[tuple[Cell, Pair, Compare]]:
    """Pairs of schedules with the same kind of levels that ran, as judged among all pairs of methods: the mean over both kinds
    hides a difference that one of them has, or that they have the other way round."""
    kinds = [{rows[place] for rows in FACTORS.values()} for place in (0, 1)]
    for cell, found in every_pair(results).items():
        for pair, of in found.items():
            if of.judgement.estimate.n and any(set(pair) <= kind for kind in kinds):
                yield cell, pair, of


def controls(results: Results, cell: Cell) -> Contrasts:
    """Each network with the control that has all but one of its causes; controls of no level once, in the cell of the lowest."""
    grid, methods = results.grid, results.grid.methods
    pairs = [(DENSE, BASE)] + ([(TAUGHT, DENSE)] if cell.model in grid.taught else [])
    pairs = pairs if cell.sparsity == min(levels(grid)) else []
    few = fewer(grid, cell.model)
    pairs += [(CHANNELS, other) for other in (DENSE, *few) if CHANNELS in few and other != CHANNELS]
    for method in methods:
        plain = method.removesuffix("-taught")
        pairs += [(method, name) for name in few]
        pairs += [("oneshot", "random")] if method == "random" and "oneshot" in methods else []
        pairs += [(method, plain)] if method != plain and plain in methods else []
        pairs += [(method, TAUGHT)] if method != plain and cell.model in grid.taught else []
    return {f"{first} − {second}": {first: 1.0, second: -1.0} for first, second in pairs}


@lru_cache(maxsize=16)
def judged(results: Results, of: Callable[[Results, Cell], Contrasts]) -> Mapping[Cell, Mapping[str, Compare]]:
    """All contrasts of all cells as one family, on the primary endpoint."""
    wanted = {cell: found for cell in cells_of(results.grid) if (found := of(results, cell))}
    layouts = {cell: layout(results, cell, _arms(found), found) for cell, found in wanted.items()}
    return judge(compare(layouts), results.grid.margin)


def _arms(contrasts: Contrasts) -> list[str]:
    return list(dict.fromkeys(arm for weights in contrasts.values() for arm in weights))


def table(results: Results, of: Callable[[Results, Cell], Contrasts]) -> pd.DataFrame:
    """A row per cell and contrast that ran: the difference, its errors, the verdict."""
    return pd.DataFrame(list(_rows(judged(results, of))))


def _rows(found: Mapping[Cell, Mapping[str, Compare]]) -> Iterator[dict[str, str]]:
    for cell, contrasts in found.items():
        for name, compared in contrasts.items():
            if (estimate := compared.judgement.estimate).n:
                row = cell.labels() | {"effect": name, "n": str(estimate.n), "points": estimate.text("+.2f")}
                yield row | decided(compared.judgement)


def levels_table(results: Results) -> pd.DataFrame:
    """Schedules by levels: the primary endpoint of each of the six networks, and the share of MACs that they keep."""
    rows = []
    for cell in cells_of(results.grid):
        if factorial(results, cell):
            measure = results.grid.primary_of(cell.dataset)
            if all(runs(results.summary, cell, of).empty for arms in FACTORS.values() for of in arms):
                continue
            for name, arms in FACTORS.items():
                row = cell.labels() | {"schedule": name}
                for title, arm in zip(("global", "uniform"), (runs(results.summary, cell, of) for of in arms), strict=True):
                    kept = arm["nonzero_macs"] / arm["macs"] * 100
                    row |= {f"{title} levels %": percent(arm[measure]), f"{title}: MACs left %": mean(kept, ".1f")}
                rows.append(row)
    return pd.DataFrame(rows)
