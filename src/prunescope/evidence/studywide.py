"""A conclusion over the cells of a study: in the networks that ran, and of others like them.

The networks of a study are chosen, so the first question is what holds in them: their mean, over new seeds and test images.
Whether it would hold of other models and data sets is another, for which they are taken as draws (overall.py), and of which few
of them say little.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from statistics import fmean

from prunescope.evidence.claims import Cells, longest, together
from prunescope.evidence.differences import Compare
from prunescope.evidence.inference import BETTER, EQUAL, OPEN, WORSE, Estimate, Judgement, judge_all
from prunescope.evidence.layouts import Compared, of_these, over
from prunescope.evidence.overall import Overall
from prunescope.evidence.seeds import what_would_decide
from prunescope.evidence.text import NOTHING, plural
from prunescope.results.grid import Cell

OPPOSITE = {BETTER: {WORSE}, WORSE: {BETTER}, EQUAL: {BETTER, WORSE}}


@dataclass(frozen=True)
class OverStudy:
    """One comparison over the cells that ran.

    here: of these networks · elsewhere: of others like them; None where a single network was measured · means: what that rests
    on, the one that counts first · cells: those that are averaged; ran: all that ran; asked: all that it is about
    against: cells that say nothing by themselves and lie on the other side, which leaves it open · contradict: whether a network
    or cell is shown to lie on the other side of `here`, with a mean of the margin or more, which leaves that open
    """

    here: Judgement
    elsewhere: Judgement | None
    means: tuple[Overall, ...]
    cells: tuple[Cell, ...]
    ran: tuple[Cell, ...]
    asked: tuple[Cell, ...]
    against: tuple[Judgement, ...]
    contradict: bool

    def draws(self) -> list[tuple[Judgement, str]]:
        """Where it is open of others: what with models and with data sets as draws is known, more of which would decide it."""
        if self.elsewhere is None or self.elsewhere.verdict != OPEN:
            return []
        units = sorted((of for of in self.means if of.unit != "networks"), key=lambda of: of.unit, reverse=True)
        return [(replace(self.elsewhere, estimate=of.estimate), of.unit) for of in units]


Comparisons = Mapping[str, OverStudy]  # those of a conclusion, by name


def over_study(cells: Cells, least: float = 1.0) -> dict[str, OverStudy]:
    """By comparison what holds over the cells that ran; the comparisons of a conclusion are a family. least: the share of the
    margin from which on a mean on the other side contradicts."""
    names = list(dict.fromkeys(name for cell in cells.values() for name in cell))
    ran = {name: {cell: of[name] for cell, of in cells.items() if name in of and of[name].judgement.estimate.n} for name in names}
    compared = {name: _comparable(here) for name, here in ran.items()}
    known = {name: {cell: of.compared for cell, of in here.items()} for name, here in compared.items()}
    margin = next((of.judgement.margin for cell in cells.values() for of in cell.values()), 1.0)
    here = judge_all([of_these(of, _network) if of else _plain(ran[name]) for name, of in known.items()], margin)
    each = {network: _of_network(network, known, margin) for network in {cell.network for of in known.values() for cell in of}}
    means = {name: over(of, _network) for name, of in known.items()}
    estimates = [means[name][0].estimate if means[name] else _plain(ran[name]) for name in names]
    elsewhere = judge_all(estimates, margin) if any(means.values()) else [None] * len(names)
    found = {}
    for name, judgement, others in zip(names, here, elsewhere, strict=True):
        asked = [of.judgement for of in compared[name].values()] + [of[name] for of in each.values() if name in of]
        words = {of.verdict for of in asked if abs(of.estimate.mean) >= least * margin}
        contradict = {BETTER, WORSE} <= words or bool(words & OPPOSITE.get(judgement.verdict, set()))
        levels = {cell.sparsity for cell in (compared[name] if len({cell.network for cell in ran[name]}) > 1 else ran[name])}
        beside = [of.judgement for cell, of in ran[name].items() if not levels or cell.sparsity in levels]
        against = tuple(of for of in beside if any(_against(of.estimate, whole) for whole in (judgement, others) if whole))
        judgement = replace(judgement, verdict=OPEN) if against or contradict else judgement
        others = replace(others, verdict=OPEN) if others and against else others
        kept = tuple(compared[name]), tuple(ran[name]), tuple(cells)
        found[name] = OverStudy(judgement, others, tuple(means[name]), *kept, against, contradict)
    return found


def _of_network(network: str, known: Mapping[str, Mapping[Cell, Compared]], margin: float) -> dict[str, Judgement]:
    """The comparisons of one network over its cells."""
    own = {name: {cell: of for cell, of in here.items() if cell.network == network} for name, here in known.items()}
    estimates = {name: of_these(of, _network) for name, of in own.items() if of}
    return dict(zip(estimates, judge_all(list(estimates.values()), margin), strict=True))


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


def _plain(cells: Mapping[Cell, Compare]) -> Estimate:
    """Of cells whose spread is not known, or not used: the plain mean over networks, which shows nothing."""
    networks: dict[str, list[float]] = {}
    for cell, of in cells.items():
        networks.setdefault(cell.network, []).append(of.judgement.estimate.mean)
    seeds = max((of.judgement.estimate.n for of in cells.values()), default=0)
    return Estimate(fmean(map(fmean, networks.values())) if networks else float("nan"), seeds)


def here(found: Comparisons) -> str:
    """The verdict in the networks that ran."""
    return together(of.here.verdict for of in found.values())


def elsewhere(found: Comparisons) -> str:
    """The verdict of others like them; of a single network there is none."""
    asked = [of.elsewhere.verdict for of in found.values() if of.elsewhere]
    return together(asked) if asked else NOTHING


def wanted_here(found: Comparisons) -> str:
    """What would decide it in these networks: of the open comparisons the one that wants most."""
    if here(found) != OPEN:
        return NOTHING
    text = longest(text for of in found.values() if of.here.verdict == OPEN for text in _wanted(of))
    asked = {cell for of in found.values() for cell in of.asked}
    ran = set.intersection(*(set(of.ran) for of in found.values()))
    networks, of_these = ({cell.network for cell in some} for some in (asked, ran))
    missing, unit = (len(networks - of_these), "network") if len(networks) > 1 else (len(asked - ran), "level")
    return f"{text}; running the {plural(missing, unit)} that did not" if missing else text


def _wanted(of: OverStudy) -> Iterator[str]:
    yield from (f"{what_would_decide(judgement)} in a cell that lies on the other side" for judgement in of.against)
    if of.contradict:
        yield "more seeds do not: its cells contradict each other"
    elif not of.against:
        yield what_would_decide(of.here)


def wanted_elsewhere(found: Comparisons) -> str:
    """What would decide it of others: how many models and data sets in all."""
    if elsewhere(found) != OPEN:
        return NOTHING
    wanted: dict[str, list[str]] = {}
    for judgement, unit in (draws for of in found.values() for draws in of.draws()):
        wanted.setdefault(unit, []).append(what_would_decide(judgement, f"{unit} like these"))
    return " and ".join(longest(texts) for texts in wanted.values()) or "more than one network that has measured its noise"
