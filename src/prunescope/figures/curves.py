"""A measure against sparsity, as PNG: what `prunescope compare` draws."""

import math

import pandas as pd
from matplotlib.figure import Figure

from prunescope.figures.look import DENSE, colours, house_style, panels


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
