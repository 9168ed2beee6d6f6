"""Predictions of a folder's networks in two files, as archives hold them.

evaluate/<cell>/images.csv has a row per test image with what is known of it; predictions.csv has the same rows and the columns
`predicted:<network>`, `auc_share:<network>` and `score_<class>:<network>` of each network. What many networks share then stands
once, and what they say of an image in one line: an archive of several seeds takes a third of what their own files would.
"""

import pandas as pd

from prunescope.errors import PrunescopeError
from prunescope.results.predictions import COLUMNS, SCORE, SHARE
from prunescope.results.reading import Files

IMAGES, PREDICTIONS = "images.csv", "predictions.csv"
Tables = dict[str, pd.DataFrame]


def alone(files: Files, folder: str, network: str) -> pd.DataFrame | None:
    """The table of a network that has a file of its own; None where it has none."""
    return _text(files, f"{folder}/{own_file(network)}", set(COLUMNS))


def read(files: Files, folder: str) -> Tables:
    """The table of each joined network by its name, as its own file had it; empty where nothing is joined."""
    images, every = _text(files, f"{folder}/{IMAGES}", set(COLUMNS[:-1])), _text(files, f"{folder}/{PREDICTIONS}", set())
    if images is None or every is None:
        return {}
    if len(images) != len(every):
        paths = " and ".join(files.path(f"{folder}/{name}") for name in (IMAGES, PREDICTIONS))
        raise PrunescopeError(f"{paths}: found {len(images)} and {len(every)} rows, wanted the same images; keep the study again")
    columns: dict[str, dict[str, pd.Series]] = {}
    for name in map(str, every):
        column, _, network = name.rpartition(":")
        columns.setdefault(network, {})[column] = every[name]
    known = images.columns.difference(COLUMNS, sort=False)
    return {
        network: pd.concat([images[COLUMNS[:-1]], pd.DataFrame(own), images[known]], axis=1) for network, own in columns.items()
    }


def written(tables: Tables, *, shares: bool) -> dict[str, bytes]:
    """Files below the folder for these networks. One that saw other images than the first keeps a file of its own.

    shares: whether what each image has to do with the AUC is kept
    """
    own = {
        name: [of for of in map(str, table) if of in (COLUMNS[-1], SHARE) or of.startswith(SCORE)]
        for name, table in tables.items()
    }
    known = {name: table.drop(columns=own[name]) for name, table in tables.items()}
    images = next(iter(known.values()))
    apart = {name: table for name, table in tables.items() if not known[name].equals(images)}
    columns = {
        f"{of}:{name}": _short(table[of])
        for of in dict.fromkeys(of for each in own.values() for of in each)
        for name, table in tables.items()
        if of in table and name not in apart and (shares or of != SHARE)
    }
    made = {IMAGES: images, PREDICTIONS: pd.DataFrame(columns)} | {own_file(name): table for name, table in apart.items()}
    return {name: table.to_csv(index=False, lineterminator="\n").encode() for name, table in made.items()}


def own_file(network: str) -> str:
    """The file in which a network's predictions lie alone, as the stage evaluate leaves them."""
    return f"{network}-predictions.csv"


def _text(files: Files, name: str, columns: set[str]) -> pd.DataFrame | None:
    return files.table(name, columns, dtype=str, keep_default_na=False)  # a class may be called NA


def _short(column: pd.Series) -> pd.Series:
    """A column of text with numbers of few digits."""
    if column.name == COLUMNS[-1]:
        return column
    digits = 3 if column.name == SHARE else 4  # significant ones: an AUC is the sum of thousands of shares
    return column.map(lambda number: f"{float(str(number)):.{digits}g}" if number else "")
