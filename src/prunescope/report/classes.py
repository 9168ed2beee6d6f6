"""Who pays: the change of each class's recall from the dense control to each method, on the same images, with intervals."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from prunescope.report import predictions
from prunescope.report.arms import Study, cells_of
from prunescope.report.tables import NOTHING
from prunescope.resampling import Floats, intervals

DRAWS = 2000
SHOWN = 10  # classes of a cell in the table, those that lose most


def recall_changes(metrics: Path, study: Study, model: str, dataset: str, level: float) -> pd.DataFrame:
    """Columns class, images, groups, dense (recall), and per method its change with `_low` and `_high`; largest mean loss first.

    Fractions; means over the seeds that ran everything. The 95 % interval resamples groups of images (lesions), each with its
    predictions by all networks: it says what other test images would have given, not what other seeds would have. No rows
    where a method has not run.
    """
    right: dict[str, list[Floats]] = {name: [] for name in ("dense", *study.methods)}
    images: pd.DataFrame | None = None
    for seed in study.seeds:
        found = {name: predictions.read(metrics, model, dataset, level, seed, name) for name in right}
        known = {name: of for name, of in found.items() if of is not None}
        if len(known) == len(found):
            for name, of in known.items():
                images = of if images is None else images
                predictions.same_images(of, images)
                right[name].append(predictions.right(of))
    if images is None:
        return pd.DataFrame()
    return _table(images, {name: np.mean(of, axis=0) for name, of in right.items()})


def _table(images: pd.DataFrame, right: dict[str, Floats]) -> pd.DataFrame:
    classes = sorted(images["actual"].unique())
    member = (images["actual"].to_numpy()[:, None] == np.array(classes)).astype(float)
    dense, *methods = right.values()
    columns = np.concatenate([member, *((method - dense)[:, None] * member for method in methods)], axis=1)

    def changes(sums: Floats) -> Floats:
        parts = sums.reshape(len(sums), 1 + len(methods), len(classes))
        with np.errstate(invalid="ignore"):
            return parts[:, 1:] / parts[:, :1]

    [values], (low, high) = (
        changes(columns.sum(0)[None]),
        intervals(columns, images["group"].to_numpy(), changes, draws=DRAWS),
    )
    groups = np.array([images.loc[images["actual"] == name, "group"].nunique() for name in classes])
    # Where every resample is alike (nothing changed, or all of it) the interval would be a point: it is as wide as so many groups
    # allow that all look alike by chance (exact, one in twenty).
    bound, alike = 1 - 0.05 ** (1 / groups), ~(high - low > 1e-12)
    low, high = (np.where(alike, np.clip(values + side * bound, -1, 1), of) for side, of in ((-1, low), (1, high)))
    table: dict[str, Any] = {"class": classes, "images": member.sum(0).astype(int), "groups": groups}
    table |= {"dense": dense @ member / member.sum(0)}
    for number, name in enumerate(list(right)[1:]):
        table |= {name: values[number], f"{name}_low": low[number], f"{name}_high": high[number]}
    return pd.DataFrame(table).iloc[np.argsort(values.mean(0), kind="stable")].reset_index(drop=True)


def lost_images(metrics: Path, study: Study, model: str, dataset: str, level: float) -> pd.DataFrame:
    """Test images that the dense control gets right and every method of the same seed gets wrong.

    Columns name, actual, seeds (how many lose it, most first), ran (how many seeds have all networks), and per method what it
    predicted in the first of those. No rows where nothing was lost; no columns where a method has not run.
    """
    found: dict[str, dict[str, Any]] = {}
    ran = 0
    for seed in study.seeds:
        arms = {name: predictions.read(metrics, model, dataset, level, seed, name) for name in ("dense", *study.methods)}
        known = {name: of for name, of in arms.items() if of is not None}
        if len(known) < len(arms):
            continue
        ran, dense = ran + 1, known.pop("dense")
        for of in known.values():
            predictions.same_images(of, dense)
        lost = predictions.right(dense) * np.prod([1 - predictions.right(of) for of in known.values()], axis=0)
        for place in np.flatnonzero(lost):
            name = dense["name"].iloc[place]
            says = {method: of["predicted"].iloc[place] for method, of in known.items()}
            entry = found.setdefault(name, {"name": name, "actual": dense["actual"].iloc[place], "seeds": 0} | says)
            entry["seeds"] += 1
    columns = ["name", "actual", "seeds", "ran", *study.methods] if ran else []
    rows = [entry | {"ran": ran} for entry in found.values()]
    return pd.DataFrame(rows, columns=columns).sort_values(columns[2:3], ascending=False, kind="stable")


def lost_table(metrics: Path, study: Study) -> pd.DataFrame:
    """How many images each cell loses, and of which classes most."""
    rows = []
    for model, dataset, level in cells_of(study):
        lost = lost_images(metrics, study, model, dataset, level)
        if len(lost.columns):
            often = lost["actual"].value_counts().head(5)
            row = {"model": model, "data": dataset, "sparsity %": f"{level * 100:.1f}", "images": f"{len(lost):,}"}
            row |= {"in every seed": f"{int((lost['seeds'] == lost['ran']).sum()):,}"}
            rows.append(row | {"classes": ", ".join(f"{name} ({count})" for name, count in often.items()) or NOTHING})
    return pd.DataFrame(rows)


def who_pays_table(metrics: Path, study: Study) -> pd.DataFrame:
    """The `SHOWN` classes of every cell that lose most, in percentage points with intervals; no rows where nothing ran."""
    rows = []
    for model, dataset, level in cells_of(study):
        found = recall_changes(metrics, study, model, dataset, level)
        for _, row in found.head(SHOWN).iterrows():
            where = {"model": model, "data": dataset, "sparsity %": f"{level * 100:.1f}", "class": row["class"]}
            changes = {f"{method}, points": _points(row, method) for method in study.methods}
            rows.append(where | {"images": f"{row['images']:,}", "dense recall %": f"{row['dense'] * 100:.1f}"} | changes)
    return pd.DataFrame(rows)


def _points(row: pd.Series, method: str) -> str:
    """−3.1 [−6.0, −0.4]; a dot where the interval leaves zero out."""
    value, low, high = (100 * row[f"{method}{end}"] for end in ("", "_low", "_high"))
    if np.isnan(value):
        return NOTHING
    sure = " •" if low > 0 or high < 0 else ""
    return f"{value:+.1f} [{low:+.1f}, {high:+.1f}]{sure}".replace("-", "−")
