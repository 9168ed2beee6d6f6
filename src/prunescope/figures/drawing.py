"""A figure as panels in Vega-Lite, which a browser draws on the page, and vl-convert as PNG for Markdown.

On the page a panel is as wide as its place, its texts keep their size, and its colours follow the page's light or dark look.
"""

import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, cast

import altair as alt

from prunescope.figures.look import SPARE

alt.data_transformers.disable_max_rows()

WIDTH = 960  # px of a whole PNG at scale 1
LABELS = 130  # px of a panel that its labels take in a PNG, about
SCHEMA = alt.SCHEMA_URL
SCALE = 1.5  # pixels of the PNG for each px
Chart = alt.Chart | alt.LayerChart


@dataclass(frozen=True)
class Panel:
    """One view: its title, its chart without a width, and its height in px."""

    title: str
    chart: Chart
    height: int


@dataclass(frozen=True)
class Drawing:
    """Panels side by side, `columns` of them where there is room; on a phone one."""

    panels: Sequence[Panel]
    columns: int = 2

    @cached_property
    def _bare(self) -> tuple[list[dict[str, Any]], dict[str, Any]]:
        """Each panel's specification without size, look and data; and the data by name."""
        bare, data = [], {}
        for panel in self.panels:
            spec = panel.chart.to_dict(validate=False)  # to validate takes ten times as long; a test does it
            data |= spec.pop("datasets", {})
            bare.append({key: value for key, value in spec.items() if key not in ("$schema", "config")} | {"title": panel.title})
        return bare, data

    def specs(self) -> list[dict[str, Any]]:
        """A Vega-Lite specification for each panel, as wide as its place on the page."""
        bare, data = self._bare
        fitted = {"autosize": {"type": "fit", "contains": "padding"}, "config": config(PAGE), "width": "container"}
        return [
            spec | fitted | {"height": panel.height, "datasets": {name: data[name] for name in _named(spec)}}
            for spec, panel in zip(bare, self.panels, strict=True)
        ]

    def png(self) -> bytes:
        """All panels in one picture on white."""
        import vl_convert  # loads a JavaScript engine

        return vl_convert.vegalite_to_png(json.dumps(self.whole()), scale=SCALE)

    def whole(self) -> dict[str, Any]:
        """The specification of that picture."""
        bare, data = self._bare
        columns = min(self.columns, len(self.panels))
        size = {"width": WIDTH // columns - LABELS}
        charts = [spec | size | {"height": panel.height} for spec, panel in zip(bare, self.panels, strict=True)]
        apart = {"resolve": {"scale": {"color": "independent"}}}
        lines = [{"hconcat": charts[start : start + columns]} | apart for start in range(0, len(charts), columns)]
        look = {"config": config(PAPER), "background": "white", "padding": 8}
        return {"$schema": SCHEMA, "vconcat": lines, "datasets": data} | apart | look


def _named(spec: dict[str, Any]) -> Iterator[str]:
    """The names of the data that a panel draws."""
    for part in (spec, *spec.get("layer", ())):
        if name := part.get("data", {}).get("name"):
            yield name


PAGE = {"text": "var(--text)", "soft": "var(--soft)", "line": "var(--line)"}  # of page.html
PAPER = {"text": "#1c2026", "soft": "#59616b", "line": "#d9dee4"}


def config(colours: dict[str, str]) -> dict[str, Any]:
    """The look that all panels share. colours: of texts, of texts that matter less, and of lines."""
    font = "system-ui, sans-serif" if colours is PAGE else "DejaVu Sans, sans-serif"
    words = {
        "labelColor": colours["text"],
        "titleColor": colours["soft"],
        "labelFontSize": 11,
        "titleFontSize": 11,
        "titleFontWeight": "normal",
    }
    return {
        "font": font,
        "background": "transparent",
        "view": {"stroke": None},
        "axis": words
        | {"gridColor": colours["line"], "domainColor": colours["line"], "tickColor": colours["line"], "labelLimit": 220},
        "legend": words
        | {"orient": "top", "columns": 2, "title": None, "symbolType": "circle", "symbolOpacity": 1, "labelLimit": 220},
        "title": {"color": colours["text"], "fontSize": 12, "anchor": "start", "fontWeight": 600},
        "text": {"color": colours["text"], "fontSize": 11},
    }


def colour(methods: Sequence[str], colours: Mapping[str, str], *, legend: bool = True, field: str = "method") -> alt.Color:
    """Each method in its own colour, in the study's order."""
    scale = alt.Scale(domain=list(methods), range=[colours[method] for method in methods])
    if legend:
        return alt.Color(f"{field}:N", scale=scale, sort=list(methods))
    return alt.Color(f"{field}:N", scale=scale, sort=list(methods), legend=None)


def span(values: Iterable[float], *, least: float = -math.inf, most: float = math.inf) -> alt.Scale:
    """A scale from the smallest to the largest value that is known, and a little more, within `least` and `most`."""
    known = [value for value in values if not math.isnan(value)]
    low, high = min(known, default=0.0), max(known, default=1.0)
    edge = 0.05 * (high - low) or 1.0
    return alt.Scale(domain=[round(max(least, low - edge), 4), round(min(most, high + edge), 4)], nice=False, zero=False)


def rule(value: float, axis: str = "x", **look: Any) -> alt.Chart:
    """A line across the panel at a value."""
    shown = {"color": SPARE, "strokeWidth": 1} | look
    return alt.Chart(alt.Data(values=[{"at": value}])).mark_rule(**shown).encode(**{axis: "at:Q"})


def layered(charts: Iterable[Chart | None]) -> Chart:
    return cast(Chart, alt.layer(*(chart for chart in charts if chart is not None)))
