"""Heat maps of layer similarity (CKA), all on one fixed colour scale from 0 to 1."""

import math
from collections.abc import Sequence
from itertools import combinations

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import Colormap
from matplotlib.figure import Figure
from PIL import Image

from prunescope.figures.look import house_style
from prunescope.figures.names import known
from prunescope.results.grid import Cell
from prunescope.results.results import Results

MISSING = "#b3b3b3"
LEVELS = 222  # colours of the scale; with the greys of text and paper they fit into one palette of 256
MANY = 4  # methods: with more, not every pair of networks has its map in the picture
NEAR = 3  # of them, those whose pairs with each other still have
WIDTH, COLUMNS = 9.6, 4  # inches of the whole picture, and panels side by side
TICKS = 20  # more labels than this are thinned out
SHORT = (("denseblock", "b"), (".layer", ".l"), ("transition", "t"))


def pairs(methods: Sequence[str], view: str) -> list[tuple[str, str]]:
    """The maps of a view (inside, between or students), or of all three. Of many methods, whose pairs would make a picture of
    ten thousand pixels: the dense network with each, and the first three with each other."""
    networks, near = ("dense", *methods), {*methods[: NEAR if len(methods) > MANY else None]}
    found = {
        "inside": [(name, name) for name in networks],
        "between": [pair for pair in combinations(networks, 2) if pair[0] == "dense" or near.issuperset(pair)],
        "students": [(f"student-{method}", method) for method in methods],
    }
    return found[view] if view else [pair for of in found.values() for pair in of]


def inside(results: Results, cell: Cell, seed: int, title: str, note: str) -> Figure | None:
    """Each network's layers against its own layers."""
    found = [(name, results.similarity_map(cell, seed, name, name)) for name, _ in pairs(results.grid.methods, "inside")]
    return heatmaps([(name, matrix) for name, matrix in found if matrix is not None], title, note)


def between(results: Results, cell: Cell, seed: int, title: str, note: str) -> Figure | None:
    """The layers of each network against those of others (`pairs`)."""
    return _of_pairs(results, cell, seed, pairs(results.grid.methods, "between"), title, note)


def students(results: Results, cell: Cell, seed: int, title: str, note: str) -> Figure | None:
    """The layers of each student (rows) against those of its pruned teacher (columns)."""
    return _of_pairs(results, cell, seed, pairs(results.grid.methods, "students"), title, note)


def _of_pairs(results: Results, cell: Cell, seed: int, wanted: Sequence[tuple[str, str]], title: str, note: str) -> Figure | None:
    found = [(f"{a} (rows)\n{b} (columns)", results.similarity_map(cell, seed, a, b)) for a, b in wanted]
    return heatmaps([(name, matrix) for name, matrix in found if matrix is not None], title, note)


def heatmaps(matrices: Sequence[tuple[str, pd.DataFrame]], title: str, note: str) -> Figure | None:
    """One panel per (name, matrix), two figure lines above them: `title` and `note`; None without matrices.

    Layers that all panels share are named at the left of a line and below the last one of a column.
    """
    if not matrices:
        return None
    lines = math.ceil(len(matrices) / COLUMNS)
    columns = math.ceil(len(matrices) / lines)
    tall = max(matrix.shape[0] / max(matrix.shape[1], 1) for _, matrix in matrices)
    rows_shared, columns_shared = (len({tuple(names(matrix)) for _, matrix in matrices}) == 1 for names in (_rows, _columns))
    side = (WIDTH - 1) / COLUMNS
    height = lines * (side * min(max(tall, 0.2), 2) + (0.45 if columns_shared else 1.1)) + (1.7 if columns_shared else 1)
    height += 0.7 if columns_shared and len(matrices) % columns else 0  # names in two lines
    with house_style():
        figure = Figure(figsize=(max(side * columns + 1, 7), height), layout="constrained")
        figure.suptitle(f"{title}\n{note}", fontsize=10)
        grid = figure.subplots(lines, columns, squeeze=False)
        for axis in list(grid.flat)[len(matrices) :]:
            axis.set_axis_off()
        image = None
        for place, (axis, (name, matrix)) in enumerate(zip(grid.flat, matrices, strict=False)):
            # The colour scale alone is clipped: debiased values may lie slightly below 0.
            image = axis.imshow(matrix.to_numpy(), vmin=0, vmax=1, cmap=_scale(), aspect="equal", interpolation="nearest")
            axis.set_title(name, fontsize=8.5)
            first, last = place % columns == 0, place + columns >= len(matrices)  # nothing stands below
            _ticks(axis, matrix, rows=first or not rows_shared, columns=last or not columns_shared)
        bar = figure.colorbar(image, ax=grid, location="bottom", shrink=0.5, aspect=40) if image is not None else None
        if bar is not None:
            bar.set_label("CKA" + (" (grey: undefined)" if any(m.isna().any(axis=None) for _, m in matrices) else ""))
    return figure


def _rows(matrix: pd.DataFrame) -> list[str]:
    return known([str(name) for name in matrix.index])


def _columns(matrix: pd.DataFrame) -> list[str]:
    return known([str(name) for name in matrix.columns])


def _scale() -> Colormap:
    return matplotlib.colormaps["viridis"].resampled(LEVELS).with_extremes(bad=MISSING)


def palette() -> Image.Image:
    """The colours of a heat map, its scale and greys: in the PNG a value shifts by a neighbouring shade at most."""
    colours = (_scale()(np.arange(LEVELS))[:, :3] * 255).round().astype(np.uint8)
    greys = np.repeat(np.linspace(0, 255, 256 - LEVELS).round().astype(np.uint8)[:, None], 3, axis=1)
    image = Image.new("P", (1, 1))
    image.putpalette(np.concatenate([colours, greys]).tobytes())
    return image


def _ticks(axis: Axes, matrix: pd.DataFrame, *, rows: bool, columns: bool) -> None:
    """The layers' names; of rows and columns that are not to be named nothing."""
    for wanted, place, names in ((rows, axis.set_yticks, _rows(matrix)), (columns, axis.set_xticks, _columns(matrix))):
        place(*(labels(names) if wanted else ([], [])), fontsize=6)
    axis.tick_params(axis="x", rotation=90)
    axis.tick_params(length=2, pad=1)
    axis.spines[:].set_visible(False)


def labels(names: Sequence[str]) -> tuple[list[int], list[str]]:
    """Places and texts of the tick labels: every k-th name so that at most `TICKS` remain, long names shortened."""
    step = math.ceil(len(names) / TICKS)
    long = max((len(name) for name in names), default=0) > 16
    places = list(range(0, len(names), step))
    return places, [shorten(names[place]) if long else names[place] for place in places]


def shorten(name: str) -> str:
    """A layer's name in few letters: denseblock3.layer12.conv2 becomes b3.l12.conv2."""
    for old, new in SHORT:
        name = name.replace(old, new)
    return name
