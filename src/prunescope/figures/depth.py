"""Curves of same-layer similarity by depth, with the yardsticks: another seed's dense network, and an untrained one."""

from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from prunescope.figures.heatmaps import labels
from prunescope.figures.look import DENSE, OTHERS, colours, house_style
from prunescope.results.arms import Study, pruned_cell
from prunescope.results.maps import seeds_apart

MANY, WINDOW = 40, 8  # layers above which the line is a running mean, and over how many: two kinds of layers take turns
YARDSTICKS = {"untrained": ("#8C6D31", ":"), "another seed": ("#333333", "--")}


def by_depth(metrics: Path, study: Study, model: str, dataset: str, level: float, seed: int, note: str) -> Figure | None:
    """Left dense with each method, right the methods with each other; None where cka did not run."""
    cell = pruned_cell(model, dataset, level, seed)
    path = metrics / "cka" / cell / "depth.csv"
    if not path.is_file():
        return None
    curves = dict(tuple(pd.read_csv(path, dtype={"layer": str}).groupby("pair", sort=False)))
    layers = list(next(iter(curves.values()))["layer"])
    how = "bands: 95 % over images" if len(layers) <= MANY else f"lines: running mean of {WINDOW} layers"
    with house_style():
        figure = Figure(figsize=(9.6, 4.6), layout="constrained")
        figure.suptitle(f"{cell}: similarity of the same layer in two networks\n{note}; {how}", fontsize=10)
        left, right = figure.subplots(1, 2, sharey=True)
        for method in study.methods:
            _curve(left, curves.get(f"dense--{method}"), f"dense and {method}", colours(study.methods)[method])
        for pair, colour in zip(combinations(study.methods, 2), OTHERS * len(study.methods), strict=False):
            _curve(right, curves.get("--".join(pair)), " and ".join(pair), colour)
        for axis in (left, right):
            _yardsticks(axis, curves.get("dense--untrained"), metrics, study, model, dataset, level, seed)
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


def _yardsticks(
    axis: Axes, untrained: pd.DataFrame | None, metrics: Path, study: Study, model: str, dataset: str, level: float, seed: int
) -> None:
    colour, dash = YARDSTICKS["untrained"]
    _curve(axis, untrained, "dense and untrained", colour, dash)
    colour, dash = YARDSTICKS["another seed"]
    cells = [pruned_cell(model, dataset, level, of) for of in study.seeds if of != seed]
    apart = [of for cell in cells if (of := seeds_apart(metrics, pruned_cell(model, dataset, level, seed), cell)) is not None]
    for number, values in enumerate(apart):
        label = "dense of two seeds" if not number else None
        axis.plot(np.arange(len(values)), values, color=colour or DENSE, linestyle=dash, linewidth=1, label=label)
