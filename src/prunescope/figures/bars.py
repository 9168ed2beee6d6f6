"""Bars of the report; each function returns a matplotlib figure, drawn without pyplot."""

import math
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from prunescope.figures.look import DENSE, colours, house_style, label, panels
from prunescope.results.grid import Cell, levels
from prunescope.results.results import Results
from prunescope.results.summary import runs


def accuracy_bars(results: Results) -> Figure:
    """Test accuracy of the dense control and each method, grouped by sparsity, a panel per model and data set, from 0."""
    grid, bars = results.grid, ["dense", *results.grid.methods]
    pairs = [(model, dataset) for dataset in grid.datasets for model in grid.models]
    with house_style():
        figure, axes = panels(len(pairs), 2, 4.8, 3.2)
        for axis, (model, dataset) in zip(axes, pairs, strict=True):
            for group, level in enumerate(levels(grid)):
                for place, method in enumerate(bars):
                    arm = runs(results.summary, Cell(model, dataset, level), method)
                    turn = 90 if len(bars) * len(levels(grid)) > 6 else 0
                    _bar(axis, group * (len(bars) + 1) + place, arm, colours(grid.methods)[method], turn)
            centres = [group * (len(bars) + 1) + (len(bars) - 1) / 2 for group in range(len(levels(grid)))]
            axis.set_xticks(centres, [f"{level * 100:.1f} % sparse" for level in levels(grid)])
            axis.set_xlim(-0.8, len(levels(grid)) * (len(bars) + 1) - 1.2)
            axis.set_ylim(0, min(104, 1.25 * axis.dataLim.y1) if axis.patches else 104)
            axis.set_title(f"{model} on {dataset}")
            axis.set_ylabel("test accuracy, %")
            axis.tick_params(axis="x", length=0)
        keys = [_patch(colours(grid.methods)[method], label(method)) for method in bars]
        keys.append(Line2D([], [], color="black", marker="D", markerfacecolor="white", linestyle="", label="balanced accuracy"))
        keys.append(Line2D([], [], color="black", marker="_", markersize=12, linestyle="", label="right after pruning"))
        keys.append(Line2D([], [], color="black", marker="^", markerfacecolor="white", linestyle="", label="re-estimated"))
        figure.legend(handles=keys, loc="outside lower center", ncols=3, frameon=False)
    return figure


def _patch(colour: str, label: str) -> Line2D:
    return Line2D([], [], color=colour, marker="s", markersize=10, linestyle="", label=label)


def _bar(axis: Axes, place: float, arm: pd.DataFrame, colour: str, turn: int) -> None:
    if arm.empty:
        _low(axis, place, "not run", rotation=90, color="#595959")
        return
    accuracy = arm["accuracy"] * 100
    error = accuracy.std(ddof=1) if len(arm) > 1 else None
    axis.bar(place, accuracy.mean(), width=0.86, color=colour, yerr=error, capsize=4)
    _low(axis, place, f"{accuracy.mean():.1f}", rotation=turn, color="white", weight="bold")
    balanced, pruned = arm["balanced_accuracy"].mean() * 100, arm["accuracy_after_pruning"].mean() * 100
    again = arm["accuracy_after_reestimation"].mean() * 100
    axis.plot(place + 0.25, balanced, marker="D", markersize=5, color="black", markerfacecolor="white")
    if arm["kind"].iloc[0] == "pruned":
        axis.plot(place, pruned, marker="_", markersize=16, markeredgewidth=2.5, color="white")
        axis.plot(place, pruned, marker="_", markersize=15, markeredgewidth=1.2, color="black")
        axis.plot(place - 0.25, again, marker="^", markersize=5, color="black", markerfacecolor="white")


def _low(axis: Axes, place: float, text: str, **look: Any) -> None:
    """Text at the foot of a bar."""
    axis.text(place, 0.03, text, transform=axis.get_xaxis_transform(), ha="center", va="bottom", **look)


def layers_pruned(results: Results, model: str, dataset: str, method: str = "layerwise") -> Figure | None:
    """Validation accuracy by number of layers pruned: bars after recovery, marks right after each round's pruning with the old
    and with re-estimated batch-norm statistics, a line for the dense control at the same steps.

    A panel per sparsity, means over seeds; the last bar is the end of the budget. None where the prune stage did not run.
    """
    found: list[tuple[float, list[pd.DataFrame]]] = []
    for level in levels(results.grid):
        curves = [rows for name, _, rows in results.curves(Cell(model, dataset, level)) if name == method]
        found.append((level, [rows for rows in curves if (rows["event"] == "pruned").any()]))
    found = [(level, histories) for level, histories in found if histories]
    if not found:
        return None
    with house_style():
        figure, axes = panels(len(found), 1, 9.6, 3.2)
        for axis, (level, histories) in zip(axes, found, strict=True):
            rows = pd.concat([history.assign(run=run) for run, history in enumerate(histories)])
            shown = {event: _by_layers(rows[rows["event"] == event]) for event in ("pruned", "trained")}
            # A long plan measures some rounds only; one that trained no step has the accuracy it was pruned to.
            bars = shown["trained"].reindex(shown["pruned"].index).fillna(shown["pruned"])
            width = 0.8 * min(bars.index.diff().min(), 12) if len(bars) > 1 else 0.8
            axis.bar(bars.index, bars, width, color=colours(results.grid.methods)[method], label="after recovery")
            size = 5 if len(shown["pruned"]) <= 40 else 2
            axis.plot(shown["pruned"].index, shown["pruned"], "kv", markersize=size, label="right after pruning")
            if len(again := _by_layers(rows[rows["event"] == "reestimated"])):
                axis.plot(again.index, again, "k^", markersize=size, markerfacecolor="white", label="re-estimated")
            control = _at_steps(rows[rows["event"] == "pruned"], results.curves(Cell(model, dataset, level)))
            axis.plot(control.index, control, color=DENSE, label="dense at the same step")
            start = rows[(rows["event"] == "start") & (rows["layers_pruned"] == 0)]["accuracy"].mean() * 100
            if not math.isnan(start):
                axis.axhline(start, color=DENSE, linestyle="--", label="before pruning")
            axis.set_ylim(0, min(104, 1.25 * axis.dataLim.y1))
            axis.set_xlim(0, bars.index.max() + width)
            axis.xaxis.set_major_locator(MaxNLocator(integer=True))
            axis.set_title(f"{model} on {dataset}, {method}, {level * 100:.1f} % sparse, n = {len(histories)}")
            axis.set_xlabel("layers pruned, in network order")
            axis.set_ylabel("validation accuracy, %")
        figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=3, frameon=False)
    return figure


def _at_steps(rows: pd.DataFrame, curves: list[tuple[str, int, pd.DataFrame]]) -> pd.Series:
    """The dense control's accuracy (percent), mean over seeds, where so many layers are pruned; empty where it did not run."""
    dense = pd.concat([of[["step", "accuracy"]] for name, _, of in curves if name == "dense"] or [pd.DataFrame(columns=["step"])])
    if dense.empty:
        return pd.Series(dtype=float)
    mean, steps = dense.groupby("step")["accuracy"].mean() * 100, rows.groupby("layers_pruned")["step"].mean()
    return pd.Series(np.interp(steps, mean.index, mean), index=steps.index)


def _by_layers(rows: pd.DataFrame) -> pd.Series:
    """The last accuracy (percent) at each number of pruned layers, mean over the runs."""
    rows = rows[rows["layers_pruned"] > 0]
    last = rows.groupby(["run", "layers_pruned"])["accuracy"].last() * 100
    return last.groupby("layers_pruned").mean()
