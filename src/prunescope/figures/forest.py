"""Forest plots: differences with their seeds and intervals, the margin shaded."""

from collections.abc import Mapping, Sequence

import altair as alt
import pandas as pd

from prunescope.figures.drawing import Drawing, Panel, colour, layered, rule, span
from prunescope.figures.look import SPARE, colours

ROW = 26  # px of a row
LOST = "▼"  # above its mean: a mark that needs no colour, in the colour of the texts


def forest(rows: pd.DataFrame, seeds: pd.DataFrame, methods: Sequence[str], margin: float, unit: Mapping[str, str]) -> Drawing:
    """A panel per data set and model, a line per method and level.

    rows: dataset, model, sparsity, method, mean, low, high (points; the last two NaN where nothing was measured), verdict, lost
    (whether a loss is shown)
    seeds: dataset, model, sparsity, method, seed, difference · unit: what is compared, by data set
    """
    panels = []
    for (dataset, model), of in rows.groupby(["dataset", "model"], sort=False):
        shown, points = (_of(table, dataset=dataset) for table in (rows, seeds))
        reach = span([-margin, margin, *shown["low"], *shown["high"], *points["difference"]])  # the same for all models
        panels.append(_panel(f"{dataset}, {model}", of, _of(points, model=model), methods, margin, unit[str(dataset)], reach))
    return Drawing(panels)


def _of(table: pd.DataFrame, **where: object) -> pd.DataFrame:
    for column, value in where.items():
        table = table[table[column] == value]
    return table


def _panel(
    title: str, rows: pd.DataFrame, seeds: pd.DataFrame, methods: Sequence[str], margin: float, unit: str, reach: alt.Scale
) -> Panel:
    several = rows["sparsity"].nunique() > 1
    rows, seeds = (of.assign(network=_names(of, several)) for of in (rows, seeds))
    order = list(dict.fromkeys(rows["network"]))
    place = alt.Y("network:N", sort=order, title=None, axis=alt.Axis(grid=False, ticks=False, domain=False))
    along = f"{unit} − dense, points"
    hue = colour(methods, colours(methods), legend=False)
    band = alt.Chart(alt.Data(values=[{"low": -margin, "high": margin}])).mark_rect(opacity=0.16, color=SPARE)
    interval = (
        alt.Chart(rows)
        .mark_rule(strokeWidth=2)
        .encode(x=alt.X("low:Q", title=along, scale=reach, axis=alt.Axis(tickCount=6)), x2="high:Q", y=place, color=hue)
    )
    point = (
        alt.Chart(seeds)
        .mark_circle(size=26, opacity=0.55)
        .encode(
            x=alt.X("difference:Q", title=along, scale=reach),
            y=place,
            color=hue,
            tooltip=["method", "seed", alt.Tooltip("difference:Q", format="+.2f")],
        )
    )
    shown = [alt.Tooltip(f"{name}:Q", format="+.2f") for name in ("mean", "low", "high")]
    mean = (
        alt.Chart(rows)
        .mark_point(shape="diamond", filled=True, size=90, opacity=1)
        .encode(
            x=alt.X("mean:Q", title=along, scale=reach, axis=alt.Axis(tickCount=6)),
            y=place,
            color=hue,
            tooltip=["network", *shown, "verdict"],
        )
    )
    lost = rows[rows["lost"]]
    over = alt.Chart(lost).mark_text(text=LOST, dy=-11).encode(x=alt.X("mean:Q", title=along, scale=reach), y=place)
    grey = band.encode(x=alt.X("low:Q", scale=reach), x2="high:Q")
    chart = layered([grey, rule(0.0), interval, point, mean, over if len(lost) else None])
    return Panel(title, chart, ROW * len(order) + 70)


def _names(table: pd.DataFrame, several: bool) -> list[str]:
    return [
        f"{method} {level * 100:g} %" if several else method
        for method, level in zip(table["method"], table["sparsity"], strict=True)
    ]


def pairs(rows: pd.DataFrame, unit: str) -> Drawing:
    """A few named differences, one line each. rows: what, whose, mean, low, high, verdict; two `whose` stand side by side."""
    order, who = (list(dict.fromkeys(rows[column])) for column in ("what", "whose"))
    hue = alt.Color("whose:N", sort=who, scale=alt.Scale(domain=who, range=["#0072B2", "#D55E00"][: len(who)]))
    place = alt.Y("what:N", sort=order, title=None, axis=alt.Axis(grid=False, ticks=False, domain=False))
    where = {"y": place, "yOffset": alt.YOffset("whose:N", sort=who), "color": hue}
    interval = alt.Chart(rows).mark_rule(strokeWidth=2).encode(x=alt.X("low:Q", title=unit), x2="high:Q", **where)
    shown = ["what", "whose", *(alt.Tooltip(f"{name}:Q", format="+.2f") for name in ("mean", "low", "high")), "verdict"]
    diamond = alt.Chart(rows).mark_point(shape="diamond", filled=True, size=90, opacity=1)
    mean = diamond.encode(x=alt.X("mean:Q", title=unit), tooltip=shown, **where)
    return Drawing([Panel("", layered([rule(0.0), interval, mean]), 2 * ROW * len(order) + 60)], columns=1)
