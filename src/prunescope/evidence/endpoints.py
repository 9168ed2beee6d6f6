"""The primary endpoint of each data set, fixed beforehand in params (evaluate.primary): networks by seed, in points, and how
the draw of test images moves them."""

import math
from functools import lru_cache

import numpy as np

from prunescope.evidence.inference import Floats
from prunescope.resampling import resampled_sums
from prunescope.results.grid import Cell, unpruned
from prunescope.results.predictions import DRAWS, Predictions
from prunescope.results.results import Results
from prunescope.results.summary import runs

TITLES = {"accuracy": "accuracy", "balanced_accuracy": "balanced accuracy", "macro_f1": "macro F1", "auc": "AUC"}


def title(measure: str) -> str:
    return TITLES.get(measure, measure)


def titles(results: Results) -> str:
    """The primary endpoints in words: "accuracy (cifar100), AUC (ham10000)"; one alone without its data sets."""
    found: dict[str, list[str]] = {}
    for dataset in results.grid.datasets:
        found.setdefault(title(results.grid.primary_of(dataset)), []).append(dataset)
    return next(iter(found)) if len(found) == 1 else ", ".join(f"{name} ({', '.join(of)})" for name, of in found.items())


def by_seed(results: Results, cell: Cell, name: str, measure: str | None = None) -> dict[int, float]:
    """A measure, else the primary one, of a network of a cell by seed, in points (a hundredth); name: dense, a method, or
    student-<teacher>. Seeds that did not run, or have no such number, are left out."""
    arm, measure = runs(results.summary, cell, name), measure or results.grid.primary_of(cell.dataset)
    values = {int(seed): float(value) * 100 for seed, value in zip(arm["seed"], arm[measure], strict=True)}
    return {seed: value for seed, value in values.items() if not math.isnan(value)}


@lru_cache(maxsize=4096)
def draws(results: Results, cell: Cell, seed: int, name: str, measure: str) -> Floats | None:
    """Deviations (B,) of a network's measure, in points, over resamples of test images (lesions) that all networks share.

    Accuracy and balanced accuracy are counted from the predictions, AUC from their column `auc_share`. Any other measure, and AUC
    in files without it, moves with balanced accuracy here, as far as its own interval says. None where it is not known.
    """
    known = results.predictions(cell, seed, name)
    if known is None:
        return None
    if measure == "accuracy":
        right, images = known.resampled
        values = right.sum(1) / images.sum(1)
        return (values - values.mean()) * 100
    if measure == "auc" and known.shares is not None:
        return resampled_sums(known.shares[:, None], known.table["group"].to_numpy(), draws=DRAWS)[:, 0] * 100
    moved = _balanced(known)
    if measure == "balanced_accuracy":
        return moved
    record = results.record(f"evaluate/{cell.dense(seed) if unpruned(name) else cell.of(seed)}/{name}") or {}
    low, high = record.get(f"{measure}_low"), record.get(f"{measure}_high")
    if low is None or high is None or not moved.std():
        return None
    return moved / moved.std() * (high - low) / (2 * 1.96) * 100


def _balanced(known: Predictions) -> Floats:
    right, images = known.resampled
    with np.errstate(invalid="ignore"):
        values = np.nanmean(right / images, axis=1)
    return (values - values.mean()) * 100
