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
from prunescope.evidence.measures import Evidence
from prunescope.results import predictions
from prunescope.results.arms import arms_of, cells_of, read_json

FEWEST = 5  # groups (lesions) of a class, with fewer it is not named as the one that pays


@dataclass(frozen=True)
class Contest:
    """The networks of one model, data set and sparsity: mean balanced accuracies (percent) over the seeds that all have."""

    where: tuple[str, str, float]
    methods: dict[str, float]
    dense: float
    pairs: dict[tuple[str, str], Difference]

    @property
    def gap(self) -> float:
        return max(self.methods.values()) - min(self.methods.values())


def contests(evidence: Evidence) -> Iterator[Contest]:
    """The cells in which every method of the study ran with at least one seed in common."""
    study, summary = evidence.study, evidence.summary
    for model, dataset, level in cells_of(study):
        found = {name: by_seed(summary, model, dataset, level, name) for name in study.methods}
        shared = set.intersection(*(set(of) for of in found.values())) if found else set()
        if not shared:
            continue
        dense = by_seed(summary, model, dataset, level, "dense")
        shared = (shared & set(dense)) or shared
        means = {name: float(np.mean([of[seed] for seed in shared])) for name, of in found.items()}
        control = float(np.mean([dense[seed] for seed in shared])) if shared <= set(dense) else math.nan
        pairs = {(a, b): between(summary, model, dataset, level, a, b) for a, b in combinations(study.methods, 2)}
        yield Contest((model, dataset, level), means, control, pairs)


def answer(evidence: Evidence, judged: Judged) -> tuple[str, str]:
    """What was seen, and what it means. A difference counts as shown where its interval over seeds, widened for the number of
    all that are looked at, leaves zero out."""
    cells = list(contests(evidence))
    if not cells:
        return (
            "There is no answer yet: in no cell of the study have all methods been evaluated.",
            "Run dvc repro, or look below at the arms that did run.",
        )
    if len(evidence.study.methods) < 2:
        seen = f"With one method there is nothing to compare{_to_dense(cells, evidence)}."
    elif all(difference.n < 2 for cell in cells for difference in cell.pairs.values()):
        gaps = _range([cell.gap for cell in cells], ".1f")
        apart = f"best and worst method lie {gaps} points of balanced accuracy apart"
        seen = f"In {_cells(cells, evidence)} {apart}{_to_dense(cells, evidence)}."
    else:
        seen = _seen(cells, evidence)
    if max(len(by_seed(evidence.summary, *cell.where, name)) for cell in cells for name in cell.methods) < 2:
        return seen, "With one seed (n = 1) nothing here is proven: differences between seeds are not measured."
    return seen, _meaning(evidence, judged, cells)


def _cells(cells: list[Contest], evidence: Evidence) -> str:
    missing = len(list(cells_of(evidence.study))) - len(cells)
    kind = f"model, data set, sparsity{f'; {missing} more did not run in full' if missing else ''}"
    return f"{len(cells)} cells ({kind})" if len(cells) > 1 else f"the one cell ({kind})"


def _seen(cells: list[Contest], evidence: Evidence) -> str:
    count = sum(len(cell.pairs) for cell in cells)
    among = f"95 % intervals over seeds, widened for {count} comparisons" if count > 1 else "a 95 % interval over seeds"
    shown = [(cell, pair, of) for cell in cells for pair, of in cell.pairs.items() if of.sign_among(count)]
    if not shown:
        gaps = _range([cell.gap for cell in cells], ".1f")
        apart = f"best and worst method lie {gaps} points of balanced accuracy apart"
        return (
            f"In {_cells(cells, evidence)} it is not shown that the way of pruning matters ({among}): {apart}"
            f"{_to_dense(cells, evidence)}."
        )
    some = len({cell.where for cell, *_ in shown})
    cell, (first, second), largest = max(shown, key=lambda found: abs(found[2].mean))
    better, worse = (first, second) if largest.mean > 0 else (second, first)
    gap = Difference({seed: value * math.copysign(1, largest.mean) for seed, value in largest.by_seed.items()})
    matters = f"{some} of {_cells(cells, evidence)}" if len(cells) > 1 else _cells(cells, evidence)
    return (
        f"The way of pruning matters in {matters} ({among}), most for {_name(cell.where)}, where {better} is "
        f"{gap.text(comparisons=count)} points of balanced accuracy from {worse}"
        f"{'; in the others no difference outlasts the widening' if some < len(cells) else ''}{_to_dense(cells, evidence)}."
    )


