"""Validation accuracy over the steps of the shared budget, of every arm: what `dvc plots` draws in one plot."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pandas as pd

from prunescope.files import write_text
from prunescope.results.grid import Cell, Grid, cells_of

COLUMNS = ("cell", "method", "seed", "step", "accuracy")
Histories = Callable[[str], pd.DataFrame | None]


def joined(grid: Grid, cell: Cell, history: Histories) -> Iterator[tuple[str, int, pd.DataFrame]]:
    """(method, seed, validation rows) of every run; a pruned arm's prune and finetune rows joined in the order they ran."""
    for seed in grid.seeds:
        stages = {"dense": [f"finetune/{cell.dense(seed)}/dense"]}
        stages |= {method: [f"{stage}/{cell.of(seed)}/{method}" for stage in ("prune", "finetune")] for method in grid.methods}
        for method, names in stages.items():
            rows = [found for name in names if (found := history(name)) is not None and len(found)]
            if rows:
                yield method, seed, pd.concat(rows, ignore_index=True)


def table(grid: Grid, curves: Callable[[Cell], list[tuple[str, int, pd.DataFrame]]]) -> pd.DataFrame:
    """`COLUMNS` of the whole study, a row per measurement; cells are named by model, data set and sparsity."""
    parts = []
    for cell in cells_of(grid):
        arms = curves(cell)
        if all(method == "dense" for method, *_ in arms):
            continue  # the control belongs to the cells that ran
        for method, seed, rows in arms:
            arm = {"cell": f"{cell.network}, {cell.sparsity * 100:g} %", "method": method, "seed": seed}
            rows = rows[rows["event"] != "reestimated"]  # a second measurement of the same network
            parts.append(rows[["step", "accuracy"]].assign(**arm)[list(COLUMNS)])
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=list(COLUMNS))


def save(found: pd.DataFrame, path: Path) -> None:
    """Write the table as CSV."""
    write_text(path, found.to_csv(index=False, lineterminator="\n"))
