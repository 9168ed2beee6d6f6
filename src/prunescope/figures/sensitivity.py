"""Heat map of layer sensitivity: what each layer's pruning costs, layers from input to output, a line for each level."""

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.colors import Colormap, PowerNorm
from matplotlib.figure import Figure

from prunescope.figures.heatmaps import LEVELS, MISSING, labels
from prunescope.figures.look import house_style

WRITTEN = 30  # layers up to which each cell has its number
TICKS = (0, 1, 2, 5, 10, 20, 50, 100)  # points
LEAST = 2.0  # points at the dark end at least, so that noise does not look like a loss


def layer_map(lost: pd.DataFrame, title: str, note: str) -> Figure:
    """lost: points of accuracy, layers in network order (rows) by level, a fraction (columns); a gain has the colour of no loss.

    The scale is that of square roots: one layer that loses all must not hide ten that lose some points.
    """
    values = lost.to_numpy(dtype=float).T[::-1]  # the highest level on top
    names = [str(name) for name in lost.index]
    with house_style():
        figure = Figure(figsize=(9.6, 1.9 + 0.36 * len(values)), layout="constrained")
        figure.suptitle(f"{title}\n{note}", fontsize=10)
        axis = figure.subplots()
        darkest = max(float(np.nanmax(values)), LEAST)
        norm = PowerNorm(0.5, vmin=0, vmax=darkest, clip=True)
        image = axis.imshow(values, norm=norm, cmap=_scale(), aspect="auto", interpolation="nearest")
        axis.set_yticks(range(len(values)), [f"{level * 100:g} %" for level in lost.columns[::-1]], fontsize=8)
        axis.set_ylabel("removed of\nthe one layer", fontsize=8)
        axis.set_xticks(*labels(names), fontsize=7, rotation=90)
        axis.tick_params(length=2, pad=1)
        axis.spines[:].set_visible(False)
        if len(names) <= WRITTEN:
            for (line, layer), value in np.ndenumerate(values):
                dark = norm(value) > 0.5
                axis.text(layer, line, f"{value:.1f}", ha="center", va="center", fontsize=7, color="white" if dark else "black")
        bar = figure.colorbar(image, ax=axis, aspect=12, pad=0.01)
        ticks = [tick for tick in TICKS if tick <= darkest]
        bar.set_ticks(ticks, labels=[str(tick) for tick in ticks])
        bar.ax.minorticks_off()
        bar.ax.tick_params(labelsize=7)
        bar.set_label("accuracy lost,\npoints", fontsize=8)
    return figure


def _scale() -> Colormap:
    return matplotlib.colormaps["viridis_r"].resampled(LEVELS).with_extremes(bad=MISSING)
