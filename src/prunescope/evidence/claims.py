"""The paper's conclusions as rules: what is measured for each, and the verdict that the seeds of this study allow.

Akhtar and Bathula, "Exploring the impact of network pruning techniques on model efficiency and layer similarity in medical
image analysis". Every conclusion becomes differences that are positive where it is right, one per seed; `verdict` judges them.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

import pandas as pd

from prunescope.evidence.differences import MOST_SEEDS
from prunescope.evidence.measures import (
    Comparisons,
    Measure,
    alike_between,
    alike_inside,
    beats,
    early_students,
    falls_with_layers,
    pruned_over_dense,
)
from prunescope.evidence.text import NOTHING
from prunescope.results.grid import Cell, cells_of
from prunescope.results.results import Results

HOLDS, SO_FAR, FAILS, UNDECIDED, NOT_RUN = "holds", "holds so far", "does not hold", "undecided", "not run"
RULES = (
    "Every conclusion is measured as differences that are positive where it is right, seed by seed; in brackets 95 % "
    "intervals of their mean over seeds (Student's t). In a cell (model, data set, sparsity) a conclusion holds where all its "
    "intervals lie above zero, does not hold where one lies wholly below, and is undecided otherwise. Over the study it holds "
    "where it holds in every cell, and so far where it holds in all that ran and others did not; it does not hold where one "
    "interval still lies below zero after all are widened for their number (Bonferroni), as one exception is enough and many are "
    "looked at. One seed decides nothing. Dead layers, which have no similarity, are left out of all maps that are compared."
)


@dataclass(frozen=True)
class Claim:
    """A conclusion of the paper. `compare(results, cell)` measures it in a cell."""

    text: str
    measure: str
    unit: str
    form: str
    compare: Measure
    only_vgg16: bool = False
    only_teachers: bool = False


ACCURACY, CKA = "balanced accuracy", "mean CKA"
CLAIMS = (
    Claim(
        "Iterative pruning beats one-shot and layerwise pruning.",
        f"{ACCURACY} of iterative less that of each other method",
        "points",
        "+.1f",
        beats("iterative", ("oneshot", "layerwise")),
    ),
    Claim(
        "Layerwise pruning is the worst.",
        f"{ACCURACY} of each other method less that of layerwise",
        "points",
        "+.1f",
        beats("layerwise", ("oneshot", "iterative"), worse=True),
    ),
    Claim(
        "Layerwise pruning makes the layers of a model most similar to each other.",
        f"{CKA} of different layers inside the layerwise network less that inside each other",
        "CKA",
        "+.3f",
        alike_inside,
    ),
    Claim(
        "One-shot and iterative networks are alike, and unlike layerwise ones.",
        f"{CKA} of the same layer in one-shot and iterative less that of each with layerwise",
        "CKA",
        "+.3f",
        alike_between,
    ),
    Claim(
        "A pruned VGG16 trains better than the unpruned one.",
        f"{ACCURACY} of each method less that of the dense control after as many steps",
        "points",
        "+.1f",
        pruned_over_dense,
        only_vgg16=True,
    ),
    Claim(
        "The student's early layers resemble the teacher's.",
        f"{CKA} of student and teacher at equal relative depth, first half of the layers less the second",
        "CKA",
        "+.3f",
        early_students,
        only_teachers=True,
    ),
    Claim(
        "Accuracy falls as more layers are pruned.",
        "validation accuracy lost from the first pruned layer to the last, layerwise, after each recovery (line of best fit)",
        "points",
        "+.1f",
        falls_with_layers,
    ),
)


def verdict(comparisons: Comparisons) -> str:
    """What the intervals of one cell allow to say (`RULES`)."""
    differences = list(comparisons.values())
    if any(difference.sign < 0 for difference in differences):
        return FAILS
    if not differences or not all(difference.n for difference in differences):
        return NOT_RUN
    return HOLDS if all(difference.sign > 0 for difference in differences) else UNDECIDED


def overall(cells: Collection[Comparisons]) -> str:
    """The verdict over all cells of the study that the conclusion is about (`RULES`)."""
    each = {verdict(comparisons) for comparisons in cells}
    every = [difference for comparisons in cells for difference in comparisons.values() if difference.n]
    if each <= {NOT_RUN}:
        return NOT_RUN
    if any(difference.sign_among(len(every)) < 0 for difference in every):
        return FAILS
    return {frozenset({HOLDS}): HOLDS, frozenset({HOLDS, NOT_RUN}): SO_FAR}.get(frozenset(each), UNDECIDED)


def what_would_decide(comparisons: Comparisons) -> str:
    """For an undecided cell: how many seeds would, if mean and spread stayed."""
    if verdict(comparisons) != UNDECIDED:
        return NOTHING
    open_ones = [difference for difference in comparisons.values() if difference.sign == 0]
    if any(difference.n >= 2 and not difference.measured for difference in open_ones):
        return "more seeds: these differ all alike"
    if any(difference.n < 2 for difference in open_ones):
        return "three seeds or more"
    needed = [difference.seeds_needed() for difference in open_ones]
    if None in needed:
        return f"not even {MOST_SEEDS} seeds at this mean and spread: the difference is small"
    return f"about {max(needed)} seeds, if mean and spread stay"  # type: ignore[type-var]


def what_would_decide_all(cells: Collection[Comparisons]) -> str:
    """For a conclusion that is undecided over the study, or holds so far: what its cells want."""
    if overall(cells) not in (UNDECIDED, SO_FAR):
        return NOTHING
    each = [verdict(comparisons) for comparisons in cells]
    wanted = [what_would_decide(comparisons) for comparisons in cells if verdict(comparisons) == UNDECIDED]
    parts = [wanted[0] if len(set(wanted)) == 1 else f"more seeds in {len(wanted)} cells, see below"] if wanted else []
    if FAILS in each:
        parts.append(f"more seeds: {each.count(FAILS)} contradicted by itself, not after the widening")
    if NOT_RUN in each:
        parts.append(f"running the {each.count(NOT_RUN)} that did not")
    return "; ".join(parts)


def findings(results: Results, claim: Claim) -> Iterator[tuple[Cell, Comparisons]]:
    """Every cell that the claim is about, with its comparisons."""
    for cell in cells_of(results.grid):
        vgg16, teacher = cell.model in ("vgg16", "vgg16_bn"), cell.model in results.grid.teachers
        if (vgg16 or not claim.only_vgg16) and (teacher or not claim.only_teachers):
            yield cell, claim.compare(results, cell)


Judged = Mapping[Claim, Mapping[Cell, Comparisons]]  # the comparisons of every claim and cell


def judge(results: Results) -> Judged:
    """All claims with their cells."""
    return {claim: dict(findings(results, claim)) for claim in CLAIMS}


def claims_table(judged: Judged) -> pd.DataFrame:
    """A row per claim: its verdict, and in how many cells which."""
    rows = []
    for number, (claim, cells) in enumerate(judged.items(), 1):
        each = [verdict(comparisons) for comparisons in cells.values()]
        counts = [f"{each.count(kind)} {kind}" for kind in (HOLDS, FAILS, UNDECIDED, NOT_RUN) if kind in each]
        wanted = what_would_decide_all(cells.values())
        row = {
            "no.": str(number),
            "verdict": overall(cells.values()) if cells else NOTHING,
            "conclusion of the paper": claim.text,
        }
        row |= {"cells": ", ".join(counts) or "none of this study", "what would decide it": wanted}
        rows.append(row | {"measured": f"{claim.measure} ({claim.unit})"})
    return pd.DataFrame(rows)


def cells_table(judged: Judged) -> pd.DataFrame:
    """A row per claim and cell: the differences with their intervals, the verdict, what would decide it."""
    rows = []
    for number, (claim, cells) in enumerate(judged.items(), 1):
        for cell, comparisons in cells.items():
            texts = [f"{name}: {difference.text(claim.form)}" for name, difference in comparisons.items() if difference.n]
            row = {"no.": str(number)} | cell.labels()
            row |= {"n": str(min((difference.n for difference in comparisons.values()), default=0))}
            row |= {"differences by seed, mean": "; ".join(texts) or NOTHING, "verdict": verdict(comparisons)}
            rows.append(row | {"what would decide it": what_would_decide(comparisons)})
    return pd.DataFrame(rows)
