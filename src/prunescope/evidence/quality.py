"""How well networks classify: the headline, the accuracies beside the paper's, all metrics, and those of each class."""

from collections.abc import Sequence
from functools import lru_cache

import pandas as pd

from prunescope.evidence import endpoints
from prunescope.evidence.paper import beside
from prunescope.evidence.text import NOT_RUN, NOTHING, counts, mean, percent, spread, view
from prunescope.results.grid import Cell, arms_of, cells_of, controls, fewer, levels, unpruned
from prunescope.results.results import Results
from prunescope.results.summary import runs

NAMED = {"mel": "melanoma"}  # classes whose sensitivity and specificity stand among the metrics of the whole
AFTER = {"right after pruning %": "accuracy_after_pruning", "re-estimated %": "accuracy_after_reestimation"}
MANY = 4  # methods: with more, a column of each is too wide a table
FEW = 10  # classes: with more, a table of each is no reading


def headline_table(results: Results, only: Sequence[float] | None = None) -> tuple[pd.DataFrame, int]:
    """The primary endpoint in percent, and how many columns name the rows: a row per cell and a column per network, or the other
    way round where there are many methods, then at these levels alone.
    """
    many = len(results.grid.methods) > MANY
    return _by_network(results, only or levels(results.grid)) if many else (_by_cell(results), 4)


def _by_network(results: Results, wanted: Sequence[float]) -> tuple[pd.DataFrame, int]:
    """With the networks of fewer channels, and the multiplications of each by the dense network's; a column for each model and
    data set of which something ran."""
    grid, several = results.grid, len(wanted) > 1
    cells = [Cell(model, dataset, wanted[0]) for dataset in grid.datasets for model in grid.models]
    known = set(zip(results.summary["model"], results.summary["dataset"], strict=True))
    cells = [cell for cell in cells if cell[:2] in known] or cells
    dense = {cell: runs(results.summary, cell, "dense")["macs"].mean() for cell in cells}
    names = dict.fromkeys((*grid.methods, *(of for cell in cells for of in fewer(grid, cell.model))))
    rows = []
    for name, level in (("dense", 0.0), *((name, level) for level in wanted for name in names)):
        arms = {cell: runs(results.summary, cell._replace(sparsity=level), name) for cell in cells}
        row = {"network": name} | ({"sparsity %": f"{level * 100:.1f}"} if several else {})
        ran = [len(of) for of in arms.values()]
        differ = len({*filter(None, ran)}) > 1  # then the row has a number for each column
        row["n"] = ", ".join(str(number or NOTHING) for number in ran) if differ else str(max(ran))
        for cell, of in arms.items():
            measure = grid.primary_of(cell.dataset)
            title = f"{endpoints.title(measure)} %, {cell.network if several else cell}"
            row[title] = percent(of[measure]) if len(of) else NOT_RUN
        shares = [mean(of["nonzero_macs"] / dense[cell] * 100) for cell, of in arms.items()]
        rows.append(row | {"MACs left %": ", ".join(shares)})
    return pd.DataFrame(rows), 2 if several else 1


def _by_cell(results: Results) -> pd.DataFrame:
    rows = []
    for cell in cells_of(results.grid):
        arms = {name: runs(results.summary, cell, name) for name in ("dense", *results.grid.methods)}
        measure = results.grid.primary_of(cell.dataset)
        row = (
            cell.labels() | {"endpoint %": endpoints.title(measure)} | {"n": counts([len(of) for of in arms.values() if len(of)])}
        )
        row |= {n: percent(of[measure]) if len(of) else NOT_RUN for n, of in arms.items()}
        kept = {n: mean(of["nonzero_macs"] / of["macs"] * 100, ".0f") for n, of in arms.items() if n != "dense" and len(of)}
        rows.append(row | {"MACs left %": ", ".join(f"{n} {share}" for n, share in kept.items())})
    return pd.DataFrame(rows)


