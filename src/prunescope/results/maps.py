"""Maps of layer similarity (CKA) as the stage cka wrote them."""

from itertools import combinations, product
from pathlib import Path

import numpy as np
import pandas as pd

from prunescope.errors import PrunescopeError
from prunescope.files import write_csv
from prunescope.results.arms import Study, cells_of, pruned_cell


def read_matrix(folder: Path, a: str, b: str) -> pd.DataFrame | None:
    """Similarity of the layers of `a` (rows) and of `b` (columns), NaN where undefined; None where there is no file.

    The pair may lie in its folder the other way round; it is turned then.
    """
    for first, second in ((a, b), (b, a)):
        path = folder / f"{first}--{second}.csv"
        if path.is_file():
            try:
                matrix = pd.read_csv(path, index_col=0, dtype={0: str}).astype("float64")
            except ValueError as error:
                raise PrunescopeError(f"{path}: found {error}, wanted a matrix of numbers; run stage cka again") from error
            matrix.index = matrix.index.map(str)
            return matrix if first == a else matrix.T
    return None


def seeds_apart(metrics: Path, first: str, second: str) -> np.ndarray | None:
    """Same-layer CKA (L,) of the dense networks of two cells, from the centred kernels that each cell's stage kept, or as
    `keep_seeds` wrote it.

    None where neither is there; PrunescopeError where the kernels are not of the same layers and probe images.
    """
    paths = [metrics / "cka" / cell / "dense.npz" for cell in (first, second)]
    if not all(path.is_file() for path in paths):
        kept = _kept(metrics, first, second)
        return pd.read_csv(kept)["cka"].to_numpy(dtype=np.float64) if kept.is_file() else None
    x, y = (dict(np.load(path, allow_pickle=False)) for path in paths)
    if {name: of.shape for name, of in x.items()} != {name: of.shape for name, of in y.items()}:
        raise PrunescopeError(f"{paths[0]} and {paths[1]} are of other layers or images; run stage cka again")
    sums = np.zeros((3, len(next(iter(x.values())))))
    for name, vectors in x.items():
        n = round((1 + np.sqrt(1 + 8 * vectors.shape[1])) / 2)  # images of the batch: it has n (n - 1) / 2 pairs
        a, b = vectors.astype(np.float64), y[name].astype(np.float64)
        sums += (n - 1) / (n - 3) * np.stack([(a * b).sum(1), (a * a).sum(1), (b * b).sum(1)])
    with np.errstate(invalid="ignore", divide="ignore"):
        return sums[0] / np.sqrt(sums[1] * sums[2])


def keep_seeds(metrics: Path, study: Study) -> None:
    """Write `seeds_apart` of every two seeds as small files, so that the report can do without the kernels."""
    for (model, dataset, level), pair in product(cells_of(study), combinations(study.seeds, 2)):
        cells = [pruned_cell(model, dataset, level, seed) for seed in pair]
        if (apart := seeds_apart(metrics, *cells)) is not None:
            numbers = ((layer, None if np.isnan(cka) else float(cka)) for layer, cka in enumerate(apart))
            write_csv(_kept(metrics, *cells), ("layer", "cka"), numbers)


def _kept(metrics: Path, first: str, second: str) -> Path:
    return metrics / "cka" / "seeds" / f"{first}--{second}.csv"
