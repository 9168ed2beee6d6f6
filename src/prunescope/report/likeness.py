"""How alike networks are: layer similarity with its yardsticks, and beside it what they predict and which weights they share."""

from itertools import combinations, product
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from prunescope.errors import PrunescopeError
from prunescope.report.arms import Study, levels, pruned_cell, read_json
from prunescope.report.facts import cka_cells
from prunescope.report.predictions import agreement, read
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
        same = agreement(*(read(metrics, model, dataset, level, seed, of) for of in (a, b)))
        row |= {"same prediction %": NOTHING if same is None else f"{same * 100:.1f}"}
        overlap = known.get("mask_overlap", {}).get(f"{a}--{b}")
        if isinstance(overlap, dict) and overlap.get("jaccard") is not None:
            row |= {"kept weights shared (by chance)": f"{overlap['jaccard']:.3f} ({overlap['chance']:.3f})"}
        rows.append(row)
    untrained = _interval(diagonal.get("dense--untrained"))
    rows.append({"cell": cell, "networks": "dense and untrained", "same layers, mean CKA": untrained})
    for other in study.seeds:
        if other != seed and (apart := seeds_apart(metrics, cell, pruned_cell(model, dataset, level, other))) is not None:
            same = agreement(*(read(metrics, model, dataset, level, of, "dense") for of in (seed, other)))
            row = {"cell": cell, "networks": f"dense of seeds {seed} and {other}"}
            row |= {"same layers, mean CKA": f"{np.nanmean(apart):.3f}"}
            rows.append(row | {"same prediction %": NOTHING if same is None else f"{same * 100:.1f}"})
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


def _interval(known: Any) -> str:
    if not isinstance(known, dict) or known.get("value") is None:
        return NOTHING
    return f"{known['value']:.3f} ({known['low']:.3f} to {known['high']:.3f})"
