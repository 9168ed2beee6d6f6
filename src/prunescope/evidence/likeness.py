"""How alike networks are: layer similarity with its yardsticks, and beside it what they predict and which weights they share."""

from functools import lru_cache
from itertools import combinations, product
from typing import Any

import numpy as np
import pandas as pd

from prunescope.evidence.text import NOT_RUN, NOTHING, mean, percent, spread
from prunescope.results.grid import Cell, cells_of, levels
from prunescope.results.predictions import agreement
from prunescope.results.results import Results

SAME, PREDICTED, SHARED = "same layers, mean CKA", "same prediction %", "kept weights shared (by chance)"


def similarity_table(results: Results) -> pd.DataFrame:
    """A row per cell (seeds together) and pair of networks, mean ± sample standard deviation over n seeds; of a cell that did not
    run one row. After them a row per model and data set: the dense networks of every two seeds. No rows where cka did not run."""
    rows, every = [], _pairs(results)
    for cell in cells_of(results.grid):
        mine = every[(every["model"] == cell.model) & (every["dataset"] == cell.dataset) & (every["level"] == cell.sparsity)]
        for networks, of in mine.groupby("networks", sort=False):
            rows.append(cell.labels() | {"networks": networks, "n": str(of["cka"].count())} | _means(of))
        if mine.empty:
            rows.append(cell.labels() | {"networks": NOT_RUN})
    for (dataset, model), of in _seed_pairs(results).groupby(["dataset", "model"], sort=False):
        where = Cell(str(model), str(dataset), 0.0).labels()
        rows.append(where | {"networks": "dense of two seeds", "n": f"{len(of)} pairs"} | _means(of))
    return pd.DataFrame(rows if len(every) else []).fillna(NOTHING)


def seeds_table(results: Results) -> pd.DataFrame:
    """The same seed by seed, with the intervals over probe images."""
    rows = []
    for _, of in pd.concat([_pairs(results), _seed_pairs(results)]).iterrows():
        row = Cell(of["model"], of["dataset"], of["level"]).labels() | {"seed": of["seed"]}
        bounds = "" if pd.isna(of["low"]) else f" ({of['low']:.3f} to {of['high']:.3f})"
        row |= {"networks": of["networks"], SAME: NOTHING if pd.isna(of["cka"]) else f"{of['cka']:.3f}{bounds}"}
        rows.append(row | {PREDICTED: NOTHING if pd.isna(of["same"]) else f"{of['same'] * 100:.1f}"})
    return pd.DataFrame(rows)


def _means(of: pd.DataFrame) -> dict[str, str]:
    shared = f"{mean(of['jaccard'], '.3f')} ({mean(of['chance'], '.3f')})" if of["jaccard"].notna().any() else NOTHING
    return {SAME: spread(of["cka"], ".3f"), PREDICTED: percent(of["same"]), SHARED: shared}


@lru_cache(maxsize=8)
def _pairs(results: Results) -> pd.DataFrame:
    """Columns model, dataset, level, seed, networks and `NUMBERS` (same: of the predictions); a row per seed's pair."""
    rows = []
    for cell, seed in product(cells_of(results.grid), results.grid.seeds):
        known = results.similarity(cell, seed)
        if known is None:
            continue
        for a, b in (*combinations(("dense", *results.grid.methods), 2), ("dense", "untrained")):
            row = dict(zip(WHERE, (*cell, str(seed), f"{a} and {b}"), strict=True))
            found = known.get("diagonal", {}).get(f"{a}--{b}") or {}
            row |= {"cka": found.get("value"), "low": found.get("low"), "high": found.get("high")}
            row |= {"same": agreement(*(results.predictions(cell, seed, name) for name in (a, b)))}
            shared = known.get("mask_overlap", {}).get(f"{a}--{b}") or {}
            rows.append(row | {"jaccard": shared.get("jaccard"), "chance": shared.get("chance")})
    return _numbers(rows)


@lru_cache(maxsize=8)
def _seed_pairs(results: Results) -> pd.DataFrame:
    """The same columns: the dense networks of every two seeds, which belong to no level."""
    rows, grid = [], results.grid
    for dataset, model, pair in product(grid.datasets, grid.models, combinations(grid.seeds, 2)):
        of_levels = (results.dense_seeds(Cell(model, dataset, level), *pair) for level in levels(grid))
        apart = next((of for of in of_levels if of is not None), None)
        if apart is not None:
            dense = Cell(model, dataset, 0.0)
            row = dict(zip(WHERE, (*dense, f"{pair[0]} and {pair[1]}", "dense of two seeds"), strict=True))
            row |= {"same": agreement(*(results.predictions(dense, seed, "dense") for seed in pair))}
            rows.append(row | {"cka": float(np.nanmean(apart))})
    return _numbers(rows)


WHERE = ("model", "dataset", "level", "seed", "networks")
NUMBERS = ("cka", "low", "high", "same", "jaccard", "chance")


def _numbers(rows: list[dict[str, Any]]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=[*WHERE, *NUMBERS]).astype(dict.fromkeys(NUMBERS, "float64"))


def inside_table(results: Results) -> pd.DataFrame:
    """Mean similarity of different layers inside each network: a row per cell (seeds together), a column per network."""
    rows, some = [], False
    for cell in cells_of(results.grid):
        records = [results.similarity(cell, seed) for seed in results.grid.seeds]
        found = [known.get("off_diagonal", {}) for known in records if known is not None]
        row = cell.labels() | {"n": str(len(found)) if found else NOT_RUN}
        names = list(dict.fromkeys(name for of in found for name in of))
        values = {name: pd.Series([(of.get(name) or {}).get("value") for of in found], dtype="float64") for name in names}
        some = some or bool(found)
        rows.append(row | {name: spread(of, ".3f") for name, of in values.items()})
    return pd.DataFrame(rows if some else []).fillna(NOTHING)
