"""Who pays, by subgroup, in words and as a table."""

import numpy as np
import pandas as pd

from prunescope.columns import MOST_VALUES
from prunescope.evidence.classes import complete_seeds
from prunescope.evidence.subgroups import EVERY, Change, every_change, findings, of_choices
from prunescope.evidence.text import NOTHING
from prunescope.results.grid import cells_of
from prunescope.results.results import Results

NAMED_AT_MOST = 6  # findings in a sentence, the surest


def subgroup_table(results: Results) -> pd.DataFrame:
    """A row per cell, measure and subgroup: points with intervals over test images, a dot at findings. No columns, no rows."""
    found, rows = findings(results), {}
    for change in every_change(results):
        part = change.part
        key = (change.cell, part.measure, part.column, part.name)
        row = rows.setdefault(key, change.cell.labels() | {"subgroup": _named(change), "measure": part.measure})
        row |= {"images": f"{int(part.images.sum()):,}", "groups": f"{part.groups:,}", "dense %": _percent(change.dense)}
        row[f"{change.method}, points"] = _points(change) + (" •" if change in found else "")
        row["note"] = "too few to be named" if part.small else NOTHING
    table = pd.DataFrame(list(rows.values()))
    return table[[*(name for name in table.columns if name != "note"), "note"]] if len(table) else table


def said(results: Results) -> str:
    """Which subgroups are shown to lose or gain, in a sentence or two; empty where no data set has columns."""
    every = [change for change in every_change(results) if change.part.name != EVERY]
    if not every:
        return ""
    columns = ", ".join(dict.fromkeys(change.part.column for change in every))
    tested = sum(change.tested for change in every)
    few = sum(change.part.small for change in every)
    if not tested:
        why = "every subgroup is too small" if few == len(every) else "one seed does not say what another training would do"
        return f"By subgroup ({columns}) nothing can be shown: {why}."
    found = of_choices(results, findings(results))
    parts = [_listed("Shown to lose", [change for change in found if change.value < 0])]
    parts += [_listed("Shown to gain", [change for change in found if change.value > 0])]
    if not found:
        parts = [f"No subgroup ({columns}) is shown to lose or gain by pruning more than images and seeds vary."]
    parts.append(f"{tested:,} comparisons are corrected together (Holm); {few:,} more are of too few images to be named.")
    return " ".join(filter(None, parts))


def left_out(results: Results) -> str:
    """Columns that the preparation found and predictions do not carry; empty where there are none, or predictions are older."""
    found = []
    for dataset in results.grid.datasets:
        given = (results.record(f"download/{dataset}") or {}).get("columns") or {}
        ran = [
            known
            for cell in cells_of(results.grid)
            if cell.dataset == dataset
            for known in complete_seeds(results, cell).values()
        ]
        if ran:
            carried = ran[0]["dense"].columns
            found += [f"{name} of {dataset} ({values:,} values)" for name, values in given.items() if name not in carried]
    why = f"(one value in the test split, text of more than {MOST_VALUES} values, or a name that predictions have themselves)"
    return f"Columns that make no subgroups {why}: {', '.join(found)}." if found else ""


def _listed(what: str, found: list[Change]) -> str:
    named = "; ".join(
        f"{_named(change)} ({change.part.groups:,} groups), {change.part.measure}, {change.method}, {change.cell}: "
        f"{_points(change)} points"
        for change in found[:NAMED_AT_MOST]
    )
    more = f"; and {len(found) - NAMED_AT_MOST} more" if len(found) > NAMED_AT_MOST else ""
    return f"{what}: {named}{more}." if found else ""


def _named(change: Change) -> str:
    return f"{change.part.column}: {change.part.name}" if change.part.name != EVERY else EVERY


def _percent(value: float) -> str:
    return NOTHING if np.isnan(value) else f"{value * 100:.1f}"


def _points(change: Change) -> str:
    """−3.1 [−6.0, −0.4]."""
    if np.isnan(change.value):
        return NOTHING
    value, low, high = (round(of * 100, 1) + 0.0 for of in (change.value, change.low, change.high))  # no minus before 0.0
    return f"{value:+.1f} [{low:+.1f}, {high:+.1f}]".replace("-", "−")
