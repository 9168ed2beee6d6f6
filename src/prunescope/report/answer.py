"""The answer at the top of the page: two sentences made from the numbers, and what the draw of images does to them."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

from prunescope.evidence import endpoints
from prunescope.evidence.claims import FAILS, HOLDS, Judged
from prunescope.evidence.classes import judged_recall
from prunescope.evidence.differences import Compare, Pair, judged
from prunescope.evidence.facts import budgets_differ
from prunescope.evidence.inference import BETTER, EQUAL, NOT_RUN, OPEN, WORSE
from prunescope.evidence.studywide import elsewhere, here, over_study
from prunescope.evidence.text import NOTHING, ends, plural
from prunescope.results.grid import Cell, Grid, arms_of, cells_of
from prunescope.results.results import Results


@dataclass(frozen=True)
class Contest:
    """The networks of one model, data set and sparsity: means of the primary endpoint (percent) over the seeds that all have,
    and its pairs of methods."""

    cell: Cell
    methods: dict[str, float]
    dense: float
    pairs: dict[Pair, Compare]

    @property
    def gap(self) -> float:
        return max(self.methods.values()) - min(self.methods.values())


def contests(results: Results) -> Iterator[Contest]:
    """The cells in which every method that can be chosen ran with at least one seed in common."""
    methods = results.grid.choices
    for cell in cells_of(results.grid):
        found = {name: endpoints.by_seed(results, cell, name) for name in methods}
        shared = set.intersection(*(set(of) for of in found.values())) if found else set()
        if not shared:
            continue
        dense = endpoints.by_seed(results, cell, "dense")
        shared = (shared & set(dense)) or shared
        means = {name: float(np.mean([of[seed] for seed in shared])) for name, of in found.items()}
        control = float(np.mean([dense[seed] for seed in shared])) if shared <= set(dense) else math.nan
        pairs = {pair: of for pair, of in judged(results)[cell].items() if set(pair) <= {*methods}}
        yield Contest(cell, means, control, pairs)


def answer(results: Results, judged: Judged) -> tuple[str, str]:
    """What was seen, and what it means; a difference counts as shown as in the table of differences."""
    cells = list(contests(results))
    if not cells:
        return (
            "There is no answer yet: in no cell of the study have all methods been evaluated.",
            "Run dvc repro, or look below at the arms that did run.",
        )
    if len(results.grid.choices) < 2:
        seen = f"With one method{_aside(results.grid)} there is nothing to compare{_to_dense(cells, results)}."
    elif all(of.judgement.estimate.n < 2 for cell in cells for of in cell.pairs.values()):
        seen = f"In {_cells(cells, results)} {_apart(cells, results)}{_to_dense(cells, results)}."
    else:
        seen = _seen(cells, results)
    if max(len(endpoints.by_seed(results, contest.cell, name)) for contest in cells for name in contest.methods) < 2:
        return seen, "With one seed (n = 1) nothing here is proven: differences between seeds are not measured."
    return seen, _meaning(results, judged, cells)


def _apart(cells: list[Contest], results: Results) -> str:
    gaps = ends([cell.gap for cell in cells], ".1f")
    return f"best and worst method lie {gaps} points of {endpoints.titles(results)} apart"


def _cells(cells: list[Contest], results: Results) -> str:
    missing = len(list(cells_of(results.grid))) - len(cells)
    kind = f"model, data set, sparsity{f'; {missing} more did not run in full' if missing else ''}"
    return f"{len(cells)} cells ({kind})" if len(cells) > 1 else f"the one cell ({kind})"


def _seen(cells: list[Contest], results: Results) -> str:
    every = [(contest, pair, of) for contest in cells for pair, of in contest.pairs.items()]
    words = [of.verdict for *_, of in every]
    equal, unsure = words.count(EQUAL), words.count(OPEN)
    shown = [found for found in every if found[2].verdict in (BETTER, WORSE)]
    images = all(not math.isnan(of.judgement.estimate.images) for *_, of in every if of.judgement.estimate.n)
    over = "new seeds and test images" if images else "new seeds"
    differences = f"{plural(len(every), 'difference')} between methods{_aside(results.grid)}"
    all_pairs = sum(
        "dense" not in pair and of.judgement.estimate.n > 0 for known in judged(results).values() for pair, of in known.items()
    )
    counted = (
        f"of {differences} {len(shown)} are shown, {equal} equal within the margin, {unsure} open (not enough data); over "
        f"{over}, allowing for {'their number' if all_pairs == len(every) else f'all {all_pairs}'}"
    )
    if not shown:
        return (
            f"In {_cells(cells, results)} it is not shown that the way of pruning matters: {counted}; "
            f"{_apart(cells, results)}{_to_dense(cells, results)}."
        )
    some = len({contest.cell for contest, *_ in shown})
    contest, (first, second), largest = max(shown, key=lambda found: abs(found[2].judgement.estimate.mean))
    if largest.verdict == WORSE:
        first, second, largest = second, first, largest.turned()
    matters = f"{some} of {_cells(cells, results)}" if len(cells) > 1 else _cells(cells, results)
    endpoint = endpoints.title(results.grid.primary_of(contest.cell.dataset))
    return (
        f"The way of pruning matters in {matters}: {counted}. Most it matters for {contest.cell}, where {first} is "
        f"{largest.judgement.estimate.text()} points of {endpoint} from {second}{_to_dense(cells, results)}."
    )


def _aside(grid: Grid) -> str:
    """Which negative controls are not among the methods that are told of."""
    left = [name for name in grid.methods if name not in grid.choices]
    return f" (without {', '.join(left)})" if left else ""


def _to_dense(cells: list[Contest], results: Results) -> str:
    gaps = [max(cell.methods.values()) - cell.dense for cell in cells if not math.isnan(cell.dense)]
    trained = "dense control (not all trained equally long)" if budgets_differ(results) else "equally trained dense control"
    return f"; the best method lies {ends(gaps, '+.1f')} points from the {trained}" if gaps else ""


def _meaning(results: Results, judged: Judged, cells: list[Contest]) -> str:
    found = [over_study(of) for of in judged.values() if of]
    verdicts, others = ([word(of) for of in found] for word in (here, elsewhere))
    counts = {kind: verdicts.count(kind) for kind in (HOLDS, FAILS, EQUAL, OPEN, NOT_RUN)}
    missing = f", {counts[NOT_RUN]} did not run" if counts[NOT_RUN] else ""
    about = "" if len(verdicts) == len(judged) else " that this study is about"
    equal = f" ({counts[EQUAL]} of them, as what they compare is equal within the margin)" if counts[EQUAL] else ""
    no = counts[FAILS] + counts[EQUAL]
    return (
        f"Of the paper's {len(verdicts)} conclusions{about} {counts[HOLDS]} hold here, {no} do not{equal}, {counts[OPEN]} are "
        f"open{missing}{of_others(others)}{_who_pays(results, cells)}."
    )


def of_others(verdicts: list[str]) -> str:
    """How many are decided of others like these networks, where there is more than one."""
    decided = sum(word in (HOLDS, FAILS, EQUAL) for word in verdicts)
    are = "are" if decided > 1 else "is"
    return "" if set(verdicts) == {NOTHING} else f"; of other networks like these {decided or 'none'} {are} decided"


def _who_pays(results: Results, cells: list[Contest]) -> str:
    """The largest loss of recall that is shown over new seeds and test images, allowing for all that are looked at."""
    found = judged_recall(results)
    ours = {(contest.cell, method) for contest in cells for method in contest.methods}
    looked = {key: of for key, of in found.items() if key[:2] in ours and of.estimate.n}
    if not looked:
        return ""
    every = sum(of.estimate.n > 0 for of in found.values())
    among = f"of {len(looked):,} looked at, over seeds and images"
    among += f", allowing for all {every:,}" if every > len(looked) else ""
    lost = {key: of for key, of in looked.items() if of.verdict == WORSE}
    if not lost:
        return f"; no class is shown to lose recall ({among})"
    (cell, method, name), largest = min(lost.items(), key=lambda of: of[1].estimate.mean)
    size = f"{-largest.estimate.mean:.1f} points of recall"
    losses = f"{len(lost)} losses of a class are" if len(lost) > 1 else "one loss of a class is"
    which = f"the largest that of {name}" if len(lost) > 1 else f"that of {name}"
    return f"; {losses} shown ({among}), {which}, which {method} costs {size} ({cell})"


def chance(results: Results) -> str:
    """How far another draw of test images would move one network's primary endpoint; empty where nothing ran."""
    parts = []
    for dataset in results.grid.datasets:
        arms = [arm for arm in arms_of(results.grid) if arm.dataset == dataset and arm.kind != "student"]
        found = [results.record(arm.evaluate) for arm in arms]
        measure = results.grid.primary_of(dataset)
        bounds = [(one.get(f"{measure}_low"), one.get(f"{measure}_high")) for one in found if one]
        widths = [(high - low) / 2 for low, high in bounds if low is not None and high is not None]
        if widths:
            images = next(one["test_images"] for one in found if one)
            shown = next((of for arm in arms if (of := results.of_arm(arm)) is not None), None)
            groups = shown.table["group"].nunique() if shown is not None else images
            drawn = f"{images:,.0f} images{f' of {groups:,} lesions or other groups' if groups < images else ''}"
            parts.append(f"±{pd.Series(widths).median() * 100:.1f} points ({dataset}, {drawn})")
    if not parts:
        return ""
    moves = f"Another draw of the test split would move a network's {endpoints.titles(results)} by less than about"
    return f"{moves} {', '.join(parts)}, 19 times in 20."
