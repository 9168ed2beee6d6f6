"""Who pays: recall of each class before and after, and ROC curves of classes."""

from collections.abc import Sequence
from typing import Any

import altair as alt
import pandas as pd

from prunescope.figures.drawing import Drawing, Panel, colour, layered, rule, span
from prunescope.figures.look import SPARE, colours

ROW = 26  # px


def by_class(rows: pd.DataFrame, methods: Sequence[str], *, field: str = "class") -> Drawing:
    """A panel per cell, a line per class: the dense control as a bar, each method as a point; what is critical has a star.

    rows: cell, class (or another `field`), critical (bool), method, dense and value (percent), change (points), verdict
    """
    panels = []
    for cell, of in rows.groupby("cell", sort=False):
        of = of.assign(
            name=[f"★ {name}" if critical else str(name) for name, critical in zip(of[field], of["critical"], strict=True)]
        )
        order = list(dict.fromkeys(of["name"]))
        place = alt.Y("name:N", sort=order, title=None, axis=alt.Axis(grid=True, ticks=False, domain=False))
        along = span([*of["dense"], *of["value"]], least=-2, most=100)  # a point at 0 shall not lie on the names
        hue = colour([name for name in methods if name in set(of["method"])], colours(methods))
        reach = of.groupby("name", as_index=False, sort=False).agg(
            dense=("dense", "first"), low=("value", "min"), high=("value", "max")
        )
        reach["low"], reach["high"] = reach[["low", "dense"]].min(axis=1), reach[["high", "dense"]].max(axis=1)
        gap = (
            alt.Chart(reach)
            .mark_rule(color=SPARE, opacity=0.6)
            .encode(x=alt.X("low:Q", scale=along, title="recall, %"), x2="high:Q", y=place)
        )
        control = alt.Chart(reach).mark_tick(thickness=3, size=18, color=SPARE).encode(x=alt.X("dense:Q", scale=along), y=place)
        shown = [
            alt.Tooltip("name:N", title=field),
            "method",
            alt.Tooltip("dense:Q", format=".1f"),
            alt.Tooltip("change:Q", format="+.1f"),
            "verdict",
        ]
        mark = (
            alt.Chart(of)
            .mark_point(filled=True, size=60, opacity=0.9)
            .encode(x=alt.X("value:Q", scale=along), y=place, color=hue, tooltip=shown)
        )
        panels.append(Panel(str(cell), layered([gap, control, mark]), ROW * len(order) + 80))
    return Drawing(panels)


def roc(rows: pd.DataFrame, methods: Sequence[str], *, cells: bool) -> Drawing:
    """A small panel per class (with `cells` per cell and class, named so), before them the key to all; the dense control dashed.

    rows: cell, class, critical (bool), network (dense or a method), fall_out and sensitivity (percent)
    """
    shown = [name for name in (*methods, "dense") if name in set(rows["network"])]  # the last one lies above the others
    hue = colour(shown, colours(methods) | {"dense": SPARE}, field="network", legend=False)
    dash = alt.condition(alt.datum["network"] == "dense", alt.value([5, 3]), alt.value([1, 0]))
    along = alt.Scale(domain=[0, 100])
    panels = []
    for (cell, name, critical), of in rows.groupby(["cell", "class", "critical"], sort=False):
        curve = (
            alt.Chart(of[["network", "fall_out", "sensitivity"]])
            .mark_line(strokeWidth=1.8)
            .encode(
                x=alt.X("fall_out:Q", title="false positives, %", scale=along, axis=alt.Axis(values=[*range(0, 101, 20)])),
                y=alt.Y("sensitivity:Q", title="sensitivity, %", scale=along),
                color=hue,
                strokeDash=dash,
            )
        )
        even = alt.Chart(alt.Data(values=[{"x": 0, "y": 0}, {"x": 100, "y": 100}])).mark_line(color=SPARE, strokeWidth=1)
        title = f"{name}, {cell}" if cells else f"{'★ ' * bool(critical)}{name}"
        panels.append(Panel(title, layered([even.encode(x="x:Q", y="y:Q"), curve]), 220))
    return Drawing([_key(shown, hue, dash), *panels], columns=3)


def _key(shown: Sequence[str], hue: alt.Color, dash: Any) -> Panel:
    """Which line is whose: one for all panels, as a legend in each would leave little of them."""
    ends = pd.DataFrame([{"network": name, "x": x} for name in shown for x in (0, 1)])
    place = alt.Y("network:N", sort=list(shown), title=None, axis=alt.Axis(grid=False, ticks=False, domain=False))
    x = alt.X("x:Q", axis=None, scale=alt.Scale(domain=[0, 6]))
    line = alt.Chart(ends).mark_line(strokeWidth=1.8).encode(x=x, y=place, detail="network:N", color=hue, strokeDash=dash)
    return Panel("lines", layered([line]), 20 * len(shown) + 40)


def by_subgroup(rows: pd.DataFrame, methods: Sequence[str]) -> Drawing:
    """A panel per cell, a line per subgroup: change from the dense control with its interval over test images.

    rows: cell, subgroup, method, change, low, high (points), shown (bool)
    """
    panels = []
    for cell, of in rows.groupby("cell", sort=False):
        order = list(dict.fromkeys(of["subgroup"]))
        hue = colour([name for name in methods if name in set(of["method"])], colours(methods))
        place = alt.Y("subgroup:N", sort=order, title=None, axis=alt.Axis(grid=False, ticks=False, domain=False, labelLimit=320))
        beside = alt.YOffset("method:N", sort=list(methods))
        words, few = "change from dense, points", alt.Axis(tickCount=6, labelOverlap=True)
        line = (
            alt.Chart(of)
            .mark_rule()
            .encode(x=alt.X("low:Q", title=words, axis=few), x2="high:Q", y=place, yOffset=beside, color=hue)
        )
        shown = ["subgroup", "method", *(alt.Tooltip(f"{name}:Q", format="+.1f") for name in ("change", "low", "high")), "shown"]
        mark = (
            alt.Chart(of)
            .mark_point(filled=True, size=40, opacity=1)
            .encode(x=alt.X("change:Q", title=words), y=place, yOffset=beside, color=hue, tooltip=shown)
        )
        panels.append(Panel(str(cell), layered([rule(0.0), line, mark]), 12 * of["method"].nunique() * len(order) + 80))
    return Drawing(panels)
