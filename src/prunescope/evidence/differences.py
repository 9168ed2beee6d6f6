"""Networks against each other on the primary endpoint: every pair of methods, and every method against the dense control.

Networks of one seed share their base and the order of their images, so differences are taken seed by seed. Two families of
comparisons are judged, each over all cells of the study: the methods with each other, and the methods with the dense control.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations
from typing import TypeVar

import numpy as np
import pandas as pd

from prunescope.evidence import endpoints
from prunescope.evidence.inference import OPEN, Judgement, judge_all
from prunescope.evidence.layouts import Compared, Key, Layout, Weights, compare, of_series
from prunescope.evidence.seeds import what_would_decide
from prunescope.evidence.text import NOTHING
from prunescope.results.grid import BASE, DENSE, TAUGHT, Cell, cells_of
from prunescope.results.predictions import Predictions, same_images
from prunescope.results.results import Results

Name = TypeVar("Name")
CONTROLS = (BASE, DENSE, TAUGHT, "student-alone", "student-dense")  # the same networks in the cells of all levels
Pair = tuple[str, str]  # what, less what


@dataclass(frozen=True)
class Compare:
    """A comparison as measured, and as judged among its family."""

    compared: Compared
    judgement: Judgement

    @property
    def verdict(self) -> str:
        return self.judgement.verdict

    def turned(self) -> "Compare":
        """The other way round."""
        return Compare(self.compared.turned(), self.judgement.turned())


def pairs(methods: Sequence[str]) -> Iterator[Pair]:
    """Every method and the dense control, then the methods with each other."""
    yield from ((method, "dense") for method in methods)
    yield from ((second, first) for first, second in combinations(methods, 2))


def named(pair: Pair) -> str:
    return f"{pair[0]} − {pair[1]}"


def weights_of(compared: Sequence[Pair]) -> dict[str, Weights]:
    """Pairs as weights of arms, by name."""
    return {named(pair): {pair[0]: 1.0, pair[1]: -1.0} for pair in compared}


def layout(results: Results, cell: Cell, arms: Sequence[str], compared: Mapping[str, Weights]) -> Layout:
    """The primary endpoint of a cell's networks by seed."""
    measure = results.grid.primary_of(cell.dataset)
    values = {name: endpoints.by_seed(results, cell, name) for name in arms}
    draws, first = {}, _first(results, cell.dataset)
    for name, seed in ((name, seed) for name, of in values.items() for seed in of):
        moved = endpoints.draws(results, cell, seed, name, measure)
        if moved is not None and (known := results.predictions(cell, seed, name)) is not None:
            draws[name, seed] = moved
            same_images(known, first or known)
    return Layout(values, compared, draws, cell.dataset, cell.network, CONTROLS, results.grid.chance)


@lru_cache(maxsize=8)
def _first(results: Results, dataset: str) -> Predictions | None:
    """Of some network on a data set: all others are held to its images, as cells share what these add."""
    cells, names = [cell for cell in cells_of(results.grid) if cell.dataset == dataset], ("dense", *results.grid.methods)
    every = (results.predictions(cell, seed, name) for cell in cells for seed in results.grid.seeds for name in names)
    return next((known for known in every if known is not None), None)


@lru_cache(maxsize=8)
def judged(results: Results) -> Mapping[Cell, Mapping[Pair, Compare]]:
    """Every pair of every cell, judged in its family."""
    every, arms = list(pairs(results.grid.methods)), ("dense", *results.grid.methods)
    found = compare({cell: layout(results, cell, arms, weights_of(every)) for cell in cells_of(results.grid)})
    made: dict[Cell, dict[Pair, Compare]] = {cell: {} for cell in found}
    for family in ([pair for pair in every if "dense" in pair], [pair for pair in every if "dense" not in pair]):
        among = {cell: {pair: of[named(pair)] for pair in family} for cell, of in found.items()}
        for cell, of in judge(among, results.grid.margin).items():
            made[cell] |= of
    return made


def judge(compared: Mapping[Key, Mapping[Name, Compared]], margin: float) -> dict[Key, dict[Name, Compare]]:
    """All these comparisons as one family."""
    every = [of for cell in compared.values() for of in cell.values()]
    verdicts = iter(judge_all([of.estimate for of in every], margin))
    return {key: {name: Compare(of, next(verdicts)) for name, of in cell.items()} for key, cell in compared.items()}


def between(results: Results, cell: Cell, first: str, second: str) -> Compare:
    """first less second, whichever way round it was judged; not run where the study lacks one of them."""
    found = judged(results)[cell]
    if (first, second) in found:
        return found[first, second]
    if (second, first) in found:
        return found[second, first].turned()
    [[missing]] = [
        of.values() for of in judge({cell: compare({cell: of_series({named((first, second)): {}})})[cell]}, 1.0).values()
    ]
    return missing


def difference_table(results: Results) -> pd.DataFrame:
    """A row per cell and pair: difference, its two errors, verdict, and what would decide an open one."""
    rows = []
    for cell, found in judged(results).items():
        for pair in pairs(results.grid.methods):
            rows.append(cell.labels() | {"networks": named(pair)} | _row(results, cell, pair, found[pair]))
    return pd.DataFrame(rows)


def _row(results: Results, cell: Cell, pair: Pair, found: Compare) -> dict[str, str]:
    estimate = found.judgement.estimate
    row = {"n": str(estimate.n), "endpoint": endpoints.title(results.grid.primary_of(cell.dataset))}
    row |= {"difference, points": estimate.text("+.2f"), **decided(found.judgement)}
    for measure in ("accuracy", "balanced_accuracy"):
        one, other = (endpoints.by_seed(results, cell, name, measure) for name in pair)
        both = [one[seed] - other[seed] for seed in one if seed in other]
        row[f"{endpoints.title(measure)}, points"] = f"{np.mean(both):+.1f}".replace("-", "−") if both else NOTHING
    return row


def decided(judgement: Judgement) -> dict[str, str]:
    """The two parts of the standard error, Holm's p, the verdict, and what would decide an open one."""
    of = judgement.estimate
    images = NOTHING if np.isnan(of.images) or not of.measured else f"{of.images**0.5:.2f}"
    seeds = f"{(of.spread / of.n) ** 0.5:.2f}" if of.measured else NOTHING
    p = NOTHING if np.isnan(judgement.p) else "< 0.001" if judgement.p < 0.001 else f"{judgement.p:.3f}"
    wanted = what_would_decide(judgement) if judgement.verdict == OPEN else NOTHING
    shown = {"error of seeds": seeds, "of images": images, "p (Holm)": p}
    return shown | {"verdict": judgement.verdict, "what would decide it": wanted}
