"""Confusion matrices of the dense control and the methods, as shares of each true class."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from prunescope.figures.look import house_style, label
from prunescope.results.grid import Cell
from prunescope.results.predictions import Predictions
from prunescope.results.results import Results

MOST = 20  # classes: more names cannot be read
NUMBERS = 10  # classes: up to here every cell has its number


def shares(found: list[Predictions], classes: list[str]) -> np.ndarray:
    """(K, K + 1) mean over runs of the share of each true class (rows) taken for each class; last: undecided (ties)."""
    names = [*classes, "undecided"]
    tables = [pd.crosstab(of.table["actual"], of.table["predicted"]) for of in found]
    counts = [table.reindex(index=classes, columns=names, fill_value=0).to_numpy() for table in tables]
    return np.mean([count / count.sum(1, keepdims=True) for count in counts], axis=0)


def matrices(results: Results, cell: Cell) -> Figure | None:
    """A panel per network that ran; None where no method did or the classes are more than `MOST`."""
    panels = {}
    for name in ("dense", *results.grid.methods):
        runs = [results.predictions(cell, seed, name) for seed in results.grid.seeds]
        if known := [run for run in runs if run is not None]:
            panels[name] = known
    classes = sorted({one for runs in panels.values() for run in runs for one in run.classes})
    if not set(panels) - {"dense"} or len(classes) > MOST:
        return None
    columns, lines = min(2, len(panels)), -(-len(panels) // 2)
    with house_style():
        figure = Figure(figsize=(4.8 * columns, 4.6 * lines + 0.4), layout="constrained")
        figure.suptitle(
            f"{cell.model} on {cell.dataset}, {cell.sparsity * 100:g} % sparse: share of each true class, %", fontsize=11
        )
        grid = figure.subplots(lines, columns, squeeze=False)
        for spare in list(grid.flat)[len(panels) :]:
            spare.set_axis_off()
        for axis, (name, runs) in zip(grid.flat, panels.items(), strict=False):
            table = shares(runs, classes)[:, : len(classes)]
            axis.imshow(table, vmin=0, vmax=1, cmap="Blues", aspect="equal", interpolation="nearest")
            axis.set_title(f"{label(name)}, n = {len(runs)}")
            axis.set_xticks(range(len(classes)), classes, rotation=90, fontsize=8)
            axis.set_yticks(range(len(classes)), classes, fontsize=8)
            axis.set_xlabel("predicted")
            axis.set_ylabel("true")
            axis.spines[:].set_visible(False)
            for (row, column), share in np.ndenumerate(table) if len(classes) <= NUMBERS else ():
                if share >= 0.005:
                    colour = "white" if share > 0.5 else "black"
                    axis.text(column, row, f"{share * 100:.0f}", ha="center", va="center", fontsize=7, color=colour)
    return figure
