"""Validation accuracy over the steps of the shared budget, of every arm: what `dvc plots` draws in one plot."""

from pathlib import Path

import pandas as pd

from prunescope.files import write_text
from prunescope.results.arms import Study, cells_of, dense_cell, pruned_cell, read_history

COLUMNS = ("cell", "method", "seed", "step", "accuracy")


def arm_curves(metrics: Path, study: Study, model: str, dataset: str, level: float) -> list[tuple[str, int, pd.DataFrame]]:
    """(method, seed, validation rows) of every run; a pruned arm's prune and finetune rows joined in the order they ran."""
    curves = []
    for seed in study.seeds:
        parts = {"dense": [f"finetune/{dense_cell(model, dataset, seed)}/dense.csv"]}
        cell = pruned_cell(model, dataset, level, seed)
        parts |= {method: [f"{stage}/{cell}/{method}.csv" for stage in ("prune", "finetune")] for method in study.methods}
        for method, paths in parts.items():
            rows = [history for path in paths if (history := read_history(metrics / path)) is not None and len(history)]
            if rows:
                curves.append((method, seed, pd.concat(rows, ignore_index=True)))
    return curves


def table(metrics: Path, study: Study) -> pd.DataFrame:
    """`COLUMNS` of the whole study, a row per measurement; cells are named by model, data set and sparsity."""
    parts = []
    for model, dataset, level in cells_of(study):
        arms = arm_curves(metrics, study, model, dataset, level)
        if all(method == "dense" for method, *_ in arms):
            continue  # the control belongs to the cells that ran
        for method, seed, rows in arms:
            arm = {"cell": f"{model} on {dataset}, {level * 100:g} %", "method": method, "seed": seed}
            parts.append(rows[["step", "accuracy"]].assign(**arm)[list(COLUMNS)])
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=list(COLUMNS))


def save(metrics: Path, study: Study, path: Path) -> None:
    """Write the table as CSV."""
    write_text(path, table(metrics, study).to_csv(index=False, lineterminator="\n"))
