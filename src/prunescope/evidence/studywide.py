"""A conclusion over the cells of a study: in the networks that ran, and of others like them.

The networks of a study are chosen, so the first question is what holds in them: their mean, over new seeds and test images.
Whether it would hold of other models and data sets is another, for which they are taken as draws (overall.py), and of which few
of them say little.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import fmean

from prunescope.evidence.claims import Cells, longest, together, verdict
from prunescope.evidence.differences import Compare
from prunescope.evidence.inference import BETTER, EQUAL, NOT_RUN, OPEN, WORSE, Estimate, Judgement, judge_all
from prunescope.evidence.layouts import of_these, over
from prunescope.evidence.overall import Overall
from prunescope.evidence.seeds import what_would_decide
from prunescope.evidence.text import NOTHING, plural
from prunescope.results.grid import Cell

OPPOSITE = {BETTER: {WORSE}, WORSE: {BETTER}, EQUAL: {BETTER, WORSE}}


@dataclass(frozen=True)
class OverStudy:
    """One comparison over the cells that ran.

    here: of these networks · elsewhere: of others like them; None of a single network · means: what that rests on, the one that
    counts first · cells: those that are averaged; ran: all · against: cells that say nothing by themselves and lie on the other
    side of `here`, which leaves it open · contradict: cells that are shown to lie there, by the margin or more, which does so too
    """

    here: Judgement
    elsewhere: Judgement | None
    means: tuple[Overall, ...]
    cells: tuple[Cell, ...]
    ran: tuple[Cell, ...]
    against: tuple[Judgement, ...]
    contradict: bool

    def draws(self) -> list[Overall]:
        """What more of would make it surer of others: models and data sets, which make networks."""
        return sorted((of for of in self.means if of.unit != "networks"), key=lambda of: of.unit, reverse=True)


def over_study(cells: Cells) -> dict[str, OverStudy]:
    """By comparison what holds over the cells that ran; the comparisons of a conclusion are a family."""
    names = list(dict.fromkeys(name for cell in cells.values() for name in cell))
    ran = {name: {cell: of[name] for cell, of in cells.items() if name in of and of[name].judgement.estimate.n} for name in names}
    compared = {name: _comparable(here) for name, here in ran.items()}
    known = {name: {cell: of.compared for cell, of in here.items()} for name, here in compared.items()}
    margin = next((of.judgement.margin for cell in cells.values() for of in cell.values()), 1.0)
    here = judge_all([of_these(of, _network) if of else _unknown(ran[name]) for name, of in known.items()], margin)
    means = {name: over(of, _network) for name, of in known.items()}
    several = {name: of[0].estimate for name, of in means.items() if of}
    elsewhere = dict(zip(several, judge_all(list(several.values()), margin), strict=True))
    found = {}
    for name, judgement in zip(names, here, strict=True):
        words = {of.verdict for of in compared[name].values() if abs(of.judgement.estimate.mean) >= margin}
        against = tuple(of.judgement for of in ran[name].values() if _against(of.judgement.estimate, judgement))
        contradict = {BETTER, WORSE} <= words or bool(words & OPPOSITE.get(judgement.verdict, set()))
        judgement = replace(judgement, verdict=OPEN) if against or contradict else judgement
        kept = tuple(compared[name]), tuple(ran[name])
        found[name] = OverStudy(judgement, elsewhere.get(name), tuple(means[name]), *kept, against, contradict)
    return found


def _network(cell: Cell) -> tuple[str, str]:
    return cell.model, cell.dataset


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


def _unknown(cells: Mapping[Cell, Compare]) -> Estimate:
    """Where no cell measured its spread: the plain mean over networks, which shows nothing."""
    networks: dict[str, list[float]] = {}
    for cell, of in cells.items():
        networks.setdefault(cell.network, []).append(of.judgement.estimate.mean)
    seeds = max((of.judgement.estimate.n for of in cells.values()), default=0)
    return Estimate(fmean(map(fmean, networks.values())) if networks else float("nan"), seeds)


def here(cells: Cells) -> str:
    """The verdict in the networks that ran."""
    return together(of.here.verdict for of in over_study(cells).values())


def elsewhere(cells: Cells) -> str:
    """The verdict of others like them; of a single network there is none."""
    found = [of.elsewhere.verdict for of in over_study(cells).values() if of.elsewhere is not None]
    return together(found) if found else NOTHING


def wanted_here(cells: Cells) -> str:
    """What would decide it in these networks: of the open comparisons the one that wants most."""
    found = over_study(cells)
    if together(of.here.verdict for of in found.values()) != OPEN:
        return NOTHING
    text = longest(text for of in found.values() if of.here.verdict == OPEN for text in _wanted(of))
    ran = [cell for cell, of in cells.items() if verdict(of) != NOT_RUN]
    networks = {cell.network for cell in cells}
    missing, unit = len(networks - {cell.network for cell in ran}), "network"
    if len(networks) == 1:
        missing, unit = len(cells) - len(ran), "level"
    return f"{text}; running the {plural(missing, unit)} that did not" if missing else text


def _wanted(of: OverStudy) -> Iterator[str]:
    yield from (f"{what_would_decide(judgement)} in a cell that lies on the other side" for judgement in of.against)
    if of.contradict:
        yield "more seeds do not: its cells contradict each other"
    elif not of.against:
        yield what_would_decide(of.here)


def wanted_elsewhere(cells: Cells) -> str:
    """What would decide it of others: how many models and data sets in all."""
    if elsewhere(cells) != OPEN:
        return NOTHING
    return longest(
        " and ".join(_more(of.elsewhere, of.draws()))
        for of in over_study(cells).values()
        if of.elsewhere is not None and of.elsewhere.verdict == OPEN
    )


def _more(judgement: Judgement, draws: Sequence[Overall]) -> list[str]:
    return [what_would_decide(replace(judgement, estimate=of.estimate), f"{of.unit} like these") for of in draws]
