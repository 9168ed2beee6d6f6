"""Who pays: recall of each class before and after, and ROC curves of classes that matter most."""

from collections.abc import Sequence

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
        along = span([*of["dense"], *of["value"]], least=0, most=100)
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


def roc(rows: pd.DataFrame, methods: Sequence[str]) -> Drawing:
    """A panel per cell and class. rows: panel, network (dense or a method), fall_out and sensitivity (percent)."""
    panels = []
    names = ["dense", *methods]
    for title, of in rows.groupby("panel", sort=False):
        hue = colour([name for name in names if name in set(of["network"])], colours(methods), field="network")
        curve = (
            alt.Chart(of)
            .mark_line(strokeWidth=1.8)
            .encode(
                x=alt.X("fall_out:Q", title="false positives, %"), y=alt.Y("sensitivity:Q", title="sensitivity, %"), color=hue
            )
        )
        even = alt.Chart(alt.Data(values=[{"x": 0, "y": 0}, {"x": 100, "y": 100}])).mark_line(color=SPARE, strokeDash=[3, 3])
        panels.append(Panel(str(title), layered([even.encode(x="x:Q", y="y:Q"), curve]), 300))
    return Drawing(panels)


def by_subgroup(rows: pd.DataFrame, methods: Sequence[str]) -> Drawing:
    """A panel per cell, a line per subgroup: change from the dense control with its interval over test images.

    rows: cell, subgroup, method, change, low, high (points), shown (bool)
    """
    panels = []
    for cell, of in rows.groupby("cell", sort=False):
        order = list(dict.fromkeys(of["subgroup"]))
        hue = colour([name for name in methods if name in set(of["method"])], colours(methods))
        place = alt.Y("subgroup:N", sort=order, title=None, axis=alt.Axis(grid=False, ticks=False, domain=False))
        beside = alt.YOffset("method:N", sort=list(methods))
        words = "change from dense, points"
        line = alt.Chart(of).mark_rule().encode(x=alt.X("low:Q", title=words), x2="high:Q", y=place, yOffset=beside, color=hue)
        shown = ["subgroup", "method", *(alt.Tooltip(f"{name}:Q", format="+.1f") for name in ("change", "low", "high")), "shown"]
        mark = (
            alt.Chart(of)
            .mark_point(filled=True, size=40, opacity=1)
            .encode(x=alt.X("change:Q", title=words), y=place, yOffset=beside, color=hue, tooltip=shown)
        )
        panels.append(Panel(str(cell), layered([rule(0.0), line, mark]), 12 * of["method"].nunique() * len(order) + 80))
    return Drawing(panels)
