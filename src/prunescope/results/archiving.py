"""What a kept study's archive holds of the stages' files: nothing large, numbers in few digits, what repeats once."""

import re
from collections.abc import Collection, Mapping
from functools import partial
from itertools import combinations, product
from pathlib import Path

import numpy as np

from prunescope.results import joined
from prunescope.results.grid import Grid, cells_of
from prunescope.results.maps import seeds_file
from prunescope.results.reading import Files
from prunescope.results.results import Results

DEEP = 40  # layers: a map of more takes a hundred times the room of VGG16's
MAP = re.compile(r"cka/[^/]+-(\d+)/([^/]+)--([^/]+)\.csv")
MANY = re.compile(r"cka/[^/]+/[^/]+\.csv|evaluate/[^/]+/[^/]+-classes\.csv")  # similarities, and measures by class
LONG = re.compile(rb"(?<=,)-?\d+\.\d{3,}(?:e-?\d+)?(?=[,\n])")  # a cell of them that may have more digits than are kept
ALONE = re.compile(r"(evaluate/[^/]+)/([^/]+)-predictions\.csv")
JOINED = re.compile(rf"(evaluate/[^/]+)/({joined.IMAGES}|{joined.PREDICTIONS})")


def archivable(
    grid: Grid, content: Mapping[str, bytes | Path], maps: Mapping[int, Collection[tuple[str, str]]] | None = None
) -> dict[str, bytes]:
    """The files, by their names below metrics/, as an archive holds them; what an archive held already stays as it is, but for
    deep maps that are no longer among `maps`.

    Predictions of a folder's networks are joined (results/joined.py), without shares of an AUC that is not the data set's primary
    endpoint, and similarities of seeds stand for the kernels that they come from. Similarities and measures by class have four
    digits, maps of more than `DEEP` layers (rows or columns) two.
    maps: by seed the pairs of networks of which such a deep map is kept; None keeps all
    """
    files, small = Files(Path("metrics"), content), {}
    predictions: dict[str, joined.Tables] = {}
    for name in content:
        if joined_there := JOINED.fullmatch(name):
            predictions.setdefault(joined_there[1], {})
        elif alone := ALONE.fullmatch(name):
            if (table := joined.alone(files, alone[1], alone[2])) is not None:
                predictions.setdefault(alone[1], {})[alone[2]] = table
        elif not name.endswith(".npz") and (data := files.read(name)) is not None:
            deep = MAP.fullmatch(name) if max(data.count(b"\n") - 1, data.partition(b"\n")[0].count(b",")) > DEEP else None
            if deep and maps is not None:
                seed, a, b = int(deep[1]), deep[2], deep[3]
                if not {(a, b), (b, a)} & {*maps.get(seed, ())}:
                    continue
            small[name] = LONG.sub(partial(_short, digits=2 if deep else 4), data) if MANY.fullmatch(name) else data
    areas = {
        f"evaluate/{of}": cell.dataset
        for cell in cells_of(grid)
        for seed in grid.seeds
        for of in (cell.of(seed), cell.dense(seed))
    }
    for folder, new in predictions.items():
        shares = folder not in areas or grid.primary_of(areas[folder]) == "auc"
        made = joined.written(joined.read(files, folder) | new, shares=shares)
        small |= {f"{folder}/{name}": data for name, data in made.items()}
    whole = Results(grid, files)
    for cell, pair in product(cells_of(grid), combinations(grid.seeds, 2)):
        if (apart := whole.dense_seeds(cell, *pair)) is not None:
            rows = "".join(f"{layer},{'' if np.isnan(cka) else repr(float(cka))}\n" for layer, cka in enumerate(apart))
            small[seeds_file(*map(cell.of, pair))] = f"layer,cka\n{rows}".encode()
    return small


def _short(cell: re.Match[bytes], digits: int) -> bytes:
    return repr(round(float(cell[0]), digits)).encode()
