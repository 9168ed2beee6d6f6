"""Summaries to compare: of the work tree, of revisions, of experiments, and of folders, such as kept studies.

Of revisions metrics/summary.csv alone is read, which is in git: nothing is checked out, pulled or trained. Folders need no git.
"""

import re
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

import pandas as pd

from prunescope.errors import PrunescopeError
from prunescope.report import studies
from prunescope.results.grid import Cell, unpruned
from prunescope.results.kept import ARCHIVE, archived, kept_grid
from prunescope.results.reading import Files
from prunescope.results.summary import KEYS, read_summary

SUMMARY = "metrics/summary.csv"
HERE = "work tree"
PARTS = ("sensitivity", "specificity", "auc")  # of class files: measures called sensitivity:<class>
FEW = 10  # classes: with more, only the critical ones and the one that is asked for
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


def gather(names: Sequence[str], *, every_experiment: bool, measure: str = "") -> pd.DataFrame:
    """Rows of the summaries of `names` (folders with a summary, experiments, branches, commits), each with its `revision`.

    Without names the work tree's. With all experiments, cells (data set, model and sparsity with their dense control) of
    which an earlier one has the very same numbers stand once. Where `measure` is no column of the summaries, columns such as
    sensitivity:mel are added, as far as class files are at hand. PrunescopeError where there is no summary.
    """
    folders = {name: folder for name in names if (folder := _folder(name))}
    known = experiments() if every_experiment or (set(names) - set(folders) and _in_git()) else {}
    wanted: dict[str, Path | str] = {HERE: Path("metrics")} if every_experiment or not names else {}
    for name in names:
        folder = folders.get(name)
        here = folder is not None and folder.resolve() == Path("metrics").resolve()
        wanted[HERE if here else name.rstrip("/") or name] = folder or known.get(name, name)
    wanted |= known if every_experiment else {}
    parts = [_summary(name, where) for name, where in wanted.items()]
    if any(measure not in part.columns for part in parts) and measure:
        parts = [_with_classes(part, where, measure) for part, where in zip(parts, wanted.values(), strict=True)]
    return pd.concat(_new_cells(parts) if every_experiment else parts, ignore_index=True)


def measures(rows: pd.DataFrame) -> list[str]:
    """The columns that have a number in some row."""
    columns = [name for name in rows.columns if name not in (*KEYS, "revision")]
    return [name for name in columns if pd.api.types.is_numeric_dtype(rows[name]) and rows[name].notna().any()]


def _folder(name: str) -> Path | None:
    """Where a folder has its summary: a kept study, a folder of metrics, or a repository; None where it has none."""
    path = Path(name)
    places = (path.parent if path.name == "summary.csv" else path, path / "metrics")
    return next((place for place in places if (place / "summary.csv").is_file()), None)


def _in_git() -> bool:
    try:
        return bool(_git("rev-parse", "--git-dir"))
    except PrunescopeError:
        return False


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


def _summary(name: str, where: Path | str) -> pd.DataFrame:
    """The summary in a folder, or of a revision."""
    if isinstance(where, Path):
        path = where / "summary.csv"
        if not path.is_file():
            raise PrunescopeError(f"found no {SUMMARY} here; run it in the repository, after dvc repro")
        return read_summary(path.read_text(encoding="utf-8"), f"{SUMMARY} of {name}" if name == HERE else str(path)).assign(
            revision=name
        )
    try:
        text = _git("show", f"{where}:{SUMMARY}")
    except PrunescopeError as error:
        listed = f"experiments here: {', '.join(experiments()) or 'none'}" if _in_git() else "here is no git repository"
        raise PrunescopeError(
            f"found no {SUMMARY} in {name!r}, wanted a branch, commit or experiment that has one, or a folder with a "
            f"summary.csv, such as a kept study; {listed}"
        ) from error
    return read_summary(text, f"{SUMMARY} of {name}").assign(revision=name)


def _with_classes(rows: pd.DataFrame, where: Path | str, measure: str) -> pd.DataFrame:
    """The rows with columns <part>:<class> of the class files of a folder; a revision has none, for they are DVC's."""
    if not isinstance(where, Path):
        return rows
    files, critical = Files(where), ()
    if (where / ARCHIVE).is_file():
        studies.require(where)
        files, critical = archived(where), kept_grid(where).critical
    found = [_classes(files, row) for row in rows[list(KEYS)].to_dict("records")]
    for dataset in rows["dataset"].unique():
        mine = [of for of, name in zip(found, rows["dataset"], strict=True) if name == dataset and of is not None]
        names = list(dict.fromkeys(str(name) for of in mine for name in of.index))
        asked = {measure.partition(":")[2], *critical, *(names if len(names) <= FEW and not critical else ())}
        for column, part, name in ((f"{part}:{name}", part, name) for part in PARTS for name in names if name in asked):
            numbers = [None if of is None or name not in of.index else of.at[name, part] for of in found]
            rows = rows.assign(**{column: pd.Series(numbers, index=rows.index, dtype="float64")})
    return rows


def _classes(files: Files, row: dict) -> pd.DataFrame | None:
    """PARTS of each class, by class, as an arm's class file has them."""
    cell, seed = Cell(row["model"], row["dataset"], row["sparsity"]), row["seed"]
    name = f"evaluate/{cell.dense(seed) if unpruned(row['method']) else cell.of(seed)}/{row['method']}-classes.csv"
    settings = {"dtype": {"class": str}, "keep_default_na": False, "na_values": dict.fromkeys(PARTS, "")}
    table = files.table(name, {"class", *PARTS}, **settings)
    return None if table is None else table.set_index("class")[list(PARTS)]


def _git(*arguments: str) -> str:
    try:
        done = subprocess.run(["git", *arguments], capture_output=True, text=True, encoding="utf-8", check=False)
    except OSError as error:
        raise PrunescopeError(f"git cannot be run: {error}") from error
    if done.returncode:
        raise PrunescopeError(done.stderr.strip() or f"git {arguments[0]} failed")
    return done.stdout
