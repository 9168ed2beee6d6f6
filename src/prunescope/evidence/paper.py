"""The paper's own accuracies: read, put beside ours, and judged by the same rules as far as one seed a cell allows."""

from pathlib import Path

import numpy as np
import pandas as pd

from prunescope.errors import PrunescopeError
from prunescope.evidence.claims import CLAIMS, Judged, together
from prunescope.evidence.inference import judge_all
from prunescope.evidence.overall import OF_ONE_SEED, Overall, over_networks
from prunescope.evidence.studywide import over_study
from prunescope.evidence.text import NOTHING
from prunescope.results.grid import Cell
from prunescope.results.summary import runs

PAPER = Path(__file__).with_name("paper.csv")
COLUMNS = ["model", "dataset", "method", "sparsity", "accuracy", "where"]
CLAIMED = {0: ("iterative", "best"), 1: ("layerwise", "worst")}  # conclusions about accuracy, by their place in CLAIMS


def accuracies(path: Path = PAPER) -> pd.DataFrame:
    """The paper's own accuracies (fractions). Raises on a percent."""
    paper = pd.read_csv(path)
    if list(paper.columns) != COLUMNS:
        raise PrunescopeError(f"{path}: found the columns {list(paper.columns)}, wanted {COLUMNS}")
    accuracy = pd.to_numeric(paper["accuracy"], errors="coerce")
    if not accuracy.between(0, 1).all():
        raise PrunescopeError(f"{path}: found an accuracy outside 0 to 1, wanted fractions; write 0.75 for 75 %")
    return paper.assign(accuracy=accuracy, sparsity=pd.to_numeric(paper["sparsity"]).astype("float64"))


def cells(paper: pd.DataFrame) -> pd.DataFrame:
    """A row per model, data set and sparsity, a column per method, percent."""
    return paper.pivot(index=["model", "dataset", "sparsity"], columns="method", values="accuracy") * 100


def judged_table(paper: pd.DataFrame, margin: float) -> pd.DataFrame:
    """The two conclusions about accuracy by the paper's table: in how many cells they are so, and the mean over networks."""
    found, rows = cells(paper), []
    for place, (method, kind) in CLAIMED.items():
        others = [name for name in found.columns if name != method]
        turned = 1 if kind == "best" else -1
        gaps = {name: turned * (found[method] - found[name]) for name in others}
        so = int((np.min(list(gaps.values()), axis=0) > 0).sum())
        whole = {name: _over(of).estimate for name, of in gaps.items()}
        judgements = judge_all(list(whole.values()), margin)
        texts = [f"{method} − {name}: {of.turned().text() if turned < 0 else of.text()}" for name, of in whole.items()]
        rows.append(
            {
                "no.": str(place + 1),
                "conclusion of the paper": CLAIMS[place].text,
                "cells": f"{method} {kind} in {so} of {len(found)}",
                "mean over networks, points of accuracy": "; ".join(texts),
                "verdict": together(of.verdict for of in judgements),
            }
        )
    return pd.DataFrame(rows)


def _over(gaps: pd.Series) -> Overall:
    networks = [(model, dataset) for model, dataset, _ in gaps.index]
    return over_networks(gaps.to_numpy(dtype=float), OF_ONE_SEED * np.eye(len(gaps)), networks)[0]


def beside_ours(paper: pd.DataFrame, judged: Judged) -> pd.DataFrame:
    """Differences of methods over networks, the paper's and ours: what, whose, mean, low, high, verdict."""
    found, rows = cells(paper), []
    ours = {name: of for claim in CLAIMS[:2] for name, of in over_study(judged.get(claim, {})).items()}
    for name, of in ours.items():
        first, second = name.split(" − ")
        ours_there = of.elsewhere or of.here
        if not ours_there.estimate.n or not {first, second} <= set(found.columns):
            continue
        [judgement] = judge_all([_over(found[first] - found[second]).estimate], ours_there.margin)
        for whose, found_there in (("the paper's", judgement), ("this study's", ours_there)):
            ends = {end: round(getattr(found_there.estimate, end), 3) for end in ("mean", "low", "high")}
            rows.append({"what": name, "whose": whose} | ends | {"verdict": found_there.verdict})
    return pd.DataFrame(rows, columns=["what", "whose", "mean", "low", "high", "verdict"])


def beside(paper: pd.DataFrame, cell: Cell, method: str) -> str:
    """The paper's accuracy for an arm, percent and where it stands; it says so where only model and data set are the paper's."""
    exact = runs(paper, cell, method)
    alike = paper.assign(dataset=paper["dataset"].str.partition("-")[0])
    similar = Cell(cell.model.removesuffix("_bn"), cell.dataset.partition("-")[0], cell.sparsity)
    for found, setting in ((exact, ""), (runs(alike, similar, method), ", other setting")):
        if len(found):
            return f"{found['accuracy'].iloc[0] * 100:.1f} ({found['where'].iloc[0]}{setting})"
    return NOTHING
