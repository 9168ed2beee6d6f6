"""Tables in colour: layer sensitivity, and confusion matrices."""

import altair as alt
import numpy as np
import pandas as pd

from prunescope.figures.drawing import Drawing, Panel, layered
from prunescope.figures.look import label
from prunescope.figures.names import known
from prunescope.results.grid import Cell
from prunescope.results.predictions import Predictions
from prunescope.results.results import Results

MOST = 20  # classes: more names cannot be read
NUMBERS = 10  # classes: up to here every cell has its number
WRITTEN = 20  # layers up to which each has its number
LEAST = 2.0  # points at the dark end at least, so that noise does not look like a loss


def layer_map(lost: pd.DataFrame, title: str) -> Drawing:
    """lost: points of accuracy, layers in network order (rows) by level, a fraction (columns); a gain has the colour of no loss.

    The scale is that of square roots: one layer that loses all must not hide ten that lose some points.
    """
    layers = known([str(name) for name in lost.index])
    levels = [f"{level * 100:g} %" for level in lost.columns]
    rows = [
        {"layer": layers[row], "level": levels[column], "lost": round(float(value), 3)}
        for (row, column), value in np.ndenumerate(lost.to_numpy(dtype=float))
        if not np.isnan(value)
    ]
    darkest = max([LEAST, *(row["lost"] for row in rows)])
    scale = alt.Scale(type="sqrt", domain=[0, darkest], scheme="viridis", reverse=True, clamp=True)
    places = alt.X("layer:N", sort=layers, title="layer, from input to output", axis=alt.Axis(labelAngle=-60, labelOverlap=True))
    lines = alt.Y("level:N", sort=levels[::-1], title="removed of the layer")
    whole = alt.Chart(pd.DataFrame(rows))
    shade = alt.Color("lost:Q", scale=scale, legend=alt.Legend(title="accuracy lost, points", gradientLength=160))
    cells = whole.mark_rect().encode(
        x=places, y=lines, color=shade, tooltip=["layer", "level", alt.Tooltip("lost:Q", format=".1f")]
    )
    numbers = None
    if len(layers) <= WRITTEN:
        dark = alt.when(alt.datum.lost > darkest * 0.25).then(alt.value("white")).otherwise(alt.value("black"))
        numbers = whole.mark_text(fontSize=10).encode(x=places, y=lines, text=alt.Text("lost:Q", format=".1f"), color=dark)
    return Drawing([Panel(title, layered([cells, numbers]), 40 * len(levels) + 120)], columns=1)


def shares(found: list[Predictions], classes: list[str]) -> np.ndarray:
    """(K, K + 1) mean over runs of the share of each true class (rows) taken for each class; last: undecided (ties)."""
    names = [*classes, "undecided"]
    tables = [pd.crosstab(of.table["actual"], of.table["predicted"]) for of in found]
    counts = [table.reindex(index=classes, columns=names, fill_value=0).to_numpy() for table in tables]
    return np.mean([count / count.sum(1, keepdims=True) for count in counts], axis=0)


def confusion(results: Results, cell: Cell) -> Drawing | None:
    """A panel per network that ran; None where no method did or the classes are more than `MOST`."""
    found: dict[str, list[Predictions]] = {}
    for name in ("dense", *results.grid.methods):
        runs = [results.predictions(cell, seed, name) for seed in results.grid.seeds]
        if known_runs := [run for run in runs if run is not None]:
            found[name] = known_runs
    classes = sorted({one for runs in found.values() for run in runs for one in run.classes})
    if not set(found) - {"dense"} or len(classes) > MOST:
        return None
    return Drawing([_matrix(f"{label(name)}, n = {len(runs)}", shares(runs, classes), classes) for name, runs in found.items()])


def _matrix(title: str, table: np.ndarray, classes: list[str]) -> Panel:
    pairs = [(row, column) for row in range(len(classes)) for column in range(len(classes))]
    rows = [
        {"true": classes[row], "predicted": classes[column], "share": round(float(table[row, column]) * 100, 1)}
        for row, column in pairs
    ]
    axes = {"x": alt.X("predicted:N", sort=classes, axis=alt.Axis(labelAngle=-60)), "y": alt.Y("true:N", sort=classes)}
    whole = alt.Chart(pd.DataFrame(rows))
    shade = alt.Color("share:Q", scale=alt.Scale(domain=[0, 100], scheme="blues"), legend=None)
    cells = whole.mark_rect().encode(**axes, color=shade, tooltip=["true", "predicted", alt.Tooltip("share:Q", title="share %")])
    numbers = None
    if len(classes) <= NUMBERS:
        dark = alt.when(alt.datum.share > 50).then(alt.value("white")).otherwise(alt.value("#333333"))
        numbers = (
            whole.transform_filter(alt.datum.share >= 0.5)
            .mark_text(fontSize=10)
            .encode(**axes, text=alt.Text("share:Q", format=".0f"), color=dark)
        )
    return Panel(title, layered([cells, numbers]), 300)
