"""How the report's figures look, and how they become PNG bytes.

Figures are at most 9.6 inches wide (960 px at 100 dpi), light, and give each method one colour of the Okabe-Ito
palette, which colour-blind readers can tell apart.
"""

import io
import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

DENSE = "#595959"
COLOURS = {"oneshot": "#0072B2", "layerwise": "#D55E00", "iterative": "#009E73"}
OTHERS = ("#CC79A7", "#E69F00", "#56B4E9", "#8C6D31", "#6A3D9A")
SPARE = "#8a929b"  # lines and marks that are no method; seen on light and on dark
STYLE: Any = {
    "font.family": "DejaVu Sans",
    "font.size": 10,
    "axes.titlesize": 11,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "text.parse_math": False,  # a name with a dollar sign is a name
}


@contextmanager
def house_style() -> Iterator[None]:
    """The report's look, whatever the user's own matplotlibrc says."""
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(STYLE)
        yield


def png(figure: Figure, palette: Image.Image | None = None, dpi: int = 120) -> bytes:
    """The figure as PNG of 256 colours, which keeps the page small: those of `palette`, else the most frequent.

    There is no version or time inside: the same numbers give the same bytes.
    """
    figure.set_dpi(dpi)
    canvas = FigureCanvasAgg(figure)
    with house_style():
        canvas.draw()
    image = Image.fromarray(np.asarray(canvas.buffer_rgba())[..., :3])
    data = io.BytesIO()
    image.quantize(256, palette=palette, dither=Image.Dither.NONE).save(data, format="PNG", optimize=True)
    return data.getvalue()


def colours(methods: Sequence[str]) -> dict[str, str]:
    """One colour per method, the same in every figure; dense is grey."""
    others = iter(OTHERS * len(methods))
    return {"dense": DENSE} | {method: COLOURS.get(method) or next(others) for method in methods}


def label(network: str) -> str:
    """What legends call a network."""
    return "dense control" if network == "dense" else network


def panels(count: int, columns: int, width: float, height: float, *, sharey: bool = False) -> tuple[Figure, list[Axes]]:
    """A figure with `count` axes in rows of at most `columns`; width and height of each in inches."""
    columns = min(columns, count)
    rows = math.ceil(count / columns)
    figure = Figure(figsize=(min(9.6, width * columns), height * rows + 0.6), layout="constrained")
    grid = figure.subplots(rows, columns, squeeze=False, sharey=sharey)
    axes = list(grid.flat)
    for spare in axes[count:]:
        spare.set_axis_off()
    return figure, axes[:count]
