"""Curves of the report: accuracy while training, and a measure against sparsity."""

import math
from typing import Literal

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from prunescope.figures.look import DENSE, colours, house_style, label, panels
from prunescope.results.grid import Cell, levels
from prunescope.results.results import Results


def training_curves(results: Results, model: str, dataset: str) -> Figure | None:
    """Validation accuracy over the steps of the shared budget, pruned arms against the dense control.

    A column per sparsity at which a method ran; above the whole range, below the range in which the arms end. One
    line per seed, marks right after pruning. None where nothing ran.
    """
    methods = results.grid.methods
    curves = {level: results.curves(Cell(model, dataset, level)) for level in levels(results.grid)}
    curves = {level: lines for level, lines in curves.items() if {name for name, *_ in lines} - {"dense"}}
    if not curves:
        return None
    floor = min(line["accuracy"].iloc[-1] for lines in curves.values() for *_, line in lines) * 100
    top = max(line["accuracy"].max() for lines in curves.values() for *_, line in lines) * 100
    margin = max((top - floor) * 0.5, 1.0)
    with house_style():
        figure = Figure(figsize=(9.6, 6.4), layout="constrained")
        axes = figure.subplots(2, len(curves), squeeze=False, sharex="col", sharey="row")
        for column, (level, lines) in enumerate(curves.items()):
            for method, _, line in lines:
                for axis in axes[:, column]:
                    _draw(axis, line, method, colours(methods)[method])
            axes[0, column].set_title(f"{model} on {dataset}, {level * 100:.1f} % sparse")
            axes[0, column].set_ylim(0, min(1.25 * top, 104))
            axes[1, column].set_ylim(floor - margin, min(top + margin, 100.4))
            axes[1, column].set_xlabel("optimizer steps after the base checkpoint")
        axes[0, 0].set_ylabel("validation accuracy, %")
        axes[1, 0].set_ylabel("the same, enlarged")
        shown = [m for m in ("dense", *methods) if any(m == method for lines in curves.values() for method, *_ in lines)]
        keys = [Line2D([], [], color=colours(methods)[m], linestyle=_dash(m), label=label(m)) for m in shown]
        keys.append(Line2D([], [], color="#333333", marker="v", linestyle="", markersize=5, label="right after pruning"))
        figure.legend(handles=keys, loc="outside lower center", ncols=len(keys), frameon=False)
    return figure


def _dash(method: str) -> Literal["-", "--"]:
    return "--" if method == "dense" else "-"


def _draw(axis: Axes, line: pd.DataFrame, method: str, colour: str) -> None:
    width = 2.2 if method == "dense" else 1.6
    trained = line[line["event"] != "reestimated"]  # a second measurement of the same network, with other statistics
    axis.plot(trained["step"], trained["accuracy"] * 100, color=colour, linewidth=width, linestyle=_dash(method))
    pruned = line[line["event"] == "pruned"]
    axis.plot(pruned["step"], pruned["accuracy"] * 100, "v", color=colour, markersize=6 if len(pruned) < 20 else 2.5)
    axis.grid(axis="y", color="#e5e5e5", linewidth=0.8)


def sparsity_curves(arms: pd.DataFrame, measure: str, *, percent: bool) -> Figure:
    """A measure against sparsity, a panel per model and data set: a line per method through the means over seeds, the dense
    control as a level.

    arms: rows of summaries with the columns revision, dataset, model, method, sparsity, seed and the measure. Where two revisions
    have other numbers for the same sparsity, each has its own line style.
    """
    factor, methods = 100 if percent else 1, [name for name in dict.fromkeys(arms["method"]) if name != "dense"]
    cells, keys = list(arms.groupby(["dataset", "model"], sort=False)), {}
    with house_style():
        figure, axes = panels(len(cells), 2, 4.8, 3.4)
        for axis, ((dataset, model), cell) in zip(axes, cells, strict=True):
            clash = cell.groupby(["method", "sparsity", "seed"])[measure].nunique().max() > 1
            groups = (
                list(cell.groupby("revision", sort=False))
                if clash
                else [("", cell.drop_duplicates(["method", "sparsity", "seed"]))]
            )
            for number, (revision, of) in enumerate(groups):
                style, of_revision = ("-", "--", ":", "-.")[number % 4], f" ({revision})" if clash else ""
                dense = of[of["method"] == "dense"][measure].mean() * factor
                if not math.isnan(dense):
                    keys[f"dense control{of_revision}"] = axis.axhline(dense, color=DENSE, linestyle="--" if not clash else style)
                for method in methods:
                    mine = of[of["method"] == method].groupby("sparsity")[measure].agg(["mean", "std"]) * factor
                    if len(mine):
                        look = {"color": colours(methods)[method], "linestyle": style, "marker": "o", "capsize": 3}
                        places, errors = [level * 100 for level in mine.index], mine["std"].fillna(0)
                        keys[f"{method}{of_revision}"] = axis.errorbar(places, mine["mean"], errors, **look)
            axis.set_title(f"{model} on {dataset}")
            axis.set_xlabel("sparsity, %")
            axis.set_ylabel(f"{measure.replace('_', ' ')}{', %' if percent else ''}")
            axis.grid(axis="y", color="#e5e5e5", linewidth=0.8)
        figure.legend(keys.values(), keys.keys(), loc="outside lower center", ncols=4, frameon=False)
    return figure
