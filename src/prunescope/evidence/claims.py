"""The paper's conclusions as rules: what is measured for each, and the verdict that seeds, test images and cells allow.

Akhtar and Bathula, "Exploring the impact of network pruning techniques on model efficiency and layer similarity in medical
image analysis". Every conclusion becomes differences that are positive where it is right.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import fmean

from prunescope.evidence.differences import Compare
from prunescope.evidence.inference import BETTER, EQUAL, NOT_RUN, OPEN, WORSE, Estimate, Judgement, judge_all
from prunescope.evidence.layouts import over
from prunescope.evidence.measures import (
    Measure,
    alike_between,
    alike_inside,
    beats,
    early_students,
    falls_with_layers,
    trains_better,
)
from prunescope.evidence.overall import Overall
from prunescope.evidence.seeds import what_would_decide
from prunescope.evidence.text import NOTHING, plural
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


@dataclass(frozen=True)
class OverStudy:
    """One comparison over the cells: `whole` is None where fewer than two measured it. unit: what it is a mean over; at: its
    levels where they are not all that ran. against: cells that say nothing by themselves and lie on the other side, which leaves
    it open. each: every cell says so by itself, the mean does not, so that the verdict is of these cells alone."""

    judgement: Judgement
    whole: Overall | None
    unit: str
    at: tuple[float, ...]
    against: tuple[Judgement, ...]
    each: bool


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


def over_study(cells: Cells) -> dict[str, OverStudy]:
    """By comparison what holds over the cells that ran; the comparisons of a conclusion are a family."""
    names = list(dict.fromkeys(name for cell in cells.values() for name in cell))
    ran = {name: {cell: of[name] for cell, of in cells.items() if name in of and of[name].judgement.estimate.n} for name in names}
    means = {name: _comparable(here) for name, here in ran.items()}
    wholes = {
        name: over({cell: of.compared for cell, of in here.items()}, lambda cell: cell.network) for name, here in means.items()
    }
    estimates = [_alone(ran[name]) if whole is None else whole.estimate for name, whole in wholes.items()]
    margin = next((of.judgement.margin for cell in cells.values() for of in cell.values()), 1.0)
    found = {}
    for (name, whole), judgement in zip(wholes.items(), judge_all(estimates, margin), strict=True):
        words = {of.verdict for of in ran[name].values()}
        each = judgement.verdict == OPEN and len(words) == 1  # two cells say little of others, but may both be sure of themselves
        judgement = replace(judgement, verdict=words.pop()) if each else judgement
        against = tuple(of.judgement for of in ran[name].values() if _against(of.judgement.estimate, judgement))
        each = each and judgement.verdict != OPEN
        unit = "networks" if len({cell.network for cell in means[name]}) > 1 else "levels"
        kept, all_of_them = ({cell.sparsity for cell in of} for of in (means[name], ran[name]))
        at = tuple(sorted(kept)) if whole is not None and kept < all_of_them else ()
        judgement = replace(judgement, verdict=OPEN) if against else judgement
        found[name] = OverStudy(judgement, whole, unit, at, against, each)
    return found


def _comparable(ran: Mapping[Cell, Compare]) -> dict[Cell, Compare]:
    """Of the cells that measured their noise those at levels that every network has, where there are such: else networks would
    differ by their levels too."""
    measured = {cell: of for cell, of in ran.items() if of.judgement.estimate.measured}
    levels = [{cell.sparsity for cell in measured if cell.network == network} for network in {cell.network for cell in measured}]
    shared = set.intersection(*levels) if levels else set()
    return {cell: of for cell, of in measured.items() if cell.sparsity in shared or not shared}


def _against(cell: Estimate, judgement: Judgement) -> bool:
    """Whether a cell that says nothing by itself (one seed, or no spread), so that the mean is without it, lies on the other
    side of the verdict."""
    if cell.measured or judgement.verdict not in (BETTER, WORSE, EQUAL):
        return False
    return abs(cell.mean) >= judgement.margin if judgement.verdict == EQUAL else cell.mean * judgement.estimate.mean < 0


def _alone(cells: Mapping[Cell, Compare]) -> Estimate:
    """What the only cell that measured a spread says; where none did, the plain mean over networks, which shows nothing."""
    estimates = [of.judgement.estimate for of in cells.values()]
    if len(estimates) > 1 and not any(of.measured for of in estimates):
        networks: dict[str, list[float]] = {}
        for cell, of in cells.items():
            networks.setdefault(cell.network, []).append(of.judgement.estimate.mean)
        return Estimate(fmean(map(fmean, networks.values())), max(of.n for of in estimates))
    return max(estimates, key=lambda of: (of.measured, of.n), default=Estimate(float("nan"), 0))


def overall(cells: Cells) -> str:
    """The verdict over all cells of the study that the conclusion is about (`verdicts.rules`)."""
    return together(of.judgement.verdict for of in over_study(cells).values())


def wanted_in(cell: Mapping[str, Compare]) -> str:
    """What would decide a cell: of its open comparisons the one that wants most."""
    if verdict(cell) != OPEN:
        return NOTHING
    return _longest(what_would_decide(of.judgement) for of in cell.values() if of.verdict == OPEN)


def wanted_over(cells: Cells) -> str:
    """The same over the study: more networks or levels where two cells or more were measured, else what the one cell wants."""
    found = over_study(cells)
    if together(of.judgement.verdict for of in found.values()) != OPEN:
        return NOTHING
    open_ones = [of for of in found.values() if of.judgement.verdict == OPEN]
    longest = _longest(text for of in open_ones for text in _wanted(of))
    ran = [cell for cell, of in cells.items() if verdict(of) != NOT_RUN]
    networks = {cell.network for cell in cells}
    missing, unit = len(networks - {cell.network for cell in ran}), "network"
    if len(networks) == 1:
        missing, unit = len(cells) - len(ran), "level"
    return f"{longest}; running the {plural(missing, unit)} that did not" if missing else longest


def _wanted(of: OverStudy) -> Iterator[str]:
    yield from (f"{what_would_decide(judgement)} in a cell that lies on the other side" for judgement in of.against)
    if not of.against:
        yield what_would_decide(of.judgement, "seeds" if of.whole is None else f"{of.unit} like these")


def _longest(texts: Iterable[str]) -> str:
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
