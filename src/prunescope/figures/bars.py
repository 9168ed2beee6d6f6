"""Bars and curves of the report; each function returns a matplotlib figure, drawn without pyplot."""

import math
from pathlib import Path
from typing import Any, Literal

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from prunescope.figures.look import DENSE, colours, house_style
from prunescope.results.arms import Study, levels
from prunescope.results.curves import arm_curves
from prunescope.results.tables import runs


def _panels(count: int, columns: int, width: float, height: float, *, sharey: bool = False) -> tuple[Figure, list[Axes]]:
    columns = min(columns, count)
    rows = math.ceil(count / columns)
    figure = Figure(figsize=(min(9.6, width * columns), height * rows + 0.6), layout="constrained")
    grid = figure.subplots(rows, columns, squeeze=False, sharey=sharey)
    axes = list(grid.flat)
    for spare in axes[count:]:
        spare.set_axis_off()
    return figure, axes[:count]


def accuracy_bars(summary: pd.DataFrame, study: Study) -> Figure:
    """Test accuracy of the dense control and each method, grouped by sparsity, a panel per model and data set, from 0."""
    pairs = [(model, dataset) for dataset in study.datasets for model in study.models]
    bars = ["dense", *study.methods]
    with house_style():
        figure, axes = _panels(len(pairs), 2, 4.8, 3.2)
        for axis, (model, dataset) in zip(axes, pairs, strict=True):
            for group, level in enumerate(levels(study)):
                for place, method in enumerate(bars):
                    arm = runs(summary, model, dataset, method, 0.0 if method == "dense" else level)
                    turn = 90 if len(bars) * len(levels(study)) > 6 else 0
                    _bar(axis, group * (len(bars) + 1) + place, arm, colours(study.methods)[method], turn)
            centres = [group * (len(bars) + 1) + (len(bars) - 1) / 2 for group in range(len(levels(study)))]
            axis.set_xticks(centres, [f"{level * 100:.1f} % sparse" for level in levels(study)])
            axis.set_xlim(-0.8, len(levels(study)) * (len(bars) + 1) - 1.2)
            axis.set_ylim(0, min(104, 1.25 * axis.dataLim.y1) if axis.patches else 104)
            axis.set_title(f"{model} on {dataset}")
            axis.set_ylabel("test accuracy, %")
            axis.tick_params(axis="x", length=0)
        keys = [_patch(colours(study.methods)[method], _label(method)) for method in bars]
        keys.append(Line2D([], [], color="black", marker="D", markerfacecolor="white", linestyle="", label="balanced accuracy"))
        keys.append(Line2D([], [], color="black", marker="_", markersize=12, linestyle="", label="right after pruning"))
        figure.legend(handles=keys, loc="outside lower center", ncols=3, frameon=False)
    return figure


def _label(method: str) -> str:
    return "dense control" if method == "dense" else method


def _dash(method: str) -> Literal["-", "--"]:
    return "--" if method == "dense" else "-"


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
    axis.plot(place + 0.25, balanced, marker="D", markersize=5, color="black", markerfacecolor="white")
    if arm["kind"].iloc[0] == "pruned":
        axis.plot(place, pruned, marker="_", markersize=16, markeredgewidth=2.5, color="white")
        axis.plot(place, pruned, marker="_", markersize=15, markeredgewidth=1.2, color="black")


def _low(axis: Axes, place: float, text: str, **look: Any) -> None:
    """Text at the foot of a bar."""
    axis.text(place, 0.03, text, transform=axis.get_xaxis_transform(), ha="center", va="bottom", **look)


def layers_pruned(metrics: Path, study: Study, model: str, dataset: str, method: str = "layerwise") -> Figure | None:
    """Validation accuracy by number of layers pruned: bars after recovery, marks right after each round's pruning.

    A panel per sparsity, means over seeds; the last bar is the end of the budget. None where the prune stage did not run.
    """
    found: list[tuple[float, list[pd.DataFrame]]] = []
    for level in levels(study):
        curves = [rows for name, _, rows in arm_curves(metrics, study, model, dataset, level) if name == method]
        found.append((level, [rows for rows in curves if (rows["event"] == "pruned").any()]))
    found = [(level, histories) for level, histories in found if histories]
    if not found:
        return None
    with house_style():
        figure, axes = _panels(len(found), 1, 9.6, 3.2)
        for axis, (level, histories) in zip(axes, found, strict=True):
            rows = pd.concat([history.assign(run=run) for run, history in enumerate(histories)])
            shown = {event: _by_layers(rows[rows["event"] == event]) for event in ("pruned", "trained")}
            # A long plan measures some rounds only; one that trained no step has the accuracy it was pruned to.
            bars = shown["trained"].reindex(shown["pruned"].index).fillna(shown["pruned"])
            width = 0.8 * min(bars.index.diff().min(), 12) if len(bars) > 1 else 0.8
            axis.bar(bars.index, bars, width, color=colours(study.methods)[method], label="after recovery")
            size = 5 if len(shown["pruned"]) <= 40 else 2
            axis.plot(shown["pruned"].index, shown["pruned"], "kv", markersize=size, label="right after pruning")
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


def _by_layers(rows: pd.DataFrame) -> pd.Series:
    """The last accuracy (percent) at each number of pruned layers, mean over the runs."""
    rows = rows[rows["layers_pruned"] > 0]
    last = rows.groupby(["run", "layers_pruned"])["accuracy"].last() * 100
    return last.groupby("layers_pruned").mean()


def training_curves(metrics: Path, study: Study, model: str, dataset: str) -> Figure | None:
    """Validation accuracy over the steps of the shared budget, pruned arms against the dense control.

    A column per sparsity at which a method ran; above the whole range, below the range in which the arms end. One
    line per seed, marks right after pruning. None where nothing ran.
    """
    curves = {level: arm_curves(metrics, study, model, dataset, level) for level in levels(study)}
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
                    _draw(axis, line, method, colours(study.methods)[method])
            axes[0, column].set_title(f"{model} on {dataset}, {level * 100:.1f} % sparse")
            axes[0, column].set_ylim(0, min(1.25 * top, 104))
            axes[1, column].set_ylim(floor - margin, min(top + margin, 100.4))
            axes[1, column].set_xlabel("optimizer steps after the base checkpoint")
        axes[0, 0].set_ylabel("validation accuracy, %")
        axes[1, 0].set_ylabel("the same, enlarged")
        shown = [m for m in ("dense", *study.methods) if any(m == method for lines in curves.values() for method, *_ in lines)]
        keys = [Line2D([], [], color=colours(study.methods)[m], linestyle=_dash(m), label=_label(m)) for m in shown]
        keys.append(Line2D([], [], color="#333333", marker="v", linestyle="", markersize=5, label="right after pruning"))
        figure.legend(handles=keys, loc="outside lower center", ncols=len(keys), frameon=False)
    return figure


def _draw(axis: Axes, line: pd.DataFrame, method: str, colour: str) -> None:
    width = 2.2 if method == "dense" else 1.6
    axis.plot(
        line["step"],
        line["accuracy"] * 100,
        color=colour,
        linewidth=width,
        linestyle=_dash(method),
    )
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
        figure, axes = _panels(len(cells), 2, 4.8, 3.4)
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