def _to_dense(cells: list[Contest], evidence: Evidence) -> str:
    gaps = [max(cell.methods.values()) - cell.dense for cell in cells if not math.isnan(cell.dense)]
    trained = (
        "dense control (not all trained equally long)" if budgets_differ(evidence.summary) else "equally trained dense control"
    )
    return f"; the best method lies {_range(gaps, '+.1f')} points from the {trained}" if gaps else ""


def _meaning(evidence: Evidence, judged: Judged, cells: list[Contest]) -> str:
    verdicts = [overall(of.values()) for of in judged.values() if of]
    counts = {kind: verdicts.count(kind) for kind in (HOLDS, SO_FAR, FAILS, UNDECIDED, NOT_RUN)}
    missing = f" ({counts[NOT_RUN]} not run)" if counts[NOT_RUN] else ""
    so_far = f" ({counts[SO_FAR]} so far, as cells are missing)" if counts[SO_FAR] else ""
    about = "" if len(verdicts) == len(judged) else " that this study is about"
    held = f"{counts[HOLDS] + counts[SO_FAR]} hold here{so_far}"
    others = f"{counts[FAILS]} do not and {counts[UNDECIDED]} are undecided{missing}"
    return f"Of the paper's {len(verdicts)} conclusions{about} {held}, {others}{_who_pays(evidence, cells)}."


def _who_pays(evidence: Evidence, cells: list[Contest]) -> str:
    """The largest loss of recall that the test images show after correction for the number of classes, methods and cells, and
    that the seeds show too: trained again, a network loses and wins classes that pruning has nothing to do with."""
    from scipy.stats import norm  # slow to import

    found = []
    for cell in cells:
        changes = recall_changes(evidence.metrics, evidence.study, *cell.where)
        for _, row in changes[changes["groups"] >= FEWEST].iterrows() if len(changes) else ():
            found += [(row, method, cell) for method in evidence.study.methods]
    if not found:
        return ""
    times = norm.ppf(1 - 0.025 / len(found)) / norm.ppf(0.975)
    lost = [of for of in found if of[0][of[1]] + (of[0][f"{of[1]}_high"] - of[0][of[1]]) * times < 0]
    by_cell = {cell.where: recall_by_seed(evidence.metrics, evidence.study, *cell.where) for *_, cell in lost}
    lost = [of for of in lost if by_cell[of[2].where][of[1], of[0]["class"]].sign < 0]
    looked = f"of {len(found):,} looked at, by images and seeds"
    if not lost:
        return f"; no class is shown to lose recall ({looked})"
    row, method, cell = min(lost, key=lambda of: of[0][of[1]])
    size = f"{-row[method] * 100:.1f} points of recall"
    return (
        f"; the largest loss of a class ({looked}) is that of {row['class']}, which {method} costs {size} ({_name(cell.where)})"
    )


def chance(evidence: Evidence) -> str:
    """How far another draw of test images would move one network's balanced accuracy; empty where nothing ran."""
    parts = []
    for dataset in evidence.study.datasets:
        arms = [arm for arm in arms_of(evidence.study) if arm.dataset == dataset and arm.kind != "student"]
        found = [read_json(evidence.metrics / f"{arm.evaluate}.json") for arm in arms]
        bounds = [(one.get("balanced_accuracy_low"), one.get("balanced_accuracy_high")) for one in found if one]
        widths = [(high - low) / 2 for low, high in bounds if low is not None and high is not None]
        if widths:
            images = next(one["test_images"] for one in found if one)
            shown = next((of for arm in arms if (of := predictions.read_arm(evidence.metrics, arm)) is not None), None)
            groups = shown.table["group"].nunique() if shown is not None else images
            drawn = f"{images:,.0f} images{f' of {groups:,} lesions or other groups' if groups < images else ''}"
            parts.append(f"±{pd.Series(widths).median() * 100:.1f} points ({dataset}, {drawn})")
    if not parts:
        return ""
    moves = "Another draw of the test split would move a network's balanced accuracy by less than about"
    return f"{moves} {', '.join(parts)}, 19 times in 20."


def _name(where: tuple[str, str, float]) -> str:
    model, dataset, level = where
    return f"{model} on {dataset} at {level * 100:g} %"


def _range(values: list[float], form: str) -> str:
    low, high = (f"{round(value, 6) + 0:{form}}".replace("-", "−") for value in (min(values), max(values)))
    return low if low == high else f"{low} to {high}"
