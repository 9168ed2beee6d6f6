"""The rules in words, and the tables of verdicts: over the study, and cell by cell."""

import math
from collections.abc import Mapping

import pandas as pd

from prunescope.evidence.claims import (
    FAILS,
    HOLDS,
    WORDS,
    Cells,
    Claim,
    Judged,
    judge,
    verdict,
    wanted_in,
)
from prunescope.evidence.differences import Compare
from prunescope.evidence.inference import EQUAL
from prunescope.evidence.overall import Overall
from prunescope.evidence.studywide import OverStudy, elsewhere, here, over_study, wanted_elsewhere, wanted_here
from prunescope.evidence.text import NOTHING, listed, places, plural
from prunescope.results.grid import Cell, Grid
from prunescope.results.results import Results

NAMED = 4  # networks (model and data set): cells of more are counted alone


def rules(grid: Grid) -> list[str]:
    """How it is decided, a rule each, its subject before the colon."""
    return [
        "Differences: every conclusion is measured as differences that are positive where it is right, seed by seed.",
        "Noise of a seed: pooled over all networks of a cell (model, data set, sparsity; two-way: network and seed), and taken "
        "larger where the comparison itself varies more, in its cell (half way) or on average over the cells. It counts as less "
        "well known where few networks make most of it.",
        "Negative controls: networks whose weights go at random are in the noise of their own comparisons alone.",
        "Draw of test images: of accuracies, what all seeds share of it (resampled by lesion) is added. So their intervals speak "
        "of new seeds and test images, those of similarities and training curves of new seeds.",
        "Brackets: 95 % intervals (Student's t) of one difference by itself.",
        "Verdicts: they also allow for the number of comparisons that are looked at together (Holm). About one family in twenty, "
        "or fewer, has a false one; up to two where networks differ much in their noise.",
        "Better, worse: shown to be unlike zero.",
        "Families: over a study the comparisons of one conclusion are corrected together. So a difference that is certain and "
        "smaller than what matters may be called equal in one conclusion, and better in another.",
        f"Equal within the margin: shown to be smaller than what matters ({plural(grid.margin, 'point')}, of similarities "
        f"{grid.margin_cka:g}), by two one-sided tests, though it may be certain that it is not zero.",
        "Not enough data: anything else. One seed decides nothing.",
        "A conclusion in one cell: it holds where all its comparisons are better. One that is worse or equal is enough against "
        "it, and where all are equal it is equal within the margin.",
        "A conclusion in these networks: it is about their mean (a network is a model on a data set), over new seeds and test "
        "images, in cells that measured their noise (two seeds or more). Not every network need have it.",
        "Networks that contradict: where a network or cell is shown to be unlike zero on the other side (of equal: on either), "
        "with a mean of the margin or more, the conclusion in these networks is open.",
        "Levels: those of a network are averaged first, over levels that all of the networks have; where there is none, over "
        "each network's own. Their mean is taken for no surer than they are, as they share what a seed does to their base.",
        "Cells of one seed: one that measured no noise, and lies on the other side, leaves the verdict open.",
        "Of others like them: networks are chosen, and here they are taken for draws (random effects), so that what is shown is "
        "more than what these happen to do. Where they differ much, the interval is wide. Only their mean is asked, not each; it "
        "gives those that are surer more weight.",
        "Networks of one model, or of one data set: they resemble each other. So that mean has three intervals, with networks, "
        "models and data sets as draws, and the widest counts. Of two models it shows little: they have to agree closely.",
        "Networks whose noise came out small: by chance it may, so among others they are taken for less sure than they look.",
        "Several conclusions: each is a question of its own. Of twenty that are not so, one may be called so by chance.",
        "Endpoints, margins and critical classes: those of params.yaml under evaluate, to be fixed before the runs. Where a "
        "study was judged later, Provenance says so.",
        "Dead layers: they have no similarity, and are left out of all maps that are compared.",
    ]


def claims_table(judged: Judged) -> pd.DataFrame:
    """A row per claim: its verdicts over the study, what they rest on, what would decide it, and in how many cells which."""
    rows = []
    for claim, cells in judged.items():
        found = over_study(cells)
        row = {
            "no.": str(claim.number),
            "in these networks": here(found) if cells else NOTHING,
            "of others like them": elsewhere(found),
            "conclusion of the paper": claim.text,
            "mean of these": here_text(claim, found),
            "would decide it of these": wanted_here(found),
            "mean of others like them": elsewhere_text(claim, found),
            "would decide it of others": wanted_elsewhere(found),
            "cells": counted(cells) or "none of this study",
        }
        rows.append(row | {"measured": f"{claim.measure} ({claim.unit})"})
    return pd.DataFrame(rows)


