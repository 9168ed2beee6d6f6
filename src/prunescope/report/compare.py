"""Methods side by side: in the work tree, in any revisions and kept studies, or over all experiments (against sparsity)."""

import json
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from prunescope.errors import PrunescopeError
from prunescope.evidence.text import NOTHING, counts, percent, spread
from prunescope.figures.curves import sparsity_curves
from prunescope.figures.look import png
from prunescope.files import write_bytes
from prunescope.report.blocks import Table, markdown_table
from prunescope.report.summaries import PARTS, gather, measures
from prunescope.results.summary import EVALUATE, LATENCY, SIMILARITY, TRAINING

MEASURES = (*EVALUATE, *TRAINING, *SIMILARITY, *LATENCY)
FRACTIONS = (
    *("accuracy", "balanced_accuracy", "macro_f1", "top5_accuracy", "ece", "accuracy_after_pruning"),
    *("accuracy_after_reestimation", "target_sparsity", "achieved_sparsity"),
)


def side_by_side(rows: pd.DataFrame, measure: str) -> pd.DataFrame:
    """A row per revision, data set, model and sparsity, a column per method: mean ± sample standard deviation over n seeds.

    rows: of `gather`; students are left out. The dense control, which has no sparsity of its own, stands in every row of its
    model and revision. PrunescopeError where no arm has the measure.
    """
    rows = _measured(rows, measure)
    methods = [name for name in dict.fromkeys(rows["method"]) if name != "dense"]
    several, table = rows["revision"].nunique() > 1, []
    order = {name: place for place, name in enumerate(dict.fromkeys(rows["revision"]))}
    for (dataset, model), cell in rows.groupby(["dataset", "model"], sort=False):
        arms = cell[cell["method"] != "dense"]
        found = sorted(set(zip(arms["sparsity"], arms["revision"].map(order), strict=True)))
        bare = [(0.0, order[name]) for name in dict.fromkeys(cell["revision"]) if name not in set(arms["revision"])]
        for level, place in [*bare, *found]:
            here = cell[cell["revision"].map(order) == place]
            values = {"dense": here[here["method"] == "dense"][measure].dropna()}
            values |= {name: here[(here["method"] == name) & (here["sparsity"] == level)][measure].dropna() for name in methods}
            row = {"revision": next(name for name, at in order.items() if at == place)} if several else {}
            row |= {"data": dataset, "model": model, "sparsity %": f"{level * 100:g}"}
            row |= {"n": counts([len(of) for of in values.values() if len(of)])}
            table.append(row | {name: _text(of, measure) for name, of in values.items()})
    return pd.DataFrame(table)


def records(rows: pd.DataFrame, measure: str) -> list[dict[str, str | float | int | None]]:
    """The same as numbers, an entry per arm and revision: mean, sample standard deviation (None for one seed), n."""
    found = []
    keys = ["revision", "dataset", "model", "method", "sparsity"]
    for where, arms in _measured(rows, measure).groupby(keys, sort=False):
        values = arms[measure].dropna()
        deviation = float(values.std(ddof=1)) if len(values) > 1 else None
        entry = dict(zip(keys, where, strict=True)) | {"measure": measure, "n": len(values)}
        found.append(entry | {"mean": float(values.mean()) if len(values) else None, "std": deviation})
    return found


def _measured(rows: pd.DataFrame, measure: str) -> pd.DataFrame:
    """The arms without students, each once: a dense control comes with every cell of its model. Of a class its data sets."""
    arms = rows[rows["kind"] != "student"].drop_duplicates()
    if measure not in (there := measures(arms)):
        found = (
            f"found no {measure} in {', '.join(rows['revision'].unique())}"
            if _known(measure)
            else f"found the measure {measure!r}"
        )
        raise PrunescopeError(f"{found}, wanted one of {', '.join(there)}; after dvc repro there may be others")
    return arms[arms.groupby("dataset")[measure].transform("count") > 0] if ":" in measure else arms


def _known(measure: str) -> bool:
    return measure in MEASURES or measure.partition(":")[0] in PARTS


def fraction(measure: str) -> bool:
    """Whether a measure is shown in percent."""
    return measure in FRACTIONS or ":" in measure


def _text(values: pd.Series, measure: str) -> str:
    if values.dropna().empty:
        return NOTHING
    return percent(values) if fraction(measure) else spread(values, ",.0f" if values.abs().max() >= 1000 else ".3f")


def compare(revisions: Sequence[str], *, every_experiment: bool, measure: str, form: str, figure: Path | None = None) -> str:
    """The comparison as text in the form table, markdown or json; with `figure` also drawn against sparsity (PNG)."""
    rows = gather(revisions, every_experiment=every_experiment, measure=measure)
    if figure is not None:
        write_bytes(figure, png(sparsity_curves(_measured(rows, measure), measure, percent=fraction(measure))))
    if form == "json":
        return json.dumps(records(rows, measure), indent=2)
    table = side_by_side(rows, measure)
    title = f"{measure}{', %' if fraction(measure) else ''}: mean ± sample standard deviation over n seeds"
    if form == "markdown":
        return markdown_table(Table(table, title, labels=list(table.columns).index("n")))
    return f"{title}\n{table.to_string(index=False)}"
