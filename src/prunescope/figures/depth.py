"""Curves of same-layer similarity by depth, with the yardsticks: another seed's dense network, and an untrained one."""

from itertools import combinations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from prunescope.figures.heatmaps import labels
from prunescope.figures.look import DENSE, OTHERS, colours, house_style
from prunescope.results.grid import Cell
from prunescope.results.results import Results

MANY, WINDOW = 40, 8  # layers above which the line is a running mean, and over how many: two kinds of layers take turns
YARDSTICKS = {"untrained": ("#8C6D31", ":"), "another seed": ("#333333", "--")}


def by_depth(results: Results, cell: Cell, seed: int, note: str) -> Figure | None:
    """Left dense with each method, right the methods with each other; None where cka did not run."""
    rows, methods = results.similarity_by_depth(cell, seed), results.grid.methods
    if rows is None:
        return None
    curves = dict(tuple(rows.groupby("pair", sort=False)))
    layers = list(next(iter(curves.values()))["layer"])
    how = "bands: 95 % over images" if len(layers) <= MANY else f"lines: running mean of {WINDOW} layers"
    with house_style():
        figure = Figure(figsize=(9.6, 4.6), layout="constrained")
        figure.suptitle(f"{cell.of(seed)}: similarity of the same layer in two networks\n{note}; {how}", fontsize=10)
        left, right = figure.subplots(1, 2, sharey=True)
        for method in methods:
            _curve(left, curves.get(f"dense--{method}"), f"dense and {method}", colours(methods)[method])
        for pair, colour in zip(combinations(methods, 2), OTHERS * len(methods), strict=False):
            _curve(right, curves.get("--".join(pair)), " and ".join(pair), colour)
        for axis in (left, right):
            _yardsticks(axis, curves.get("dense--untrained"), results, cell, seed)
            axis.set_xticks(*labels(layers), rotation=90, fontsize=7)
            axis.set_ylim(-0.05, 1.02)
            axis.set_xlabel("layer, in network order")
            axis.legend(fontsize=8, loc="lower left", framealpha=0.85, edgecolor="none")
        left.set_ylabel("CKA")
    return figure


def _curve(axis: Axes, curve: pd.DataFrame | None, label: str, colour: str, dash: str = "-") -> None:
    if curve is None:
        return
    if len(curve) <= MANY:
        axis.plot(curve["position"], curve["cka"], color=colour, linestyle=dash, marker="o", markersize=2.5, label=label)
        axis.fill_between(curve["position"], curve["low"], curve["high"], color=colour, alpha=0.2, linewidth=0)
        return
    mean = curve["cka"].rolling(WINDOW, center=True, min_periods=WINDOW // 2).mean()
    axis.plot(curve["position"], curve["cka"], color=colour, linestyle="", marker="o", markersize=2, alpha=0.4, markeredgewidth=0)
    axis.plot(curve["position"], mean, color=colour, linestyle=dash, label=label)


def _yardsticks(axis: Axes, untrained: pd.DataFrame | None, results: Results, cell: Cell, seed: int) -> None:
    colour, dash = YARDSTICKS["untrained"]
    _curve(axis, untrained, "dense and untrained", colour, dash)
    colour, dash = YARDSTICKS["another seed"]
    others = (results.dense_seeds(cell, seed, other) for other in results.grid.seeds if other != seed)
    for number, values in enumerate(of for of in others if of is not None):
        label = "dense of two seeds" if not number else None
        axis.plot(np.arange(len(values)), values, color=colour or DENSE, linestyle=dash, linewidth=1, label=label)
