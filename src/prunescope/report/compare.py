"""Methods side by side: in the work tree, in any revisions, or over all experiments (accuracy against sparsity).

Reads metrics/summary.csv alone, which is in git: nothing is checked out, pulled or trained.
"""

import json
import re
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

import pandas as pd

from prunescope.errors import PrunescopeError
from prunescope.evidence.text import NOTHING, counts, percent, spread
from prunescope.figures.curves import sparsity_curves
from prunescope.figures.look import png
from prunescope.files import write_bytes
from prunescope.report.blocks import Table, markdown_table
from prunescope.results.summary import EVALUATE, KEYS, LATENCY, SIMILARITY, TRAINING, read_summary

SUMMARY = "metrics/summary.csv"
HERE = "work tree"
MEASURES = (*EVALUATE, *TRAINING, *SIMILARITY, *LATENCY)
FRACTIONS = (
    *("accuracy", "balanced_accuracy", "macro_f1", "top5_accuracy", "ece", "accuracy_after_pruning"),
    *("accuracy_after_reestimation", "target_sparsity", "achieved_sparsity"),
)
EXPERIMENT = re.compile(r"^refs/exps/([0-9a-f]{2}/[0-9a-f]{38})/(.+)$")


def experiments() -> dict[str, str]:
    """Revisions by name of DVC's experiments in this repository, the oldest first."""
    lines = _git("for-each-ref", "refs/exps", "--sort=creatordate", "--format=%(refname)").splitlines()
    found = [match for line in lines if (match := EXPERIMENT.match(line))]
    names = [match[2] for match in found]
    # DVC takes the same name again on another commit: that commit's start then tells them apart.
    return {
        name if names.count(name) == 1 else f"{name}@{match[1].replace('/', '')[:7]}": match[0]
        for name, match in zip(names, found, strict=True)
    }


def gather(revisions: Sequence[str], *, every_experiment: bool) -> pd.DataFrame:
    """Rows of the summaries of the revisions (names of experiments, branches, commits), each with its `revision`.

    Without revisions the work tree's. With all experiments, cells (data set, model and sparsity with their dense control) of
    which an earlier one has the very same numbers stand once. PrunescopeError where there is no summary.
    """
    known = experiments()
    if not every_experiment:
        return pd.concat(
            [_summary(name, known.get(name, name)) for name in revisions] or [_summary(HERE, None)], ignore_index=True
        )
    wanted = {name: known.get(name, name) for name in revisions} | known
    parts = [_summary(HERE, None), *(_summary(name, revision) for name, revision in wanted.items())]
    return pd.concat(_new_cells(parts), ignore_index=True)


def _new_cells(parts: Sequence[pd.DataFrame]) -> Iterator[pd.DataFrame]:
    """Of each revision the cells that no earlier one has with the same numbers; a dense control goes with its cells."""
    seen: set[bytes] = set()
    for rows in parts:
        for _, of in rows.groupby(["dataset", "model"], sort=False):
            bare = of["sparsity"] == 0
            for _, cell in list(of[~bare].groupby("sparsity", sort=False)) or [(0.0, of.head(0))]:
                whole = pd.concat([of[bare], cell])
                numbers = whole[[*KEYS, "accuracy", "balanced_accuracy", "nll"]].to_csv(index=False).encode()
                if numbers not in seen:
                    seen.add(numbers)
                    yield whole


def _summary(name: str, revision: str | None) -> pd.DataFrame:
    if revision is None:
        path = Path(SUMMARY)
        if not path.is_file():
            raise PrunescopeError(f"found no {SUMMARY} here; run it in the repository, after dvc repro")
        text = path.read_text(encoding="utf-8")
    else:
        try:
            text = _git("show", f"{revision}:{SUMMARY}")
        except PrunescopeError as error:
            listed = ", ".join(experiments()) or "none"
            raise PrunescopeError(
                f"found no {SUMMARY} in {name!r}, wanted a branch, commit or experiment that has one; experiments here: {listed}"
            ) from error
    return read_summary(text, f"{SUMMARY} of {name}").assign(revision=name)


def _git(*arguments: str) -> str:
    try:
        done = subprocess.run(["git", *arguments], capture_output=True, text=True, encoding="utf-8", check=False)
    except OSError as error:
        raise PrunescopeError(f"git cannot be run: {error}") from error
    if done.returncode:
        raise PrunescopeError(done.stderr.strip() or f"git {arguments[0]} failed")
    return done.stdout


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
    """The arms without students, each once: a dense control comes with every cell of its model."""
    if measure not in MEASURES:
        raise PrunescopeError(f"found the measure {measure!r}, wanted one of {', '.join(MEASURES)}")
    arms = rows[rows["kind"] != "student"].drop_duplicates()
    if measure not in arms.columns or arms[measure].isna().all():
        raise PrunescopeError(f"found no {measure} in {', '.join(rows['revision'].unique())}; run dvc repro there")
    return arms


def _text(values: pd.Series, measure: str) -> str:
    if values.dropna().empty:
        return NOTHING
    return percent(values) if measure in FRACTIONS else spread(values, ",.0f" if values.abs().max() >= 1000 else ".3f")


def compare(revisions: Sequence[str], *, every_experiment: bool, measure: str, form: str, figure: Path | None = None) -> str:
    """The comparison as text in the form table, markdown or json; with `figure` also drawn against sparsity (PNG)."""
    rows = gather(revisions, every_experiment=every_experiment)
    if figure is not None:
        write_bytes(figure, png(sparsity_curves(_measured(rows, measure), measure, percent=measure in FRACTIONS)))
    if form == "json":
        return json.dumps(records(rows, measure), indent=2)
    table = side_by_side(rows, measure)
    title = f"{measure}{', %' if measure in FRACTIONS else ''}: mean ± sample standard deviation over n seeds"
    if form == "markdown":
        return markdown_table(Table(table, title, labels=list(table.columns).index("n")))
    return f"{title}\n{table.to_string(index=False)}"