def by_dataset(results: Results) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Verdicts and means, each a row per claim, a column per data set that ran: in these networks there. No columns where it is
    one."""
    ran = [name for name in results.grid.datasets if (results.summary["dataset"] == name).any()]
    names = ran if len(ran) > 1 else ()
    judged = {name: judge(results.alone(name)) for name in names}
    found = {name: {claim: over_study(cells) for claim, cells in of.items()} for name, of in judged.items()}
    return (
        pd.DataFrame(
            {f"{name} alone": [here(of) if of else NOTHING for of in claims.values()] for name, claims in found.items()}
        ),
        pd.DataFrame({f"mean of {name} alone": [here_text(*of) for of in claims.items()] for name, claims in found.items()}),
    )


def by_verdict(cells: Cells) -> dict[str, list[Cell]]:
    """The cells of each verdict that some have."""
    each = {cell: verdict(of) for cell, of in cells.items()}
    return {word: [cell for cell in each if each[cell] == word] for word in WORDS if word in each.values()}


def counted(cells: Cells) -> str:
    """In how many cells which verdict, and in which where it is shown to hold in some and not to in others, unless they are of
    many networks."""
    found = by_verdict(cells)
    sure = [word for word in (HOLDS, FAILS, EQUAL) if word in found]
    networks = {cell.network for word in sure for cell in found[word]}
    named = sure if HOLDS in sure and len(sure) > 1 and len(networks) <= NAMED else []
    return ", ".join(f"{len(of)} {word}{f' ({places(of)})' if word in named else ''}" for word, of in found.items())


def here_text(claim: Claim, found: Mapping[str, OverStudy]) -> str:
    """Each comparison's mean over the networks that ran."""
    texts = {name: f"{of.here.estimate.text(claim.form)}{_at(of)}" for name, of in found.items() if of.here.estimate.n}
    return "; ".join(f"{name}: {text}{', they contradict' * found[name].contradict}" for name, text in texts.items()) or NOTHING


def elsewhere_text(claim: Claim, found: Mapping[str, OverStudy]) -> str:
    """Each comparison's mean over what counts (networks, models or data sets), how much they differ, where one more would lie."""
    return "; ".join(f"{name}: {_elsewhere(claim, of.means[0])}" for name, of in found.items() if of.means) or NOTHING


def _elsewhere(claim: Claim, mean: Overall) -> str:
    form = claim.form.lstrip("+")
    low, high = (f"{end:{form}}" for end in (mean.between_low, mean.between_high))
    text = f"{mean.estimate.text(claim.form)}, {mean.unit} differ by {mean.between:{form}} (sd, {low} to {high})"
    if math.isnan(mean.next_low):
        return text
    another = f"{mean.next_low:{claim.form}} to {mean.next_high:{claim.form}}".replace("-", "−")
    return f"{text}, one more {mean.unit.removesuffix('s')}: {another}"


def _at(of: OverStudy) -> str:
    """The levels of a mean, where they are not all that ran, or not the same for all networks."""
    kept, ran = ({cell.sparsity for cell in cells} for cells in (of.cells, of.ran))
    each = {frozenset(cell.sparsity for cell in of.cells if cell.network == network.network) for network in of.cells}
    networks = {cell.network for cell in of.cells}
    several = f" of {len(networks)} networks" if len(networks) > 1 else ""
    if len(each) > 1:
        return f"{several}, each at levels of its own"
    return several + (f" at {listed([f'{level * 100:g}' for level in sorted(kept)])} %" if kept and kept < ran else "")


def cells_table(judged: Judged) -> pd.DataFrame:
    """A row per claim and cell: the differences with their intervals, the verdict, what would decide it."""
    rows = []
    for claim, cells in judged.items():
        for cell, comparisons in cells.items():
            row = {"no.": str(claim.number)} | cell.labels()
            row |= {"n": str(min((of.judgement.estimate.n for of in comparisons.values()), default=0))}
            row |= {"differences": _differences(claim, comparisons), "verdict": verdict(comparisons)}
            rows.append(row | {"what would decide it": wanted_in(comparisons)})
    return pd.DataFrame(rows)


def _differences(claim: Claim, comparisons: Mapping[str, Compare]) -> str:
    found = {name: of for name, of in comparisons.items() if of.judgement.estimate.n}
    texts = [f"{name}: {of.judgement.estimate.text(claim.form)} {of.verdict}" for name, of in found.items()]
    return "; ".join(texts) or NOTHING
