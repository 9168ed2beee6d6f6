"""The paper's conclusions as rules: what is measured for each, and the verdict of a cell; over a study: studywide.py.

Akhtar and Bathula, "Exploring the impact of network pruning techniques on model efficiency and layer similarity in medical
image analysis". Every conclusion becomes differences that are positive where it is right.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from prunescope.evidence.differences import Compare
from prunescope.evidence.inference import EQUAL, NOT_RUN, OPEN, WORSE
from prunescope.evidence.measures import (
    Measure,
    alike_between,
    alike_inside,
    beats,
    early_students,
    falls_with_layers,
    trains_better,
)
from prunescope.evidence.seeds import what_would_decide
from prunescope.evidence.text import NOTHING
from prunescope.results.grid import Cell, cells_of
from prunescope.results.results import Results

HOLDS, FAILS = "holds", "does not hold"
WORDS = (HOLDS, FAILS, EQUAL, OPEN, NOT_RUN)


@dataclass(frozen=True)
class Claim:
    """A conclusion of the paper. `compare(results, cells)` measures and judges it; `paper` says by which comparisons."""

    number: int
    text: str
    measure: str
    unit: str
    form: str
    compare: Measure
    only_vgg16: bool = False
    only_teachers: bool = False


PRIMARY, SIMILARITY = "primary endpoint", "mean CKA"
CLAIMS = (
    Claim(
        1,
        "Iterative pruning beats one-shot and layerwise pruning.",
        f"{PRIMARY} of iterative less that of each other method",
        "points",
        "+.1f",
        beats("iterative", ("oneshot", "layerwise")),
    ),
    Claim(
        2,
        "Layerwise pruning is the worst.",
        f"{PRIMARY} of each other method less that of layerwise",
        "points",
        "+.1f",
        beats("layerwise", ("oneshot", "iterative"), worse=True),
    ),
    Claim(
        3,
        "Layerwise pruning makes the layers of a model most similar to each other.",
        f"{SIMILARITY} of different layers inside the layerwise network less that inside each other",
        "CKA",
        "+.3f",
        alike_inside,
    ),
    Claim(
        4,
        "One-shot and iterative networks are alike, and unlike layerwise ones.",
        f"{SIMILARITY} of the same layer in one-shot and iterative less that of each with layerwise",
        "CKA",
        "+.3f",
        alike_between,
    ),
    Claim(
        5,
        "A pruned VGG16 trains better than the unpruned one.",
        "training accuracy, mean over all steps of the budget, of each method less that of dense from the same base",
        "points",
        "+.1f",
        trains_better,
        only_vgg16=True,
    ),
    Claim(
        6,
        "The student's early layers resemble the teacher's.",
        f"{SIMILARITY} with the teacher at equal relative depth, first half of the layers: taught student less untaught",
        "CKA",
        "+.3f",
        early_students,
        only_teachers=True,
    ),
    Claim(
        7,
        "Accuracy falls as more layers are pruned.",
        "validation accuracy lost while layers are pruned, layerwise less dense at equal steps (lines of best fit, from dense's "
        "first validation in training on)",
        "points",
        "+.1f",
        falls_with_layers,
    ),
)
Cells = Mapping[Cell, Mapping[str, Compare]]
Judged = Mapping[Claim, Cells]  # the comparisons of every claim and cell


def together(words: Iterable[str]) -> str:
    """The verdict of a conclusion from those of its comparisons, which must all be better: one that is worse or equal is enough
    against it; it is equal itself where all are."""
    found = list(words)
    if set(found) == {EQUAL}:
        return EQUAL
    for word, verdict in ((WORSE, FAILS), (EQUAL, FAILS), (NOT_RUN, NOT_RUN), (OPEN, OPEN)):
        if word in found:
            return verdict
    return HOLDS if found else NOT_RUN


def verdict(cell: Mapping[str, Compare]) -> str:
    """Of one cell."""
    return together(of.verdict for of in cell.values())


def wanted_in(cell: Mapping[str, Compare]) -> str:
    """What would decide a cell: of its open comparisons the one that wants most."""
    if verdict(cell) != OPEN:
        return NOTHING
    return longest(what_would_decide(of.judgement) for of in cell.values() if of.verdict == OPEN)


def longest(texts: Iterable[str]) -> str:
    """The text with the largest number of seeds: `more than` is more than any number."""
    return max(texts, key=lambda text: ("images" in text, "more" in text[:4], [int(of) for of in text.split() if of.isdigit()]))


def judge(results: Results, claims: Sequence[Claim] = CLAIMS) -> Judged:
    """The claims with the cells that they are about."""
    found = {}
    for claim in claims:
        about = [
            cell
            for cell in cells_of(results.grid)
            if (not claim.only_vgg16 or cell.model in ("vgg16", "vgg16_bn"))
            and (not claim.only_teachers or cell.model in results.grid.teachers)
        ]
        found[claim] = claim.compare(results, about)
    return found
