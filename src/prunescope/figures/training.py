"""Accuracy while training, a small panel per method beside the dense control; and by the number of layers pruned."""

from collections.abc import Sequence

import altair as alt
import numpy as np
import pandas as pd

from prunescope.figures.drawing import Chart, Drawing, Panel, layered
from prunescope.figures.look import OTHERS, SPARE, colours
from prunescope.results.grid import Cell, levels
from prunescope.results.results import Results

POINTS = 120  # of a curve, at most

Curves = Sequence[tuple[str, int, pd.DataFrame]]


def training_curves(results: Results, model: str, dataset: str) -> Drawing | None:
    """Validation accuracy over the steps of the shared budget: means over seeds, as bands their range. A panel per level and
    method, the dense control grey in each. None where nothing ran."""
    methods, panels = results.grid.methods, []
    for level in levels(results.grid):
        curves = results.curves(Cell(model, dataset, level))
        means = {name: found for name in ("dense", *methods) if len(found := _mean(curves, name))}
        if not set(means) - {"dense"}:
            continue
        low = min(float(of["low"].iloc[len(of) // 2 :].min()) for of in means.values())
        scale = alt.Scale(
            domainMax=min(100.0, max(float(of["high"].max()) for of in means.values()) + 1),
            domainMin=max(0.0, low - 8),
            clamp=True,
        )
        for method in methods:
            if method in means:
                panels.append(Panel(f"{method}, {level * 100:g} %", layered(_curve(means, method, colours(methods), scale)), 190))
    return Drawing(panels, columns=3) if panels else None


def _mean(curves: Curves, method: str) -> pd.DataFrame:
    """step, mean, low and high (percent) on a grid of steps that all seeds share; no rows where none ran."""
    lines = [
        of[of["event"] != "reestimated"].groupby("step", as_index=False)["accuracy"].last()
        for name, _, of in curves
        if name == method
    ]
    if not lines:
        return pd.DataFrame(columns=["step", "mean", "low", "high"])
    every = np.unique(np.concatenate([of["step"].to_numpy(dtype=float) for of in lines]))
    steps = every if len(every) <= POINTS else np.linspace(every[0], every[-1], POINTS)
    values = np.stack([np.interp(steps, of["step"], of["accuracy"]) for of in lines]) * 100
    return pd.DataFrame({"step": steps, "mean": values.mean(0), "low": values.min(0), "high": values.max(0)}).round(3)


def _curve(means: dict[str, pd.DataFrame], method: str, hues: dict[str, str], scale: alt.Scale) -> list[Chart]:
    along = alt.X("step:Q", title="optimizer steps after the base", axis=alt.Axis(grid=False, tickCount=4, format="~s"))
    shown = []
    for name in ("dense", method):
        if name not in means:
            continue
        hue = SPARE if name == "dense" else hues[name]
        rows = alt.Chart(means[name])
        band = rows.mark_area(opacity=0.2, color=hue, clip=True).encode(
            x=along, y=alt.Y("low:Q", scale=scale, title="validation accuracy, %"), y2="high:Q"
        )
        tip = [alt.Tooltip("step:Q"), alt.Tooltip("mean:Q", format=".1f")]
        line = rows.mark_line(color=hue, strokeWidth=1.8, clip=True, strokeDash=[5, 3] if name == "dense" else [1, 0])
        shown += [band, line.encode(x=along, y=alt.Y("mean:Q", scale=scale), tooltip=tip)]
    return shown


def layers_pruned(results: Results, model: str, dataset: str, method: str = "layerwise") -> Drawing | None:
    """Validation accuracy by number of layers pruned: bars after recovery, marks right after each pruning with the old and with
    re-estimated batch-norm statistics, a line for the dense control at the same steps; means over seeds.

    A panel per level. None where the prune stage did not run.
    """
    panels = []
    for level in levels(results.grid):
        curves = results.curves(Cell(model, dataset, level))
        runs = [rows for name, _, rows in curves if name == method and (rows["event"] == "pruned").any()]
        if runs:
            dense = [rows for name, _, rows in curves if name == "dense"]
            panels.append(
                Panel(
                    f"{method}, {level * 100:g} %, n = {len(runs)}", layered(_bars(runs, dense, colours([method])[method])), 270
                )
            )
    return Drawing(panels) if panels else None


def _bars(runs: Sequence[pd.DataFrame], dense: Sequence[pd.DataFrame], hue: str) -> list[Chart]:
    rows = pd.concat([history.assign(run=run) for run, history in enumerate(runs)])
    pruned, trained, again = (_by_layers(rows[rows["event"] == event]) for event in ("pruned", "trained", "reestimated"))
    # A long plan measures some rounds only; one that trained no step has the accuracy it was pruned to.
    after = trained.reindex(pruned.index).fillna(pruned)
    start = rows[(rows["event"] == "start") & (rows["layers_pruned"] == 0)]["accuracy"].mean() * 100
    after = pd.concat([pd.Series({0: start}), after]).dropna()
    control = _at_steps(rows[rows["event"] == "pruned"], dense)
    reached = pd.concat([of for of in (after, control, again) if len(of)])
    scale = alt.Scale(domain=[0.0, min(100.0, float(reached.max()) + 3)])
    what = ("after recovery", "right after pruning", "right after, re-estimated", "dense at the same step")
    shown = [name for name, of in zip(what, (after, pruned, again, control), strict=True) if len(of)]
    each = {name: of for name, of in zip(what, (hue, OTHERS[0], OTHERS[1], SPARE), strict=True) if name in shown}
    hues = alt.Scale(domain=shown, range=list(each.values()))
    ends = alt.Scale(domain=[-0.8, float(after.index.max()) + 0.8], nice=False)
    axis = alt.Axis(grid=False, tickMinStep=1)
    along = alt.X("layers:Q", title="layers pruned, in network order (0: the base)", axis=axis, scale=ends)
    up = alt.Y("accuracy:Q", scale=scale, title="validation accuracy, %")

    def part(values: pd.Series, name: str) -> alt.Chart:
        table = pd.DataFrame({"layers": values.index, "accuracy": values.round(3).to_numpy(), "what": name})
        return alt.Chart(table)

    tip = ["what", "layers", alt.Tooltip("accuracy:Q", format=".1f")]
    shade = alt.Color("what:N", scale=hues, legend=alt.Legend(columns=2))
    width = max(2, min(16, 240 // max(len(after), 1)))
    charts: list[Chart] = [
        part(after, what[0]).mark_bar(width=width, clip=True, opacity=0.75).encode(x=along, y=up, color=shade, tooltip=tip)
    ]
    if len(control):
        charts.append(
            part(control, what[3]).mark_line(clip=True, strokeDash=[5, 3]).encode(x=along, y=up, color=shade, tooltip=tip)
        )
    for values, name in ((pruned, what[1]), (again, what[2])):
        if len(values):
            charts.append(
                part(values, name)
                .mark_point(filled=True, size=36, opacity=1, clip=True)
                .encode(x=along, y=up, color=shade, tooltip=tip)
            )
    return charts


def _at_steps(rows: pd.DataFrame, dense: Sequence[pd.DataFrame]) -> pd.Series:
    """The dense control's accuracy (percent), mean over seeds, where so many layers are pruned; empty where it did not run.

    From its first validation in training on: how it fell from the base until then, as the learning rate jumped, is not known.
    """
    if not dense:
        return pd.Series(dtype=float)
    every = pd.concat([of[["step", "accuracy"]] for of in dense])
    mean, steps = every.groupby("step")["accuracy"].mean() * 100, rows.groupby("layers_pruned")["step"].mean()
    known = steps >= mean.index[mean.index > 0].min()
    return pd.Series(np.interp(steps, mean.index, mean), index=steps.index)[known]


def _by_layers(rows: pd.DataFrame) -> pd.Series:
    """The last accuracy (percent) at each number of pruned layers, mean over the runs."""
    rows = rows[rows["layers_pruned"] > 0]
    last = rows.groupby(["run", "layers_pruned"])["accuracy"].last() * 100
    return last.groupby("layers_pruned").mean()