def accuracy_table(results: Results, paper: pd.DataFrame | None = None) -> pd.DataFrame:
    """Methods by sparsity for each model and data set, after the dense control; the paper's column if it has any."""

    def columns(cell: Cell, method: str) -> dict[str, str]:
        arm = runs(results.summary, cell, method)
        row = {"n": str(len(arm)), "accuracy %": percent(arm["accuracy"]) if len(arm) else NOT_RUN}
        row["balanced accuracy %"] = percent(arm["balanced_accuracy"])
        for title, column in AFTER.items():
            row[title] = NOTHING if unpruned(method) else percent(arm[column])
        row["achieved sparsity %"] = mean(arm["achieved_sparsity"] * 100, ".1f")
        row["compression"] = mean(arm["compression_ratio"], ".2f", "×")
        if paper is not None:
            row["paper %"] = beside(paper, cell, method)
        return row

    table = view(results.grid, results.grid.models, columns)
    if paper is not None and (table["paper %"] == NOTHING).all():
        table = table.drop(columns="paper %")
    return table


def metrics_table(results: Results) -> pd.DataFrame:
    """Every metric of the test split per arm; `NAMED` classes where a data set has them."""
    every = by_class(results)

    def columns(cell: Cell, method: str) -> dict[str, str]:
        arm = runs(results.summary, cell, method)
        row = {"n": str(len(arm)), "accuracy %": percent(arm["accuracy"]) if len(arm) else NOT_RUN}
        row |= {"top-5 %": percent(arm["top5_accuracy"]), "balanced accuracy %": percent(arm["balanced_accuracy"])}
        row |= {"macro F1 %": percent(arm["macro_f1"]), "AUC": spread(arm["auc"], ".3f")}
        row |= {"NLL": spread(arm["nll"], ".3f"), "Brier": spread(arm["brier"], ".3f"), "ECE %": percent(arm["ece"])}
        for name, title in NAMED.items():
            if (every["class"] == name).any():
                mine = runs(every[every["class"] == name], cell, method)
                row |= {f"{title} {part} %": percent(mine[part]) for part in ("sensitivity", "specificity")}
        return row

    return view(results.grid, results.grid.models, columns)


@lru_cache(maxsize=8)
def by_class(results: Results) -> pd.DataFrame:
    """The rows of all arms' class files, with the arm's keys."""
    arms = [arm for arm in arms_of(results.grid) if arm.kind != "student"]
    found = [table for arm in arms if (table := results.classes(arm)) is not None]
    keys = ["dataset", "model", "method", "sparsity", "seed", "class", "sensitivity", "specificity", "auc"]
    return pd.concat(found, ignore_index=True) if found else pd.DataFrame(columns=keys)


def many_classes(results: Results) -> list[str]:
    """The data sets of more than `FEW` classes, with their number."""
    counts = by_class(results).groupby("dataset", sort=False)["class"].nunique()
    return [f"{dataset} ({count})" for dataset, count in counts.items() if count > FEW]


def class_metrics_table(results: Results) -> pd.DataFrame:
    """Sensitivity, specificity and AUC of each class by network, for data sets of at most `FEW` classes."""
    every = by_class(results)
    rows = []
    for (dataset, model), of in every.groupby(["dataset", "model"], sort=False):
        names = list(dict.fromkeys(of["class"]))
        for name in names if len(names) <= FEW else ():
            for method, level in controls(results.grid, str(model)):
                cell = Cell(str(model), str(dataset), level)
                mine = runs(of[of["class"] == name], cell, method)
                labels = cell.labels()
                where = {"model": model, "data": dataset, "class": name, "sparsity %": labels["sparsity %"], "method": method}
                numbers = {f"{part} %": percent(pd.to_numeric(mine[part])) for part in ("sensitivity", "specificity")}
                rows.append(where | {"images": mean(mine["images"]) if len(mine) else NOT_RUN} | numbers)
                rows[-1]["AUC"] = spread(pd.to_numeric(mine["auc"]), ".3f") if len(mine) else NOTHING
    return pd.DataFrame(rows)
