"""What networks predicted on the test split, image by image: the files that evaluate writes, and what two of them share."""

from functools import lru_cache
from pathlib import Path

import numpy as np
import pandas as pd

from prunescope.errors import PrunescopeError
from prunescope.report.arms import dense_cell, pruned_cell, unpruned
from prunescope.resampling import Floats

COLUMNS = ["name", "group", "actual", "predicted"]


def read(metrics: Path, model: str, dataset: str, level: float, seed: int, name: str) -> pd.DataFrame | None:
    """`COLUMNS` of a network of a cell, one row per test image; None where it was not evaluated.

    name: dense, a method, or student-<teacher>. The dense control and its students belong to no level.
    """
    cell = dense_cell(model, dataset, seed) if unpruned(name) else pruned_cell(model, dataset, level, seed)
    path = metrics / "evaluate" / cell / f"{name}-predictions.csv"
    return _read(path, path.stat().st_mtime_ns) if path.is_file() else None


@lru_cache(maxsize=64)
def _read(path: Path, _changed: int) -> pd.DataFrame:
    found = pd.read_csv(path, dtype=str, keep_default_na=False)
    missing = set(COLUMNS) - set(found.columns)
    if missing:
        raise PrunescopeError(f"{path}: found no column {', '.join(sorted(missing))}; run its stage again (dvc repro)")
    found.attrs["path"] = str(path)
    return found


def same_images(first: pd.DataFrame, second: pd.DataFrame) -> None:
    """Raises PrunescopeError where two files are of other images, or of the same in another order."""
    if not first[["name", "actual"]].equals(second[["name", "actual"]]):
        raise PrunescopeError(
            f"found other test images in {first.attrs.get('path')} than in {second.attrs.get('path')}; "
            "wanted the same in all: run dvc repro"
        )


def right(found: pd.DataFrame) -> Floats:
    """(N,) 1 for an image that was classified rightly, else 0."""
    return np.asarray(found["actual"] == found["predicted"], dtype=float)


def agreement(first: pd.DataFrame | None, second: pd.DataFrame | None) -> float | None:
    """Fraction of test images for which two networks predict the same class; None where one did not run."""
    if first is None or second is None:
        return None
    same_images(first, second)
    return float((first["predicted"] == second["predicted"]).mean())
