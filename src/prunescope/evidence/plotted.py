"""Tables behind the figures: the same numbers as in the tables of text, a row per mark."""

import math

import numpy as np
import pandas as pd

from prunescope.evidence import deployed, endpoints
from prunescope.evidence.classes import FEWEST, SHOWN, judged_recall, recall_changes
from prunescope.evidence.differences import judged
from prunescope.evidence.inference import WORSE
from prunescope.evidence.potential import shown_safe
from prunescope.evidence.quality import FEW
from prunescope.evidence.subgroups import EVERY, every_change, findings, of_choices
from prunescope.results.grid import Cell, arms_of, cells_of, levels
from prunescope.results.results import Results
from prunescope.results.summary import runs

SUBGROUPS = 12  # of a cell in the figure, those that change most


def to_dense(results: Results, *, every_level: bool) -> tuple[pd.DataFrame, pd.DataFrame]:
    """(means, seeds): each method less the dense control on the primary endpoint, points, in the order of the tables.

    every_level: else of the study's first level alone
    """
    means, seeds = [], []
    wanted = levels(results.grid) if every_level else levels(results.grid)[:1]
    for cell, found in judged(results).items():
        for method in results.grid.methods if cell.sparsity in wanted else ():
            of = found[method, "dense"]
            where = {"dataset": cell.dataset, "model": cell.model, "sparsity": cell.sparsity, "method": method}
            estimate = of.judgement.estimate
            if not estimate.n:
                continue
            ends = {"mean": estimate.mean, "low": estimate.low, "high": estimate.high}
            means.append(where | {name: round(value, 4) for name, value in ends.items()} | {"verdict": of.verdict})
            means[-1]["lost"] = of.verdict == WORSE
            seeds += [where | {"seed": seed, "difference": round(value, 4)} for seed, value in of.compared.by_seed.items()]
    columns = ["dataset", "model", "sparsity", "method"]
    return (
        pd.DataFrame(means, columns=[*columns, "mean", "low", "high", "verdict", "lost"]),
        pd.DataFrame(seeds, columns=[*columns, "seed", "difference"]),
    )


def by_level(results: Results) -> tuple[pd.DataFrame, pd.DataFrame]:
    """(methods, dense): the primary endpoint at each level in percent, with the interval of its difference from dense."""
    rows, dense = [], []
    for cell, found in judged(results).items():
        control = list(endpoints.by_seed(results, cell, "dense").values())
        if control and cell.sparsity == levels(results.grid)[0]:
            dense.append({"dataset": cell.dataset, "model": cell.model, "value": round(float(np.mean(control)), 4)})
        for method in results.grid.methods:
            estimate = found[method, "dense"].judgement.estimate
            values = list(endpoints.by_seed(results, cell, method).values())
            if values:
                value, half = float(np.mean(values)), estimate.half_width
                row = {"dataset": cell.dataset, "model": cell.model, "method": method, "sparsity": cell.sparsity}
                ends = {"value": value, "low": value - half, "high": value + half}
                safe = bool(estimate.n and estimate.measured and shown_safe(estimate, results.grid.margin))
                rows.append(row | {name: round(of, 4) for name, of in ends.items()} | {"safe": safe})
    keys = ["dataset", "model"]
    return (
        pd.DataFrame(rows, columns=[*keys, "method", "sparsity", "value", "low", "high", "safe"]),
        pd.DataFrame(dense, columns=[*keys, "value"]),
    )


def costs(results: Results) -> pd.DataFrame:
    """Each network's primary endpoint (percent), packed megabytes, and time for one image against the unpruned network.

    Means over seeds; after those in torch those that were measured in formats of deployment.
    """
    rows, seen = [], set()
    for arm in arms_of(results.grid):
        key = (arm.dataset, arm.model, arm.method, arm.sparsity)
        if key in seen:
            continue
        seen.add(key)
        mine = runs(results.summary, Cell(arm.model, arm.dataset, arm.sparsity), arm.method)
        if mine.empty:
            continue
        level = f" {arm.sparsity * 100:g} %" if arm.sparsity else ""
        kind = "student" if arm.kind == "student" else arm.method
        values = {
            "value": mine[results.grid.primary_of(arm.dataset)].mean() * 100,
            "megabytes": mine["size_packed_bytes"].mean() / 1e6,
            "times": mine["batch_1_to_dense"].mean(),  # milliseconds of networks timed at other moments do not compare
        }
        where = {"dataset": arm.dataset, "model": arm.model, "network": arm.method + level, "method": kind}
        rows.append(where | {name: round(value, 4) for name, value in values.items()} | {"format": "torch, fp32"})
    columns = ["dataset", "model", "network", "method", "value", "megabytes", "times", "format"]
    return pd.DataFrame([*rows, *deployed.costs(results)], columns=columns)


def harm(results: Results) -> pd.DataFrame:
    """Recall of classes by cell, dense and each method (percent): all of few classes, of many those that lose most; critical
    ones first. Negative controls would choose the classes and set the scale: they are left out."""
    rows, verdicts = [], judged_recall(results)
    for cell in cells_of(results.grid):
        found = recall_changes(results, cell)
        if found.empty:
            continue
        found = found.assign(critical=found["class"].isin(results.grid.critical)).sort_values(
            "critical", ascending=False, kind="stable"
        )
        for _, row in found.head(FEW if len(found) <= FEW else SHOWN).iterrows():
            for method in results.grid.choices:
                if math.isnan(row[method]):
                    continue
                judgement = verdicts.get((cell, method, row["class"]))
                verdict = f"fewer than {FEWEST} groups" if judgement is None else judgement.verdict
                change = round(row[method] * 100, 3)
                of = {
                    "cell": str(cell),
                    "class": row["class"],
                    "critical": bool(row["critical"]),
                    "method": method,
                    "verdict": verdict,
                }
                rows.append(
                    of | {"dense": round(row["dense"] * 100, 3), "value": round(row["dense"] * 100 + change, 3), "change": change}
                )
    return pd.DataFrame(rows, columns=["cell", "class", "critical", "method", "verdict", "dense", "value", "change"])


def subgroup_changes(results: Results) -> pd.DataFrame:
    """Change from dense by subgroup, of the balanced accuracy or whatever is measured first, with intervals over test images."""
    found, rows = findings(results), []
    every = [
        change for change in of_choices(results, every_change(results)) if change.part.name != EVERY and not change.part.small
    ]
    for cell in dict.fromkeys(change.cell for change in every):
        mine = [change for change in every if change.cell == cell]
        names = {change: f"{change.part.column} {change.part.name}: {change.part.measure}" for change in mine}
        most: dict[str, float] = {}
        for change, name in names.items():
            most[name] = max(most.get(name, 0.0), abs(change.value))
        kept = sorted(most, key=lambda name: -most[name])[:SUBGROUPS]
        rows += [
            {"cell": str(cell), "subgroup": name, "method": change.method, "shown": change in found}
            | {end: round(100 * getattr(change, of), 3) for end, of in (("change", "value"), ("low", "low"), ("high", "high"))}
            for change, name in sorted(names.items(), key=lambda of: kept.index(of[1]) if of[1] in kept else 0)
            if name in kept
        ]
    return pd.DataFrame(rows, columns=["cell", "subgroup", "method", "shown", "change", "low", "high"])
