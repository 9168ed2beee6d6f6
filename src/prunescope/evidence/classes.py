"""Who pays: the change of each class's recall from the dense control to each method, on the same images, with intervals."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd

from prunescope.evidence.inference import BETTER, WORSE, Estimate, Floats, Judgement, judge_all
from prunescope.evidence.layouts import Compared, Layout, compare
from prunescope.evidence.text import NOT_RUN, NOTHING
from prunescope.results import predictions
from prunescope.results.grid import Cell, cells_of
from prunescope.results.predictions import TAILS, Predictions
from prunescope.results.results import Results

FEWEST = 5  # groups (lesions) of a class, with fewer it is not judged
SHOWN = 10  # classes of a cell in the table, those that lose most


@lru_cache(maxsize=64)
def recall_changes(results: Results, cell: Cell) -> pd.DataFrame:
    """Columns class, images, groups, dense (recall), and per method its change with `_low` and `_high`; largest mean loss first
    (negative controls aside).

    Fractions; means over the seeds that ran everything. The 95 % interval resamples groups of images (lesions), each with its
    predictions by all networks: it says what other test images would have given, not what other seeds would have. No rows
    where a method has not run.
    """
    ran = list(complete_seeds(results, cell).values())
    if not ran:
        return pd.DataFrame()
    names, images = ("dense", *results.grid.methods), ran[0]["dense"]
    counts = images.member.sum(0)
    recall = {name: np.mean([known[name].right @ images.member for known in ran], axis=0) / counts for name in names}
    values = np.stack([recall[name] - recall["dense"] for name in results.grid.methods])
    with np.errstate(invalid="ignore"):
        drawn = {name: sum(known[name].resampled[0] for known in ran) / len(ran) / images.resampled[1] for name in names}
    changes = np.stack([drawn[name] - drawn["dense"] for name in results.grid.methods], axis=1)
    low, high = np.nanquantile(changes, TAILS, axis=0)
    groups = images.table.groupby("actual")["group"].nunique()[images.classes].to_numpy()
    # Where every resample is alike (nothing changed, or all of it) the interval would be a point: it is as wide as so many groups
    # allow that all look alike by chance (exact, one in twenty).
    bound, alike = 1 - 0.05 ** (1 / groups), ~(high - low > 1e-12)
    low, high = (np.where(alike, np.clip(values + side * bound, -1, 1), of) for side, of in ((-1, low), (1, high)))
    table: dict[str, Any] = {"class": images.classes, "images": counts.astype(int), "groups": groups, "dense": recall["dense"]}
    for number, name in enumerate(results.grid.methods):
        table |= {name: values[number], f"{name}_low": low[number], f"{name}_high": high[number]}
    asked = [name in results.grid.choices for name in results.grid.methods]  # a negative control would choose the order
    return pd.DataFrame(table).iloc[np.argsort(values[asked].mean(0), kind="stable")].reset_index(drop=True)


@lru_cache(maxsize=8)
def judged_recall(results: Results) -> Mapping[tuple[Cell, str, str], Judgement]:
    """By cell, method and class the change of recall from dense in points, over new seeds and test images; all are one family.

    Classes of fewer than `FEWEST` groups (lesions) are left out.
    """
    found: dict[tuple[Cell, str, str], Estimate] = {}
    for cell in cells_of(results.grid):
        ran = complete_seeds(results, cell)
        groups = _groups(next(iter(ran.values()))["dense"]) if ran else {}
        layouts = dict(_recalls(ran, results.grid.methods, groups, results.grid.chance)) if ran else {}
        for name, comparisons in compare(layouts).items():
            found |= {(cell, method, name): _not_sure(of, groups[name]) for method, of in comparisons.items()}
    return dict(zip(found, judge_all(list(found.values()), results.grid.margin), strict=True))


def _groups(of: Predictions) -> dict[str, int]:
    """How many groups (lesions) each class has."""
    return {str(name): int(count) for name, count in of.table.groupby("actual")["group"].nunique().items()}


def _not_sure(of: Compared, groups: int) -> Estimate:
    """Where every resample is alike (all of a class lost) the images' part would be nothing: it is as large as so many groups
    allow that all look alike by chance (one in twenty)."""
    if of.draws is None or of.draws.std(1).any():
        return of.estimate
    return replace(of.estimate, images=(100 * (1 - 0.05 ** (1 / groups)) / 1.645) ** 2)


def _recalls(
    ran: Mapping[int, Mapping[str, Predictions]], methods: Sequence[str], groups: Mapping[str, int], apart: tuple[str, ...]
) -> Iterator[tuple[str, Layout]]:
    """By class the recall of every network in points, seed by seed, and how the draw of groups moves it."""
    images = next(iter(ran.values()))["dense"]
    counts = images.member.sum(0)
    values = {(arm, seed): of.right @ images.member / counts * 100 for seed, known in ran.items() for arm, of in known.items()}
    for number, name in enumerate(images.classes):
        if groups[name] < FEWEST:
            continue
        arms = {arm: {seed: float(values[arm, seed][number]) for seed in ran} for arm in ("dense", *methods)}
        draws = {(arm, seed): _moved(ran[seed][arm], number) for arm in arms for seed in ran}
        yield name, Layout(arms, {method: {method: 1.0, "dense": -1.0} for method in methods}, draws, apart=apart)


def _moved(of: Predictions, number: int) -> Floats:
    """Deviations (B,) of a class's recall, points; 0 in a draw without an image of it."""
    right, images = of.resampled
    with np.errstate(invalid="ignore"):
        values = right[:, number] / images[:, number] * 100
    return np.nan_to_num(values - np.nanmean(values))


