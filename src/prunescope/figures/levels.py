"""The primary endpoint against sparsity, beside the dense control; and against what a network costs."""

from collections.abc import Mapping, Sequence

import altair as alt
import pandas as pd

from prunescope.figures.drawing import Chart, Drawing, Panel, colour, layered
from prunescope.figures.look import SPARE, colours

SHAPES = {"torch, fp32": "circle", "fp32": "square", "bf16": "diamond", "int8": "triangle-up"}


def against_sparsity(
    rows: pd.DataFrame, dense: pd.DataFrame, methods: Sequence[str], margin: float, unit: Mapping[str, str]
) -> Drawing:
    """A panel per data set and model: a line per method with its intervals; the dense control with the margin as a band.

    rows: dataset, model, method, sparsity, value, low, high (percent), safe (whether it is shown that less than the margin is
    lost) · dense: dataset, model, value · unit: the endpoint, by data set
    """
    panels = []
    for (dataset, model), of in rows.groupby(["dataset", "model"], sort=False):
        control = dense[(dense["dataset"] == dataset) & (dense["model"] == model)]
        panels.append(Panel(f"{dataset}, {model}", layered(_lines(of, control, methods, margin, unit[str(dataset)])), 280))
    return Drawing(panels)


def _lines(rows: pd.DataFrame, control: pd.DataFrame, methods: Sequence[str], margin: float, unit: str) -> list[Chart]:
    hue = colour([name for name in methods if name in set(rows["method"])], colours(methods))
    ticks = sorted(round(level * 100, 4) for level in set(rows["sparsity"]))
    rows = rows.assign(removed=[round(level * 100, 4) for level in rows["sparsity"]])
    along = alt.X(
        "removed:Q", title="sparsity, %", axis=alt.Axis(values=ticks, grid=False), scale=alt.Scale(zero=False, padding=12)
    )
    up = alt.Scale(zero=False)
    level = alt.Chart(control.assign(low=control["value"] - margin, high=control["value"] + margin))
    band = level.mark_rect(opacity=0.16, color=SPARE).encode(y=alt.Y("low:Q", scale=up, title=f"{unit}, %"), y2="high:Q")
    line = alt.Chart(rows).mark_line(strokeWidth=2).encode(x=along, y=alt.Y("value:Q", scale=up, title=f"{unit}, %"), color=hue)
    error = alt.Chart(rows).mark_rule(opacity=0.6).encode(x=along, y=alt.Y("low:Q", scale=up), y2="high:Q", color=hue)
    shown = ["method", alt.Tooltip("removed:Q", title="sparsity %"), alt.Tooltip("value:Q", format=".2f"), "safe"]
    points = []
    for safe, look in ((False, {"shape": "circle", "size": 26}), (True, {"shape": "square", "size": 60})):
        mark = alt.Chart(rows[rows["safe"] == safe]).mark_point(filled=True, opacity=1, **look)
        points.append(mark.encode(x=along, y=alt.Y("value:Q", scale=up), color=hue, tooltip=shown))
    return [band, level.mark_rule(color=SPARE, strokeDash=[5, 3]).encode(y=alt.Y("value:Q", scale=up)), error, line, *points]


def trade_off(rows: pd.DataFrame, methods: Sequence[str], unit: Mapping[str, str]) -> Drawing:
    """Two panels per data set and model, size and latency: a point per network, a line through those that none beats in both.

    rows: dataset, model, network, method, value (percent), megabytes, times, format. Times are to the dense network in the same
    runtime: each runtime has a line of its own there.
    """
    panels = []
    for (dataset, model), of in rows.groupby(["dataset", "model"], sort=False):
        for column, words in (("megabytes", "packed file, MB"), ("times", "time for 1 image, × unpruned")):
            known = of.dropna(subset=[column, "value"])
            if len(known):
                panels.append(
                    Panel(f"{dataset}, {model}", layered(_points(known, column, words, methods, unit[str(dataset)])), 280)
                )
    return Drawing(panels)


def front(rows: pd.DataFrame, column: str) -> pd.DataFrame:
    """The networks of which no other is at once as cheap and better, from cheap to dear (Pareto)."""
    ordered = rows.sort_values([column, "value"], ascending=[True, False], kind="stable")
    best = ordered["value"].cummax()
    return ordered[(ordered["value"] >= best) & ~ordered["value"].duplicated()]


def _points(rows: pd.DataFrame, column: str, words: str, methods: Sequence[str], unit: str) -> list[Chart]:
    hues = dict.fromkeys(("dense", "base", "dense-taught"), SPARE)
    hues |= {"narrow": "#000000", "channels": "#a50f15", "student": "#7b3294"} | colours(methods)
    hue = colour([name for name in hues if name in set(rows["method"])], hues)
    wide = rows[column].max() > 4 * rows[column].min()
    along = alt.X(
        f"{column}:Q",
        title=words,
        scale=alt.Scale(type="log" if wide else "linear", zero=False, padding=10),
        axis=alt.Axis(grid=False, tickCount=5),
    )
    up = alt.Y("value:Q", title=f"{unit}, %", scale=alt.Scale(zero=False, padding=8))
    runtimes = rows["format"].str.startswith("torch") | (column != "times")
    lines = [
        alt.Chart(front(of, column)).mark_line(color=SPARE, strokeDash=[4, 3], interpolate="step-after").encode(x=along, y=up)
        for _, of in rows.groupby(runtimes)
    ]
    shown = ["network", "format", alt.Tooltip("value:Q", format=".2f"), alt.Tooltip(f"{column}:Q", format=".3g", title=words)]
    points = alt.Chart(rows).mark_point(filled=True, size=70, opacity=0.9).encode(x=along, y=up, color=hue, tooltip=shown)
    formats = [name for name in SHAPES if name in set(rows["format"])]
    if len(formats) > 1:
        scale = alt.Scale(domain=formats, range=[SHAPES[name] for name in formats])
        points = points.encode(shape=alt.Shape("format:N", scale=scale, title="format"))
    return [*lines, points]
