"""The answer at the top of the page: two sentences made from the numbers, and what their trust rests on."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import pandas as pd

from prunescope.report.arms import levels
from prunescope.report.claims import FAILS, HOLDS, UNDECIDED, overall, verdict
from prunescope.report.classes import recall_changes
from prunescope.report.differences import MEASURE, Difference, between
from prunescope.report.measures import Evidence
from prunescope.report.tables import runs


@dataclass(frozen=True)
class Contest:
    """The methods of one model, data set and sparsity: mean balanced accuracies (percent), and the dense control's."""

    where: tuple[str, str, float]
    methods: dict[str, float]
    dense: float
    pairs: dict[tuple[str, str], Difference]

    @property
    def gap(self) -> float:
        return max(self.methods.values()) - min(self.methods.values())

    @property
    def shown(self) -> dict[tuple[str, str], Difference]:
        return {pair: difference for pair, difference in self.pairs.items() if difference.sign}


def contests(evidence: Evidence) -> Iterator[Contest]:
    """The cells in which every method of the study ran at least once."""
    study, summary = evidence.study, evidence.summary
    for dataset in study.datasets:
        for model in study.models:
            dense = _percent(runs(summary, model, dataset, "dense", 0.0))
            for level in levels(study):
                found = {method: _percent(runs(summary, model, dataset, method, level)) for method in study.methods}
                if found and not any(math.isnan(value) for value in found.values()):
                    pairs = {(a, b): between(summary, model, dataset, level, a, b) for a, b in combinations(study.methods, 2)}
                    yield Contest((model, dataset, level), found, dense, pairs)


def _percent(arm: pd.DataFrame) -> float:
    return float(arm[MEASURE].mean()) * 100


def answer(evidence: Evidence, judged: Mapping[Any, Mapping[Any, Any]]) -> tuple[str, str]:
    """What was seen, and what it means: differences count as shown where their interval over seeds leaves zero out."""
    cells = list(contests(evidence))
    if not cells:
        return (
            "There is no answer yet: in no cell of the study have all methods been evaluated.",
            "Run dvc repro, or look below at the arms that did run.",
        )
    pairs = [difference for cell in cells for difference in cell.pairs.values()]
    if pairs and all(difference.n < 2 for difference in pairs):
        nothing = "With one seed (n = 1) nothing here is proven: differences between seeds are not measured."
        return _seen_once(cells, evidence), nothing
    return _seen(cells, evidence), _meaning(evidence, judged, cells)


def _over(cells: list[Contest], evidence: Evidence) -> str:
    study = evidence.study
    wanted = len(study.models) * len(study.datasets) * len(levels(study))
    return f"all {wanted}" if len(cells) == wanted > 1 else f"{len(cells)} of {wanted}"


def _seen_once(cells: list[Contest], evidence: Evidence) -> str:
    gaps = _range([cell.gap for cell in cells], ".1f")
    return (
        f"In {_over(cells, evidence)} cells (model, data set, sparsity) the best and the worst method lie {gaps} points of "
        f"balanced accuracy apart{_to_dense(cells)}."
    )


def _seen(cells: list[Contest], evidence: Evidence) -> str:
    shown = [(cell, pair, difference) for cell in cells for pair, difference in cell.shown.items()]
    if not shown:
        how = f"In none of {len(cells)} cells (model, data set, sparsity) is it shown that the way of pruning matters"
        gaps = _range([cell.gap for cell in cells], ".1f")
        apart = f"best and worst method lie {gaps} points of balanced accuracy apart, no more than seeds explain"
        return f"{how}: {apart}{_to_dense(cells)}."
    some = sum(bool(cell.shown) for cell in cells)
    cell, (first, second), largest = max(shown, key=lambda found: abs(found[2].mean))
    better, worse = (first, second) if largest.sign > 0 else (second, first)
    size = Difference({seed: value * largest.sign for seed, value in largest.by_seed.items()}).text()
    return (
        f"The way of pruning matters in {some} of {len(cells)} cells (model, data set, sparsity), most for {_name(cell.where)}, "
        f"where {better} is {size} points of balanced accuracy from {worse}"
        f"{'; elsewhere no difference is shown' if some < len(cells) else ''}{_to_dense(cells)}."
    )


def _to_dense(cells: list[Contest]) -> str:
    gaps = [max(cell.methods.values()) - cell.dense for cell in cells if not math.isnan(cell.dense)]
    return f"; the best method lies {_range(gaps, '+.1f')} points from the equally trained dense control" if gaps else ""


def _meaning(evidence: Evidence, judged: Mapping[Any, Mapping[Any, Any]], cells: list[Contest]) -> str:
    verdicts = [overall([verdict(comparisons) for comparisons in of.values()]) for of in judged.values()]
    counts = {kind: verdicts.count(kind) for kind in (HOLDS, FAILS, UNDECIDED)}
    text = (
        f"Of the paper's {len(verdicts)} conclusions {counts[HOLDS]} hold here, {counts[FAILS]} do not and "
        f"{counts[UNDECIDED]} are undecided"
    )
    return f"{text}{_who_pays(evidence, cells)}."


def _who_pays(evidence: Evidence, cells: list[Contest]) -> str:
    """The largest loss of a class that the test images show, if any."""
    losses = []
    for cell in cells:
        changes = recall_changes(evidence.metrics, evidence.study, *cell.where)
        for _, row in changes.iterrows():
            losses += [
                (row[method], row["class"], method, cell) for method in evidence.study.methods if row[f"{method}_high"] < 0
            ]
    if not losses:
        return "; no class is shown to lose recall"
    change, name, method, cell = min(losses, key=lambda loss: loss[0])
    return (
        f"; the class that pays most is {name}, which {method} costs {-change * 100:.1f} points of recall ({_name(cell.where)})"
    )


def chance(evidence: Evidence) -> str:
    """What the draw of test images alone does to one accuracy; empty where nothing ran."""
    parts = []
    for dataset in evidence.study.datasets:
        arms = evidence.summary[(evidence.summary["kind"] != "student") & (evidence.summary["dataset"] == dataset)]
        if len(arms) and (images := arms["test_images"].min()) > 0:
            error = math.sqrt(arms["accuracy"].mean() * (1 - arms["accuracy"].mean()) / images) * 100
            parts.append(f"±{error:.1f} points ({dataset}, {images:,.0f} images)")
    return f"The draw of test images alone moves one accuracy by about {', '.join(parts)}, one standard error." if parts else ""


def _name(where: tuple[str, str, float]) -> str:
    model, dataset, level = where
    return f"{model} on {dataset} at {level * 100:g} %"


def _range(values: list[float], form: str) -> str:
    low, high = (f"{value:{form}}".replace("-", "−") for value in (min(values), max(values)))
    return low if low == high else f"{low} to {high}"
