"""How well networks classify: the headline, the accuracies beside the paper's, all metrics, and those of each class."""

from pathlib import Path

import pandas as pd

from prunescope.errors import PrunescopeError
from prunescope.results.arms import Arm, Study, arms_of, cells_of
from prunescope.results.tables import NOT_RUN, NOTHING, controls, counts, mean, percent, runs, spread, view

PAPER = Path(__file__).with_name("paper.csv")
NAMED = {"mel": "melanoma"}  # classes whose sensitivity and specificity stand among the metrics of the whole
FEW = 10  # classes: with more, a table of each is no reading


def paper_accuracies(path: Path = PAPER) -> pd.DataFrame:
    """The paper's own accuracies (fractions); no rows where none were transcribed. Raises on a percent."""
    paper = pd.read_csv(path)
    wanted = ["model", "dataset", "method", "sparsity", "accuracy", "where"]
    if list(paper.columns) != wanted:
        raise PrunescopeError(f"{path}: found the columns {list(paper.columns)}, wanted {wanted}")
    accuracy = pd.to_numeric(paper["accuracy"], errors="coerce")
    if not accuracy.between(0, 1).all():
        raise PrunescopeError(f"{path}: found an accuracy outside 0 to 1, wanted fractions; write 0.75 for 75 %")
    return paper.assign(accuracy=accuracy, sparsity=pd.to_numeric(paper["sparsity"]).astype("float64"))


def headline_table(summary: pd.DataFrame, study: Study) -> pd.DataFrame:
    """Balanced accuracy, a row per cell, a column per network."""
    rows = []
    for model, dataset, level in cells_of(study):
        arms = {"dense": runs(summary, model, dataset, "dense", 0.0)}
        arms |= {method: runs(summary, model, dataset, method, level) for method in study.methods}
        row = {"model": model, "data": dataset, "sparsity %": f"{level * 100:.1f}"}
        row |= {"n": counts([len(of) for of in arms.values() if len(of)])}
        rows.append(row | {n: percent(of["balanced_accuracy"]) if len(of) else NOT_RUN for n, of in arms.items()})
    return pd.DataFrame(rows)


def accuracy_table(summary: pd.DataFrame, study: Study, paper: pd.DataFrame | None = None) -> pd.DataFrame:
    """Methods by sparsity for each model and data set, after the dense control; the paper's column if it has any."""

    def cells(model: str, dataset: str, method: str, level: float) -> dict[str, str]:
        arm = runs(summary, model, dataset, method, level)
        row = {"n": str(len(arm)), "accuracy %": percent(arm["accuracy"]) if len(arm) else NOT_RUN}
        row["balanced accuracy %"] = percent(arm["balanced_accuracy"])
        row["right after pruning %"] = percent(arm["accuracy_after_pruning"]) if method != "dense" else NOTHING
        row["achieved sparsity %"] = mean(arm["achieved_sparsity"] * 100, ".1f")
        row["compression"] = mean(arm["compression_ratio"], ".2f", "×")
        if paper is not None:
            found = runs(paper, model, dataset, method, level)
            row["paper %"] = f"{found['accuracy'].iloc[0] * 100:.1f} ({found['where'].iloc[0]})" if len(found) else NOTHING
        return row

    table = view(study, study.models, controls(study), cells)
    if paper is not None and (table["paper %"] == NOTHING).all():
        table = table.drop(columns="paper %")
    return table


def metrics_table(metrics: Path, summary: pd.DataFrame, study: Study) -> pd.DataFrame:
    """Every metric of the test split per arm; `NAMED` classes where a data set has them."""
    every = by_class(metrics, study)

    def cells(model: str, dataset: str, method: str, level: float) -> dict[str, str]:
        arm = runs(summary, model, dataset, method, level)
        row = {"n": str(len(arm)), "accuracy %": percent(arm["accuracy"]) if len(arm) else NOT_RUN}
        row |= {"top-5 %": percent(arm["top5_accuracy"]), "balanced accuracy %": percent(arm["balanced_accuracy"])}
        row |= {"macro F1 %": percent(arm["macro_f1"]), "AUC": spread(arm["auc"], ".3f")}
        row |= {"NLL": spread(arm["nll"], ".3f"), "Brier": spread(arm["brier"], ".3f"), "ECE %": percent(arm["ece"])}
        for name, title in NAMED.items():
            if (every["class"] == name).any():
                mine = runs(every[every["class"] == name], model, dataset, method, level)
                row |= {f"{title} {part} %": percent(mine[part]) for part in ("sensitivity", "specificity")}
        return row

    return view(study, study.models, controls(study), cells)


def by_class(metrics: Path, study: Study) -> pd.DataFrame:
    """The rows of all arms' class files, with the arm's keys."""
    found = [table for arm in arms_of(study) if arm.kind != "student" and (table := _classes(metrics, arm)) is not None]
    keys = ["dataset", "model", "method", "sparsity", "seed", "class", "sensitivity", "specificity", "auc"]
    return pd.concat(found, ignore_index=True) if found else pd.DataFrame(columns=keys)


def _classes(metrics: Path, arm: Arm) -> pd.DataFrame | None:
    path = metrics / f"{arm.evaluate}-classes.csv"
    if not path.is_file():
        return None
    table = pd.read_csv(path, dtype={"class": str}, keep_default_na=False, na_values={"sensitivity": "", "auc": ""})
    missing = {"class", "images", "sensitivity", "specificity", "auc"} - set(table.columns)
    if missing:
        raise PrunescopeError(f"{path}: found no column {', '.join(sorted(missing))}; run its stage again (dvc repro)")
    keys = {key: getattr(arm, key) for key in ("dataset", "model", "method", "sparsity", "seed")}
    return table.assign(**keys)


def many_classes(metrics: Path, study: Study) -> list[str]:
    """The data sets of more than `FEW` classes, with their number."""
    counts = by_class(metrics, study).groupby("dataset", sort=False)["class"].nunique()
    return [f"{dataset} ({count})" for dataset, count in counts.items() if count > FEW]


def class_metrics_table(metrics: Path, study: Study) -> pd.DataFrame:
    """Sensitivity, specificity and AUC of each class by network, for data sets of at most `FEW` classes."""
    every = by_class(metrics, study)
    rows = []
    for (dataset, model), cell in every.groupby(["dataset", "model"], sort=False):
        names = list(dict.fromkeys(cell["class"]))
        for name in names if len(names) <= FEW else ():
            for method, level in controls(study):
                mine = runs(cell[cell["class"] == name], str(model), str(dataset), method, level)
                where = {"model": model, "data": dataset, "class": name, "sparsity %": f"{level * 100:.1f}", "method": method}
                numbers = {f"{part} %": percent(pd.to_numeric(mine[part])) for part in ("sensitivity", "specificity")}
                rows.append(where | {"images": mean(mine["images"]) if len(mine) else NOT_RUN} | numbers)
                rows[-1]["AUC"] = spread(pd.to_numeric(mine["auc"]), ".3f") if len(mine) else NOTHING
    return pd.DataFrame(rows)