@lru_cache(maxsize=64)
def complete_seeds(results: Results, cell: Cell) -> dict[int, dict[str, Predictions]]:
    """By seed the predictions of dense and all methods, of the seeds that have them all; of the same images in all."""
    names: tuple[str, ...] = ("dense", *results.grid.methods)
    ran: dict[int, dict[str, Predictions]] = {}
    for seed in results.grid.seeds:
        found = {name: results.predictions(cell, seed, name) for name in names}
        known = {name: of for name, of in found.items() if of is not None}
        if len(known) == len(names):
            ran[seed] = known
            for of in known.values():
                predictions.same_images(of, next(iter(ran.values()))["dense"])
    return ran


def lost_images(results: Results, cell: Cell) -> pd.DataFrame:
    """Test images that the dense control gets right and every method of the same seed gets wrong.

    Columns name, actual, seeds (how many lose it, most first), ran (how many seeds have all networks), and per method what it
    predicted in the first of those. No rows where nothing was lost; no columns where a method has not run.
    """
    found: dict[str, dict[str, Any]] = {}
    ran = complete_seeds(results, cell)
    for known in ran.values():
        dense, pruned = known["dense"], {method: known[method] for method in results.grid.methods}
        lost = dense.right * np.prod([1 - of.right for of in pruned.values()], axis=0)
        for place in np.flatnonzero(lost):
            name = dense.table["name"].iloc[place]
            says = {method: of.table["predicted"].iloc[place] for method, of in pruned.items()}
            entry = found.setdefault(name, {"name": name, "actual": dense.table["actual"].iloc[place], "seeds": 0} | says)
            entry["seeds"] += 1
    columns = ["name", "actual", "seeds", "ran", *results.grid.methods] if ran else []
    rows = [entry | {"ran": len(ran)} for entry in found.values()]
    return pd.DataFrame(rows, columns=columns).sort_values(columns[2:3], ascending=False, kind="stable")


def lost_table(results: Results) -> pd.DataFrame:
    """How many images each cell loses, and of which classes most."""
    rows, some = [], False
    for cell in cells_of(results.grid):
        lost = lost_images(results, cell)
        row = cell.labels() | {"images": NOT_RUN}
        if len(lost.columns):
            some, often = True, lost["actual"].value_counts().head(5)
            row |= {"images": f"{len(lost):,}", "in every seed": f"{int((lost['seeds'] == lost['ran']).sum()):,}"}
            row |= {"classes": ", ".join(f"{name} ({count})" for name, count in often.items()) or NOTHING}
        rows.append(row)
    return pd.DataFrame(rows if some else []).fillna(NOTHING)


def who_pays_table(results: Results) -> pd.DataFrame:
    """The `SHOWN` classes of every cell that lose most, in percentage points with intervals; no rows where nothing ran."""
    rows, some, verdicts, seeds = [], False, judged_recall(results), over_seeds(results)
    for cell in cells_of(results.grid):
        found = recall_changes(results, cell)
        where = cell.labels()
        for _, row in found.head(SHOWN).iterrows():
            some = True
            changes = {
                f"{method}, points": _points(row, method, verdicts.get((cell, method, row["class"])), seeds)
                for method in results.grid.methods
            }
            of_class = {"class": row["class"], "images": f"{row['images']:,}", "dense recall %": f"{row['dense'] * 100:.1f}"}
            rows.append(where | of_class | changes)
        if found.empty:
            rows.append(where | {"class": NOT_RUN})
    return pd.DataFrame(rows if some else []).fillna(NOTHING)


def over_seeds(results: Results) -> bool:
    """Whether intervals of recall are over new seeds and test images, as some cell has two seeds or more; else over images."""
    return any(of.estimate.measured for of in judged_recall(results).values())


def _points(row: pd.Series, method: str, judgement: Judgement | None, seeds: bool) -> str:
    """−3.1 [−6.0, −0.4]; a dot where the interval leaves zero out, two where it is shown among all. seeds: see `over_seeds`"""
    value, low, high = (100 * row[f"{method}{end}"] for end in ("", "_low", "_high"))
    if np.isnan(value):
        return NOTHING
    if seeds:
        known = judgement is not None and judgement.estimate.measured
        low, high = (judgement.estimate.low, judgement.estimate.high) if judgement is not None and known else (np.nan, np.nan)
    shown = judgement is not None and judgement.verdict in (BETTER, WORSE)
    dots = " ••" if shown else " •" if low > 0 or high < 0 else ""
    bounds = "" if np.isnan(low) else f" [{low:+.1f}, {high:+.1f}]"
    return f"{value:+.1f}{bounds}{dots}".replace("-", "−")
