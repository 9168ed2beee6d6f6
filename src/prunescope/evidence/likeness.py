"""How alike networks are: layer similarity with its yardsticks, and beside it what they predict and which weights they share."""

from itertools import combinations, product
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from prunescope.results.arms import Study, cells_of, levels, pruned_cell, read_json
from prunescope.results.maps import seeds_apart
from prunescope.results.predictions import agreement, read
from prunescope.results.tables import NOT_RUN, NOTHING, mean, percent, spread

SAME, PREDICTED, SHARED = "same layers, mean CKA", "same prediction %", "kept weights shared (by chance)"


def similarity_table(metrics: Path, study: Study) -> pd.DataFrame:
    """A row per cell (seeds together) and pair of networks, mean ± sample standard deviation over n seeds; of a cell that did not
    run one row. After them a row per model and data set: the dense networks of every two seeds. No rows where cka did not run."""
    rows, every = [], _pairs(metrics, study)
    for model, dataset, level in cells_of(study):
        where = {"model": model, "data": dataset, "sparsity %": f"{level * 100:.1f}"}
        mine = every[(every["model"] == model) & (every["dataset"] == dataset) & (every["level"] == level)]
        for networks, of in mine.groupby("networks", sort=False):
            rows.append(where | {"networks": networks, "n": str(of["cka"].count())} | _means(of))
        if mine.empty:
            rows.append(where | {"networks": NOT_RUN})
    for (dataset, model), of in _seed_pairs(metrics, study).groupby(["dataset", "model"], sort=False):
        where = {"model": model, "data": dataset, "sparsity %": "0.0", "networks": "dense of two seeds", "n": f"{len(of)} pairs"}
        rows.append(where | _means(of))
    return pd.DataFrame(rows if len(every) else []).fillna(NOTHING)


def seeds_table(metrics: Path, study: Study) -> pd.DataFrame:
    """The same seed by seed, with the intervals over probe images."""
    rows = []
    for _, of in pd.concat([_pairs(metrics, study), _seed_pairs(metrics, study)]).iterrows():
        row = {"model": of["model"], "data": of["dataset"], "sparsity %": f"{of['level'] * 100:.1f}", "seed": of["seed"]}
        bounds = "" if pd.isna(of["low"]) else f" ({of['low']:.3f} to {of['high']:.3f})"
        row |= {"networks": of["networks"], SAME: NOTHING if pd.isna(of["cka"]) else f"{of['cka']:.3f}{bounds}"}
        rows.append(row | {PREDICTED: NOTHING if pd.isna(of["same"]) else f"{of['same'] * 100:.1f}"})
    return pd.DataFrame(rows)


def _means(of: pd.DataFrame) -> dict[str, str]:
    shared = f"{mean(of['jaccard'], '.3f')} ({mean(of['chance'], '.3f')})" if of["jaccard"].notna().any() else NOTHING
    return {SAME: spread(of["cka"], ".3f"), PREDICTED: percent(of["same"]), SHARED: shared}


def _pairs(metrics: Path, study: Study) -> pd.DataFrame:
    """Columns model, dataset, level, seed, networks and `NUMBERS` (same: of the predictions); a row per seed's pair."""
    rows = []
    for (model, dataset, level), seed in product(cells_of(study), study.seeds):
        known = read_json(metrics / "cka" / f"{pruned_cell(model, dataset, level, seed)}.json")
        if known is None:
            continue
        for a, b in (*combinations(("dense", *study.methods), 2), ("dense", "untrained")):
            row = {"model": model, "dataset": dataset, "level": level, "seed": str(seed), "networks": f"{a} and {b}"}
            found = known.get("diagonal", {}).get(f"{a}--{b}") or {}
            row |= {"cka": found.get("value"), "low": found.get("low"), "high": found.get("high")}
            row |= {"same": agreement(*(read(metrics, model, dataset, level, seed, name) for name in (a, b)))}
            shared = known.get("mask_overlap", {}).get(f"{a}--{b}") or {}
            rows.append(row | {"jaccard": shared.get("jaccard"), "chance": shared.get("chance")})
    return _numbers(rows)


def _seed_pairs(metrics: Path, study: Study) -> pd.DataFrame:
    """The same columns: the dense networks of every two seeds, which belong to no level."""
    rows = []
    for dataset, model, pair in product(study.datasets, study.models, combinations(study.seeds, 2)):
        of_levels = ([pruned_cell(model, dataset, level, seed) for seed in pair] for level in levels(study))
        apart = next((of for cells in of_levels if (of := seeds_apart(metrics, *cells)) is not None), None)
        if apart is not None:
            same = agreement(*(read(metrics, model, dataset, 0.0, seed, "dense") for seed in pair))
            row = {"model": model, "dataset": dataset, "level": 0.0, "seed": f"{pair[0]} and {pair[1]}", "same": same}
            rows.append(row | {"networks": "dense of two seeds", "cka": float(np.nanmean(apart))})
    return _numbers(rows)


NUMBERS = ("cka", "low", "high", "same", "jaccard", "chance")


def _numbers(rows: list[dict[str, Any]]) -> pd.DataFrame:
    table = pd.DataFrame(rows, columns=["model", "dataset", "level", "seed", "networks", *NUMBERS])
    return table.astype(dict.fromkeys(NUMBERS, "float64"))


def inside_table(metrics: Path, study: Study) -> pd.DataFrame:
    """Mean similarity of different layers inside each network: a row per cell (seeds together), a column per network."""
    rows, some = [], False
    for model, dataset, level in cells_of(study):
        cells = [metrics / "cka" / f"{pruned_cell(model, dataset, level, seed)}.json" for seed in study.seeds]
        found = [known.get("off_diagonal", {}) for path in cells if (known := read_json(path)) is not None]
        row = {"model": model, "data": dataset, "sparsity %": f"{level * 100:.1f}", "n": str(len(found)) if found else NOT_RUN}
        names = list(dict.fromkeys(name for of in found for name in of))
        values = {name: pd.Series([(of.get(name) or {}).get("value") for of in found], dtype="float64") for name in names}
        some = some or bool(found)
        rows.append(row | {name: spread(of, ".3f") for name, of in values.items()})
    return pd.DataFrame(rows if some else []).fillna(NOTHING)
