"""The study's numbers as tables: one row per arm (summary.csv), then the report's views of it.

In the summary everything is a fraction or an SI unit; the views hold text, with percent at one decimal.
"""

import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from prunescope.errors import PrunescopeError
from prunescope.files import write_text
from prunescope.results.arms import Arm, Study, arms_of, levels, read_json

KEYS = ("dataset", "model", "kind", "method", "sparsity", "seed")
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
TRAINING = ("steps", "epochs", "seconds", "images_per_second")
COUNTS = (
    *("parameters", "nonzero_parameters", "macs", "nonzero_macs", "size_dense_bytes", "size_packed_bytes"),
    *("size_packed_bf16_bytes", "test_images", "collapsed_layers", "steps"),
)
SIMILARITY = ("cka_to_dense",)  # mean CKA of each layer with the same layer of the dense control
HEADLINE = ("accuracy", "balanced_accuracy", "achieved_sparsity", "size_packed_bytes", "cka_to_dense")  # what dvc metrics shows
LATENCY = ("batch_1_ms", "batch_32_ms", "batch_1_to_dense", "batch_32_to_dense")  # medians of forward passes, see latency.py
COLUMNS = (*KEYS, *EVALUATE, *TRAINING, *SIMILARITY, *LATENCY)
NOT_RUN = "not run"
NOTHING = "–"


def summarise(metrics: Path, study: Study) -> pd.DataFrame:
    """Gather the study's arms into the rows of metrics/summary.csv: columns `COLUMNS`, one row per evaluated arm.

    Files of other cells are ignored, arms without a file of test metrics have no row, and a number that a stage did
    not write is NaN. The steps, epochs and seconds of a pruned arm are those of its prune and finetune stages together.
    """
    rows = []
    for arm in arms_of(study):
        tested = read_json(metrics / f"{arm.evaluate}.json")
        if tested is None:
            continue
        row: dict[str, Any] = {key: getattr(arm, key) for key in KEYS}
        row |= {key: tested.get(key) for key in EVALUATE} | _training(metrics, arm) | _similarity(metrics, arm)
        timed = read_json(metrics / f"{arm.evaluate}-latency.json") or {}
        row |= {key: timed.get(key) for key in LATENCY}
        rows.append(row)
    summary = pd.DataFrame(rows, columns=list(COLUMNS))
    for column in ("sparsity", *EVALUATE, *TRAINING, *SIMILARITY, *LATENCY):
        summary[column] = pd.to_numeric(summary[column]).astype("float64")
    return summary


def _training(metrics: Path, arm: Arm) -> dict[str, float | None]:
    """What the arm's training cost; nothing at all if one of its stages is missing, as half a sum would mislead."""
    stages = [read_json(metrics / f"{stage}.json") for stage in arm.training]
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
    total["images_per_second"] = sum(stage["steps"] for stage in trained) / time if time else None
    return total


def _similarity(metrics: Path, arm: Arm) -> dict[str, float | None]:
    """How alike the arm's layers are to the dense control's; none for the control itself and for students."""
    cell = arm.evaluate.split("/")[1]
    found = read_json(metrics / "cka" / f"{cell}.json") if arm.kind == "pruned" else None
    return {"cka_to_dense": (found or {}).get("diagonal", {}).get(f"dense--{arm.method}", {}).get("value")}


def save(summary: pd.DataFrame, path: Path) -> None:
    """Write the summary as CSV: counts without a decimal point, an empty cell where a number is missing."""
    counts = [column for column in COUNTS if (summary[column].dropna() % 1 == 0).all()]
    write_text(path, summary.astype(dict.fromkeys(counts, "Int64")).to_csv(index=False, lineterminator="\n"))


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


def runs(summary: pd.DataFrame, model: str, dataset: str, method: str, sparsity: float) -> pd.DataFrame:
    """The summary's rows (one per seed) of an arm; 0 is the level of the dense control and of its students."""
    same = (summary["model"] == model) & (summary["dataset"] == dataset) & (summary["method"] == method)
    return summary[same & _level(summary, sparsity)]


def _level(summary: pd.DataFrame, sparsity: float) -> pd.Series:
    return (summary["sparsity"] - sparsity).abs() < 1e-9


def percent(values: pd.Series) -> str:
    """Mean ± sample standard deviation in percent, one decimal; without ± for a single value; – for none."""
    return spread(values * 100, ".1f")


def spread(values: pd.Series, form: str = ".1f") -> str:
    """Mean ± sample standard deviation; without ± for a single value; – for none."""
    error = f" ± {values.std(ddof=1):{form}}" if values.count() > 1 else ""
    return mean(values, form) + error


def mean(values: pd.Series, form: str = ",.0f", unit: str = "") -> str:
    """The mean alone, by default of a count with thousands separated; – for none."""
    values = values.dropna()
    return NOTHING if values.empty else f"{values.mean():{form}}{unit}"


def counts(values: Sequence[int]) -> str:
    """How many runs the cells of a row have: 3, or 1–3 where they differ; 0 for none."""
    low, high = min(values, default=0), max(values, default=0)
    return str(low) if low == high else f"{low}–{high}"


def millions(values: pd.Series, form: str = ",.3f") -> str:
    return mean(values / 1e6, form)


def controls(study: Study) -> list[tuple[str, float]]:
    return [("dense", 0.0), *((method, level) for level in levels(study) for method in study.methods)]


def view(study: Study, models: Sequence[str], arms: Sequence[tuple[str, float]], cells: Any) -> pd.DataFrame:
    """One row of text per model, data set and arm, made by `cells(model, dataset, method, sparsity)`."""
    rows = []
    for model in models:
        for dataset in study.datasets:
            for method, level in arms:
                where = {"model": model, "data": dataset, "sparsity %": f"{level * 100:.1f}", "method": method}
                rows.append(where | cells(model, dataset, method, level))
    return pd.DataFrame(rows)
