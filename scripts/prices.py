"""What conclusions that are open of others like a study's networks would take: models, data sets, and hours of training."""

from collections.abc import Mapping
from statistics import mean

import pandas as pd

from prunescope.evidence.claims import Claim, Judged
from prunescope.evidence.inference import OPEN
from prunescope.evidence.seeds import seeds_needed, size_wanted
from prunescope.evidence.studywide import OverStudy, elsewhere, over_study, wanted_elsewhere
from prunescope.results.grid import Cell
from prunescope.results.results import Results

COLUMNS = ("no.", "conclusion that is open of others", "networks that ran", "would decide it", "hours of one", "hours more")


def table(results: Results, judged: Judged) -> pd.DataFrame:
    """A row per open conclusion that two networks or more were asked; hours are those of a thread, of all seeds and methods."""
    found = []
    for claim, cells in judged.items():
        over = over_study(cells)
        if elsewhere(over) == OPEN:
            networks = {cell.network: cell for of in over.values() for cell in of.cells}
            of_one = mean(_hours(results, claim, over, cell) for cell in networks.values()) * len(results.grid.seeds)
            wanted = [_more(of) for of in over.values() if of.draws()]
            more = "–" if None in wanted or not wanted else f"{max(of for of in wanted if of is not None) * of_one:.0f}"
            advice = wanted_elsewhere(over).replace(" like these", "")
            found.append((str(claim.number), claim.text, str(len(networks)), advice, f"{of_one:.1f}", more))
    return pd.DataFrame(found, columns=list(COLUMNS))


def _more(of: OverStudy) -> int | None:
    """Networks that would decide one comparison, were each of another model on another data set. None where beyond number."""
    numbers = [(seeds_needed(each.estimate, size_wanted(each), each.family), each.estimate.n) for each, _ in of.draws()]
    return None if any(wanted is None for wanted, _ in numbers) else max(max((wanted or 0) - ran, 0) for wanted, ran in numbers)


def _hours(results: Results, claim: Claim, over: Mapping[str, OverStudy], cell: Cell) -> float:
    """Training of a seed of a network, at the levels that a conclusion rests on; its students where it is about them."""
    at = {each.sparsity for of in over.values() for each in of.cells if each.network == cell.network}
    rows = results.summary
    rows = rows[(rows["model"] == cell.model) & (rows["dataset"] == cell.dataset) & rows["sparsity"].isin([0.0, *at])]
    rows = rows if claim.only_teachers else rows[rows["kind"] != "student"]
    return float(rows.groupby("seed")["seconds"].sum().mean()) / 3600
