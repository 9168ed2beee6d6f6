"""How alike networks are: layer similarity with its yardsticks, and beside it what they predict and which weights they share."""

from itertools import combinations, product
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from prunescope.errors import PrunescopeError
from prunescope.report.arms import Study, dense_cell, levels, pruned_cell, read_json
from prunescope.report.facts import cka_cells
from prunescope.report.tables import NOTHING


def similarity_table(metrics: Path, study: Study) -> pd.DataFrame:
    """A row per cell and pair of networks; no rows where cka did not run."""
    cells = product(study.datasets, study.models, levels(study), study.seeds)
    rows = [row for dataset, model, level, seed in cells for row in _pairs(metrics, study, dataset, model, level, seed)]
    return pd.DataFrame(rows).fillna(NOTHING)


def _pairs(metrics: Path, study: Study, dataset: str, model: str, level: float, seed: int) -> list[dict[str, str]]:
    cell = pruned_cell(model, dataset, level, seed)
    known = read_json(metrics / "cka" / f"{cell}.json")
    if known is None:
        return []
    rows, diagonal = [], known.get("diagonal", {})
    for a, b in combinations(("dense", *study.methods), 2):
        row = {"cell": cell, "networks": f"{a} and {b}"}
        row |= {"same layers, mean CKA": _interval(diagonal.get(f"{a}--{b}"))}
        agreement = predictions_agree(*(_predictions(metrics, model, dataset, level, seed, of) for of in (a, b)))
        row |= {"same prediction %": NOTHING if agreement is None else f"{agreement * 100:.1f}"}
        overlap = known.get("mask_overlap", {}).get(f"{a}--{b}")
        if isinstance(overlap, dict) and overlap.get("jaccard") is not None:
            row |= {"kept weights shared (by chance)": f"{overlap['jaccard']:.3f} ({overlap['chance']:.3f})"}
        rows.append(row)
    untrained = _interval(diagonal.get("dense--untrained"))
    rows.append({"cell": cell, "networks": "dense and untrained", "same layers, mean CKA": untrained})
    for other in study.seeds:
        if other != seed and (apart := seeds_apart(metrics, cell, pruned_cell(model, dataset, level, other))) is not None:
            agreement = predictions_agree(*(_predictions(metrics, model, dataset, level, of, "dense") for of in (seed, other)))
            row = {"cell": cell, "networks": f"dense of seeds {seed} and {other}"}
            row |= {"same layers, mean CKA": f"{np.nanmean(apart):.3f}"}
            rows.append(row | {"same prediction %": NOTHING if agreement is None else f"{agreement * 100:.1f}"})
    return rows


def inside_table(metrics: Path, study: Study) -> pd.DataFrame:
    """Mean similarity of different layers inside each network: a row per network, a column per cell."""
    columns: dict[str, dict[str, str]] = {}
    for cell in cka_cells(study):
        if (known := read_json(metrics / "cka" / f"{cell}.json")) is not None:
            columns[cell] = {name: _interval(of) for name, of in known.get("off_diagonal", {}).items()}
    names = list(dict.fromkeys(name for column in columns.values() for name in column))
    rows = [{"network": name} | {cell: column.get(name, NOTHING) for cell, column in columns.items()} for name in names]
    return pd.DataFrame(rows)


def seeds_apart(metrics: Path, first: str, second: str) -> np.ndarray | None:
    """Same-layer CKA (L,) of the dense networks of two cells, from the centred kernels that each cell's stage kept.

    None where one is missing; PrunescopeError where they are not of the same layers and probe images.
    """
    paths = [metrics / "cka" / cell / "dense.npz" for cell in (first, second)]
    if not all(path.is_file() for path in paths):
        return None
    x, y = (dict(np.load(path, allow_pickle=False)) for path in paths)
    if {name: of.shape for name, of in x.items()} != {name: of.shape for name, of in y.items()}:
        raise PrunescopeError(f"{paths[0]} and {paths[1]} are of other layers or images; run stage cka again")
    sums = np.zeros((3, len(next(iter(x.values())))))
    for name, vectors in x.items():
        n = round((1 + np.sqrt(1 + 8 * vectors.shape[1])) / 2)  # images of the batch: it has n (n - 1) / 2 pairs
        a, b = vectors.astype(np.float64), y[name].astype(np.float64)
        sums += (n - 1) / (n - 3) * np.stack([(a * b).sum(1), (a * a).sum(1), (b * b).sum(1)])
    with np.errstate(invalid="ignore", divide="ignore"):
        return sums[0] / np.sqrt(sums[1] * sums[2])


def predictions_agree(first: Path, second: Path) -> float | None:
    """Fraction of test images for which two networks predict the same class; None where one did not run."""
    if not (first.is_file() and second.is_file()):
        return None
    a, b = (pd.read_csv(path, dtype=str, keep_default_na=False) for path in (first, second))
    if list(a["name"]) != list(b["name"]):
        raise PrunescopeError(f"{first} and {second} are of other images; run stage evaluate again")
    return float((a["predicted"] == b["predicted"]).mean())


def _predictions(metrics: Path, model: str, dataset: str, level: float, seed: int, name: str) -> Path:
    cell = dense_cell(model, dataset, seed) if name == "dense" else pruned_cell(model, dataset, level, seed)
    return metrics / "evaluate" / cell / f"{name}-predictions.csv"


def _interval(known: Any) -> str:
    if not isinstance(known, dict) or known.get("value") is None:
        return NOTHING
    return f"{known['value']:.3f} ({known['low']:.3f} to {known['high']:.3f})"
