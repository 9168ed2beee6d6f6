"""The study's numbers as one table, a row per arm (metrics/summary.csv); everything is a fraction or an SI unit."""

import io
import math
import statistics
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd

from prunescope.errors import PrunescopeError
from prunescope.files import write_text
from prunescope.results.grid import CHANNELS, Arm, Cell, Grid, arms_of, unpruned

TEXTS = ("dataset", "model", "kind", "method")
KEYS = ("dataset", "model", "kind", "method", "sparsity", "seed")
RATES = "rate_share_after_pruning"  # of the budget's summed learning rate, what came after the last pruning
EVALUATE = (
    *("accuracy", "balanced_accuracy", "macro_f1", "top5_accuracy", "auc", "nll", "brier", "ece"),
    *(
        "accuracy_after_pruning",
        "accuracy_after_reestimation",
        "target_sparsity",
        "achieved_sparsity",
        "parameters",
        "nonzero_parameters",
    ),
    *("compression_ratio", "macs", "nonzero_macs", "size_dense_bytes", "size_packed_bytes", "test_images"),
    *("size_packed_bf16_bytes", "collapsed_layers"),
)
TRAINING = ("steps", "epochs", "seconds", "images_per_second", RATES)
COUNTS = (
    *("parameters", "nonzero_parameters", "macs", "nonzero_macs", "size_dense_bytes", "size_packed_bytes"),
    *("size_packed_bf16_bytes", "test_images", "collapsed_layers", "steps"),
)
SIMILARITY = ("cka_to_dense",)  # mean CKA of each layer with the same layer of the dense control
HEADLINE = ("accuracy", "balanced_accuracy", "achieved_sparsity", "size_packed_bytes", "cka_to_dense")  # what dvc metrics shows
LATENCY = ("batch_1_ms", "batch_32_ms", "batch_1_to_dense", "batch_32_to_dense")  # medians of forward passes, see latency.py
COLUMNS = (*KEYS, *EVALUATE, *TRAINING, *SIMILARITY, *LATENCY)
Records = Callable[[str], dict[str, Any] | None]  # a stage's name without suffix -> its metrics; None where it did not run


def summarise(grid: Grid, record: Records) -> pd.DataFrame:
    """Gather the study's arms into the rows of metrics/summary.csv: columns `COLUMNS`, one row per evaluated arm.

    Files of other cells are ignored, arms without a file of test metrics have no row, and a number that a stage did
    not write is NaN. The steps, epochs and seconds of a pruned arm are those of its prune and finetune stages together.
    """
    rows = []
    for arm in arms_of(grid):
        tested = record(arm.evaluate)
        if tested is None:
            continue
        row: dict[str, Any] = {key: getattr(arm, key) for key in KEYS}
        row |= {key: tested.get(key) for key in EVALUATE} | _training(record, arm) | _similarity(record, arm)
        timed = record(f"{arm.evaluate}-latency") or {}
        row |= {key: timed.get(key) for key in LATENCY}
        rows.append(row)
    summary = pd.DataFrame(rows, columns=list(COLUMNS))
    for column in ("sparsity", *EVALUATE, *TRAINING, *SIMILARITY, *LATENCY):
        summary[column] = pd.to_numeric(summary[column]).astype("float64")
    return summary


def _training(record: Records, arm: Arm) -> dict[str, float | None]:
    """What the arm's training cost; nothing at all if one of its stages is missing, as half a sum would mislead."""
    stages = [record(stage) for stage in arm.training]
    if any(stage is None for stage in stages):
        return dict.fromkeys(TRAINING)
    known = [stage for stage in stages if stage is not None]
    try:
        total: dict[str, float | None] = {key: sum(stage[key] for stage in known) for key in TRAINING[:3]}
    except KeyError as error:
        raise PrunescopeError(f"{' or '.join(arm.training)}: found no {error}, wanted it; run that stage again") from error
    trained = [stage for stage in known if stage["steps"] and stage.get("images_per_second")]
    # The stages of an arm share a batch size, so their speeds join as a harmonic mean weighted by steps.
    time = sum(stage["steps"] / stage["images_per_second"] for stage in trained)
    rates = [stage.get("learning_rate_sum", math.nan) for stage in known]
    total[RATES] = rates[-1] / sum(rates) if arm.kind in ("pruned", CHANNELS) and sum(rates) else None
    total["images_per_second"] = sum(stage["steps"] for stage in trained) / time if time else None
    return total


def _similarity(record: Records, arm: Arm) -> dict[str, float | None]:
    """How alike the arm's layers are to the dense control's; none for the control itself and for students."""
    cell = arm.evaluate.split("/")[1]
    found = record(f"cka/{cell}") if arm.kind == "pruned" else None
    return {"cka_to_dense": (found or {}).get("diagonal", {}).get(f"dense--{arm.method}", {}).get("value")}


def save(summary: pd.DataFrame, path: Path) -> None:
    """Write the summary as CSV: counts without a decimal point, an empty cell where a number is missing."""
    counts = [column for column in COUNTS if (summary[column].dropna() % 1 == 0).all()]
    write_text(path, summary.astype(dict.fromkeys(counts, "Int64")).to_csv(index=False, lineterminator="\n"))


def read_summary(text: str, source: str) -> pd.DataFrame:
    """The table from the text of a summary.csv; PrunescopeError names `source` for anything else."""
    try:
        summary = pd.read_csv(io.StringIO(text), keep_default_na=False, na_values=[""], dtype=dict.fromkeys(TEXTS, str))
    except ValueError as error:
        raise PrunescopeError(f"{source} cannot be read: {error}; run dvc repro there") from error
    if missing := [column for column in (*KEYS, "accuracy", "balanced_accuracy", "nll") if column not in summary.columns]:
        raise PrunescopeError(f"{source} has no column {', '.join(missing)}; run dvc repro there")
    return summary


def selected(summary: pd.DataFrame, method: str, sparsity: float) -> dict[str, dict[str, dict[str, float | None]]]:
    """The method's `HEADLINE` as model -> data set -> metric, means over seeds; the same keys for every method.

    There is no key `sparsity` (it would clash with the parameter in `dvc exp show`); `seeds` counts the runs.
    """
    result: dict[str, dict[str, dict[str, float | None]]] = {}
    arms = summary[(summary["kind"] != "student") & (summary["method"] == method) & _level(summary, sparsity)]
    for (model, dataset), rows in arms.groupby(["model", "dataset"], sort=False):
        known = {key: rows[key].dropna() for key in HEADLINE}
        # This mean is exact: that of three times 0.8 is 0.8, where summing floats gives 0.8000000000000002.
        cell: dict[str, float | None] = {key: float(statistics.mean(runs)) if len(runs) else None for key, runs in known.items()}
        result.setdefault(str(model), {})[str(dataset)] = cell | {"seeds": len(rows)}
    return result


def runs(summary: pd.DataFrame, cell: Cell, name: str) -> pd.DataFrame:
    """The rows (one per seed) of a network of a cell: dense, a method, or student-<teacher>."""
    level = 0.0 if unpruned(name) else cell.sparsity
    same = (summary["model"] == cell.model) & (summary["dataset"] == cell.dataset) & (summary["method"] == name)
    return summary[same & _level(summary, level)]


def _level(summary: pd.DataFrame, sparsity: float) -> pd.Series:
    return (summary["sparsity"] - sparsity).abs() < 1e-9
