"""The answer at the top of the page: two sentences made from the numbers, and what the draw of images does to them."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pandas as pd

from prunescope.evidence.claims import FAILS, HOLDS, NOT_RUN, SO_FAR, UNDECIDED, Judged, overall
from prunescope.evidence.classes import recall_by_seed, recall_changes
from prunescope.evidence.differences import Difference, between, by_seed
from prunescope.evidence.facts import budgets_differ
from prunescope.results.grid import Cell, arms_of, cells_of
from prunescope.results.results import Results

FEWEST = 5  # groups (lesions) of a class, with fewer it is not named as the one that pays


@dataclass(frozen=True)
class Contest:
    """The networks of one model, data set and sparsity: mean balanced accuracies (percent) over the seeds that all have."""

    cell: Cell
    methods: dict[str, float]
    dense: float
    pairs: dict[tuple[str, str], Difference]

    @property
    def gap(self) -> float:
        return max(self.methods.values()) - min(self.methods.values())


def contests(results: Results) -> Iterator[Contest]:
    """The cells in which every method of the study ran with at least one seed in common."""
    methods = results.grid.methods
    for cell in cells_of(results.grid):
        found = {name: by_seed(results, cell, name) for name in methods}
        shared = set.intersection(*(set(of) for of in found.values())) if found else set()
        if not shared:
            continue
        dense = by_seed(results, cell, "dense")
        shared = (shared & set(dense)) or shared
        means = {name: float(np.mean([of[seed] for seed in shared])) for name, of in found.items()}
        control = float(np.mean([dense[seed] for seed in shared])) if shared <= set(dense) else math.nan
        pairs = {(a, b): between(results, cell, a, b) for a, b in combinations(methods, 2)}
        yield Contest(cell, means, control, pairs)


def answer(results: Results, judged: Judged) -> tuple[str, str]:
    """What was seen, and what it means. A difference counts as shown where its interval over seeds, widened for the number of
    all that are looked at, leaves zero out."""
    cells = list(contests(results))
    if not cells:
        return (
            "There is no answer yet: in no cell of the study have all methods been evaluated.",
            "Run dvc repro, or look below at the arms that did run.",
        )
    if len(results.grid.methods) < 2:
        seen = f"With one method there is nothing to compare{_to_dense(cells, results)}."
    elif all(difference.n < 2 for cell in cells for difference in cell.pairs.values()):
        gaps = _range([cell.gap for cell in cells], ".1f")
        apart = f"best and worst method lie {gaps} points of balanced accuracy apart"
        seen = f"In {_cells(cells, results)} {apart}{_to_dense(cells, results)}."
    else:
        seen = _seen(cells, results)
    if max(len(by_seed(results, contest.cell, name)) for contest in cells for name in contest.methods) < 2:
        return seen, "With one seed (n = 1) nothing here is proven: differences between seeds are not measured."
    return seen, _meaning(results, judged, cells)


def _cells(cells: list[Contest], results: Results) -> str:
    missing = len(list(cells_of(results.grid))) - len(cells)
    kind = f"model, data set, sparsity{f'; {missing} more did not run in full' if missing else ''}"
    return f"{len(cells)} cells ({kind})" if len(cells) > 1 else f"the one cell ({kind})"


def _seen(cells: list[Contest], results: Results) -> str:
    count = sum(len(cell.pairs) for cell in cells)
    among = f"95 % intervals over seeds, widened for {count} comparisons" if count > 1 else "a 95 % interval over seeds"
    shown = [(contest, pair, of) for contest in cells for pair, of in contest.pairs.items() if of.sign_among(count)]
    if not shown:
        gaps = _range([cell.gap for cell in cells], ".1f")
        apart = f"best and worst method lie {gaps} points of balanced accuracy apart"
        return (
            f"In {_cells(cells, results)} it is not shown that the way of pruning matters ({among}): {apart}"
            f"{_to_dense(cells, results)}."
        )
    some = len({contest.cell for contest, *_ in shown})
    contest, (first, second), largest = max(shown, key=lambda found: abs(found[2].mean))
    better, worse = (first, second) if largest.mean > 0 else (second, first)
    gap = Difference({seed: value * math.copysign(1, largest.mean) for seed, value in largest.by_seed.items()})
    matters = f"{some} of {_cells(cells, results)}" if len(cells) > 1 else _cells(cells, results)
    return (
        f"The way of pruning matters in {matters} ({among}), most for {contest.cell}, where {better} is "
        f"{gap.text(comparisons=count)} points of balanced accuracy from {worse}"
        f"{'; in the others no difference outlasts the widening' if some < len(cells) else ''}{_to_dense(cells, results)}."
    )


def _to_dense(cells: list[Contest], results: Results) -> str:
    gaps = [max(cell.methods.values()) - cell.dense for cell in cells if not math.isnan(cell.dense)]
    trained = "dense control (not all trained equally long)" if budgets_differ(results) else "equally trained dense control"
    return f"; the best method lies {_range(gaps, '+.1f')} points from the {trained}" if gaps else ""


def _meaning(results: Results, judged: Judged, cells: list[Contest]) -> str:
    verdicts = [overall(of.values()) for of in judged.values() if of]
    counts = {kind: verdicts.count(kind) for kind in (HOLDS, SO_FAR, FAILS, UNDECIDED, NOT_RUN)}
    missing = f" ({counts[NOT_RUN]} not run)" if counts[NOT_RUN] else ""
    so_far = f" ({counts[SO_FAR]} so far, as cells are missing)" if counts[SO_FAR] else ""
    about = "" if len(verdicts) == len(judged) else " that this study is about"
    held = f"{counts[HOLDS] + counts[SO_FAR]} hold here{so_far}"
    others = f"{counts[FAILS]} do not and {counts[UNDECIDED]} are undecided{missing}"
    return f"Of the paper's {len(verdicts)} conclusions{about} {held}, {others}{_who_pays(results, cells)}."


def _who_pays(results: Results, cells: list[Contest]) -> str:
    """The largest loss of recall that the test images show after correction for the number of classes, methods and cells, and
    that the seeds show too: trained again, a network loses and wins classes that pruning has nothing to do with."""
    from scipy.stats import norm  # slow to import

    found = []
    for contest in cells:
        changes = recall_changes(results, contest.cell)
        for _, row in changes[changes["groups"] >= FEWEST].iterrows() if len(changes) else ():
            found += [(row, method, contest.cell) for method in results.grid.methods]
    if not found:
        return ""
    times = norm.ppf(1 - 0.025 / len(found)) / norm.ppf(0.975)
    lost = [of for of in found if of[0][of[1]] + (of[0][f"{of[1]}_high"] - of[0][of[1]]) * times < 0]
    lost = [of for of in lost if recall_by_seed(results, of[2])[of[1], of[0]["class"]].sign < 0]
    looked = f"of {len(found):,} looked at, by images and seeds"
    if not lost:
        return f"; no class is shown to lose recall ({looked})"
    row, method, cell = min(lost, key=lambda of: of[0][of[1]])
    size = f"{-row[method] * 100:.1f} points of recall"
    return f"; the largest loss of a class ({looked}) is that of {row['class']}, which {method} costs {size} ({cell})"


def chance(results: Results) -> str:
    """How far another draw of test images would move one network's balanced accuracy; empty where nothing ran."""
    parts = []
    for dataset in results.grid.datasets:
        arms = [arm for arm in arms_of(results.grid) if arm.dataset == dataset and arm.kind != "student"]
        found = [results.record(arm.evaluate) for arm in arms]
        bounds = [(one.get("balanced_accuracy_low"), one.get("balanced_accuracy_high")) for one in found if one]
        widths = [(high - low) / 2 for low, high in bounds if low is not None and high is not None]
        if widths:
            images = next(one["test_images"] for one in found if one)
            shown = next((of for arm in arms if (of := results.of_arm(arm)) is not None), None)
            groups = shown.table["group"].nunique() if shown is not None else images
            drawn = f"{images:,.0f} images{f' of {groups:,} lesions or other groups' if groups < images else ''}"
            parts.append(f"±{pd.Series(widths).median() * 100:.1f} points ({dataset}, {drawn})")
    if not parts:
        return ""
    moves = "Another draw of the test split would move a network's balanced accuracy by less than about"
    return f"{moves} {', '.join(parts)}, 19 times in 20."


def _range(values: list[float], form: str) -> str:
    low, high = (f"{round(value, 6) + 0:{form}}".replace("-", "−") for value in (min(values), max(values)))
    return low if low == high else f"{low} to {high}"
