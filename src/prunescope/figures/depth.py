"""Same-layer similarity by depth, with the yardsticks: another seed's dense network, and an untrained one."""

from collections.abc import Sequence
from itertools import combinations

import altair as alt
import numpy as np
import pandas as pd

from prunescope.figures.drawing import Chart, Drawing, Panel, layered
from prunescope.figures.look import SPARE, colours
from prunescope.figures.names import known
from prunescope.results.grid import Cell
from prunescope.results.results import Results

MOST = 4  # methods whose pairs can be told apart; of more those of the first three
MANY, WINDOW = 40, 8  # layers above which every line is a running mean, and over how many: two kinds of layers take turns
UNTRAINED, SEEDS = "dense, untrained", "dense, other seed"
HUES, DASHES = {UNTRAINED: "#bcbd22", SEEDS: SPARE}, {UNTRAINED: [2, 2], SEEDS: [7, 3]}  # a legend shows colours alone
PAIRS = ("#AA4499", "#117733", "#882255", "#DDCC77", "#332288", "#44AA99")  # of methods: no method's own colour


def by_depth(results: Results, cell: Cell, seed: int) -> Drawing | None:
    """Left dense with each method, right the methods with each other; None where cka did not run."""
    rows, methods = results.similarity_by_depth(cell, seed), results.grid.methods
    if rows is None:
        return None
    curves = dict(tuple(rows.groupby("pair", sort=False)))
    layers = known(list(next(iter(curves.values()))["layer"]))
    own = [(f"dense--{name}", f"{name}", colours(methods)[name]) for name in methods]
    some = methods if len(methods) <= MOST else methods[:3]
    pairs = zip(combinations(some, 2), PAIRS, strict=False)
    others = [("--".join(pair), " and ".join(pair), hue) for pair, hue in pairs]
    yardsticks = [_line(curves.get("dense--untrained"), UNTRAINED, layers), _of_seeds(results, cell, seed, layers)]
    panels = []
    for title, wanted, columns in (("dense with each method", own, 2), ("methods with each other", others, 1)):
        lines = [_line(curves.get(pair), name, layers) for pair, name, _ in wanted] + yardsticks
        shown = [of for of in lines if of is not None and len(of)]
        hues = {name: hue for _, name, hue in wanted} | HUES
        if any(len(of) for of in shown):
            panels.append(Panel(title, _chart(pd.concat(shown), hues, layers, columns), 400))
    return Drawing(panels) if panels else None


def _line(curve: pd.DataFrame | None, name: str, layers: Sequence[str]) -> pd.DataFrame | None:
    if curve is None:
        return None
    places = curve["position"].to_numpy(dtype=int)
    table = pd.DataFrame(
        {"place": places, "layer": [layers[place] for place in places], "cka": curve["cka"].to_numpy(dtype=float)}
    )
    for end in ("low", "high"):
        table[end] = curve[end].to_numpy(dtype=float) if len(layers) <= MANY and end in curve else np.nan
    return smooth(table, len(layers)).assign(what=name)


def smooth(table: pd.DataFrame, layers: int) -> pd.DataFrame:
    """Of many layers running means, of every curve alike."""
    if layers <= MANY:
        return table.round(4)
    mean = table["cka"].rolling(WINDOW, center=True, min_periods=WINDOW // 2).mean()
    return table.assign(cka=mean).dropna(subset=["cka"]).round(4)


def _of_seeds(results: Results, cell: Cell, seed: int, layers: Sequence[str]) -> pd.DataFrame | None:
    """The mean over the other seeds."""
    found = [of for other in results.grid.seeds if other != seed and (of := results.dense_seeds(cell, seed, other)) is not None]
    if not found:
        return None
    table = pd.DataFrame(
        {"place": range(len(layers)), "layer": list(layers), "cka": np.nanmean(found, axis=0), "low": np.nan, "high": np.nan}
    )
    return smooth(table, len(layers)).assign(what=SEEDS)


def _chart(rows: pd.DataFrame, hues: dict[str, str], layers: Sequence[str], columns: int) -> Chart:
    names = [name for name in hues if name in set(rows["what"])]
    shade = alt.Color(
        "what:N",
        sort=names,
        scale=alt.Scale(domain=names, range=[hues[name] for name in names]),
        legend=alt.Legend(columns=columns, symbolOpacity=1),
    )
    dash = alt.StrokeDash(
        "what:N", sort=names, scale=alt.Scale(domain=names, range=[DASHES.get(name, [1, 0]) for name in names]), legend=None
    )
    axis = alt.Axis(
        grid=False, tickMinStep=1, labelExpr=f"{list(layers)}[datum.value]", labelAngle=-60, labelOverlap=True, tickCount=12
    )
    along = alt.X("place:Q", title="layer, in network order", axis=axis, scale=alt.Scale(domain=[0, len(layers) - 1], nice=False))
    up = alt.Y("cka:Q", title="CKA", scale=alt.Scale(domain=[0, 1], clamp=True))
    tip = ["what", "layer", alt.Tooltip("cka:Q", format=".3f")]
    line = alt.Chart(rows).mark_line(strokeWidth=1.8, point=len(layers) <= MANY)
    line = line.encode(x=along, y=up, color=shade, strokeDash=dash, tooltip=tip)
    banded = rows.dropna(subset=["low", "high"])
    band = alt.Chart(banded).mark_area(opacity=0.15).encode(x=along, y=alt.Y("low:Q"), y2="high:Q", color=shade)
    return layered([band if len(banded) else None, line])
