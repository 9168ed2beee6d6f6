"""Maps of layer similarity (CKA) as the stage cka wrote them."""

import io

import numpy as np
import pandas as pd

from prunescope.errors import PrunescopeError
from prunescope.results.reading import Files


def matrix_of(files: Files, folder: str, a: str, b: str) -> pd.DataFrame | None:
    """Similarity of the layers of `a` (rows) and of `b` (columns), NaN where undefined; None where there is no such file."""
    name = f"{folder}/{a}--{b}.csv"
    data = files.read(name)
    if data is None:
        return None
    try:
        matrix = pd.read_csv(io.BytesIO(data), index_col=0, dtype={0: str}).astype("float64")
    except ValueError as error:
        raise PrunescopeError(f"{files.path(name)}: found {error}, wanted a matrix of numbers; run stage cka again") from error
    matrix.index = matrix.index.map(str)
    return matrix


def seeds_apart(files: Files, first: str, second: str) -> np.ndarray | None:
    """Same-layer CKA (L,) of the dense networks of two cells, from the centred kernels that each cell's stage kept.

    None where these are not there; PrunescopeError where they are not of the same layers and probe images.
    """
    names = [f"cka/{cell}/dense.npz" for cell in (first, second)]
    data = [files.read(name) for name in names]
    if data[0] is None or data[1] is None:
        return None
    x, y = (dict(np.load(io.BytesIO(of), allow_pickle=False)) for of in data if of is not None)
    if {name: of.shape for name, of in x.items()} != {name: of.shape for name, of in y.items()}:
        paths = " and ".join(map(files.path, names))
        raise PrunescopeError(f"{paths} are of other layers or images; run stage cka again")
    sums = np.zeros((3, len(next(iter(x.values())))))
    for name, vectors in x.items():
        n = round((1 + np.sqrt(1 + 8 * vectors.shape[1])) / 2)  # images of the batch: it has n (n - 1) / 2 pairs
        a, b = vectors.astype(np.float64), y[name].astype(np.float64)
        sums += (n - 1) / (n - 3) * np.stack([(a * b).sum(1), (a * a).sum(1), (b * b).sum(1)])
    with np.errstate(invalid="ignore", divide="ignore"):
        return sums[0] / np.sqrt(sums[1] * sums[2])


def seeds_file(first: str, second: str) -> str:
    """The file in which a kept study has `seeds_apart`, as it does without the kernels."""
    return f"cka/seeds/{first}--{second}.csv"


def kept_seeds(files: Files, first: str, second: str) -> np.ndarray | None:
    """The same similarity from a kept study's small file."""
    table = files.table(seeds_file(first, second), {"cka"})
    return None if table is None else table["cka"].to_numpy(dtype=np.float64)
