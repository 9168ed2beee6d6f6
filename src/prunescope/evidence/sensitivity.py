"""Layer sensitivity: what the dense base loses when one layer is pruned, and which layers can take it."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

import pandas as pd

from prunescope.evidence.text import listed, spread
from prunescope.results.results import Results

SHOWN = 5  # layers at each end of the table
NAMED = 3  # layers in the sentence
SMALL = 1.0  # points: layers that lose less are counted as such


@dataclass(frozen=True)
class Layers:
    """Layers of a model on a data set, seeds together.

    rows: layer, level, weights, seed, lost (points of validation accuracy against the same seed's dense base) and rise (of the
    cross entropy; NaN where it is not finite) · order: layers from input to output · images: that were looked at
    """

    model: str
    dataset: str
    rows: pd.DataFrame
    order: list[str]
    images: int

    @property
    def highest(self) -> float:
        return float(self.rows["level"].max())

    @property
    def seeds(self) -> int:
        return self.rows["seed"].nunique()

    def lost(self) -> pd.DataFrame:
        """Points lost, layers in network order (rows) by level (columns), means over seeds."""
        return self.rows.pivot_table(index="layer", columns="level", values="lost", aggfunc="mean").reindex(self.order)

    def ranked(self) -> list[str]:
        """Layers by what they lose at the highest level, the most first; what loses as much by the rise of the loss."""
        at = self.rows[self.rows["level"] == self.highest].groupby("layer")[["lost", "rise"]].mean()
        at["rise"] = at["rise"].fillna(float("inf"))
        return list(at.reindex(self.order).round(9).sort_values(["lost", "rise"], ascending=False, kind="stable").index)


def tried_layers(results: Results) -> Iterator[Layers]:
    """Of every model and data set whose layers were tried in some seed."""
    grid = results.grid
    for dataset, model in product(grid.datasets, grid.models):
        found = {seed: results.layer_sensitivity(model, dataset, seed) for seed in grid.seeds}
        tables = [_against_base(table, seed) for seed, table in found.items() if table is not None]
        if tables:
            rows = pd.concat(tables, ignore_index=True)
            yield Layers(model, dataset, rows, list(dict.fromkeys(rows["layer"])), int(rows["images"].min()))


def _against_base(table: pd.DataFrame, seed: int) -> pd.DataFrame:
    base, rows = table[table["layer"] == ""].iloc[0], table[table["layer"] != ""]
    lost, rise = 100 * (base["accuracy"] - rows["accuracy"]), rows["loss"] - base["loss"]
    return rows.assign(seed=seed, lost=lost, rise=rise)[["layer", "level", "weights", "seed", "lost", "rise", "images"]]


def most_sensitive(of: Layers) -> str:
    """A sentence: the layers that lose most at the highest level, and how many hardly lose."""
    at = of.rows[of.rows["level"] == of.highest]
    lost = {layer: at.loc[at["layer"] == layer, "lost"] for layer in of.ranked()}
    most = [f"{layer} ({spread(values)} points)" for layer, values in lost.items() if values.mean() > 0][:NAMED]
    some = f"{listed(most)} lose{'s' * (len(most) == 1)} most" if most else "no layer loses accuracy"
    few = sum(values.mean() < SMALL for values in lost.values())
    where = f"{of.model} on {of.dataset}: with {of.highest * 100:g} % of one layer's weights removed and all other layers dense"
    return f"{where}, {some}; {few} of {len(lost)} layers lose less than {SMALL:g} point."


def sensitivity_table(results: Results) -> pd.DataFrame:
    """Rows of the layers that lose most and of those that lose least, of every model and data set; few layers all."""
    rows = []
    for of in tried_layers(results):
        ranked = of.ranked()
        total = of.rows.drop_duplicates("layer")["weights"].sum()
        for place, layer in enumerate(ranked, start=1):
            if SHOWN < place <= len(ranked) - SHOWN:
                continue
            mine = of.rows[of.rows["layer"] == layer]
            size = int(mine["weights"].iloc[0])
            row = {"model": of.model, "data": of.dataset, "rank": f"{place} of {len(ranked)}", "layer": layer}
            row |= {"weights": f"{size:,}", "of all %": f"{100 * size / total:.1f}"}
            levels = {f"lost at {level * 100:g} %": mine.loc[mine["level"] == level, "lost"] for level in of.lost().columns}
            rows.append(row | {name: spread(lost) for name, lost in levels.items()})
    return pd.DataFrame(rows)
