"""One study's numbers, each file read once, whether they lie in a work tree or in a kept study."""

from collections.abc import Callable, Hashable
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from prunescope.results import curves, joined
from prunescope.results.grid import Arm, Cell, Grid, dense_cell, unpruned
from prunescope.results.kept import archived, kept_grid
from prunescope.results.maps import kept_seeds, matrix_of, seeds_apart
from prunescope.results.predictions import Predictions
from prunescope.results.reading import Files
from prunescope.results.summary import read_summary, summarise

HISTORY = {"step", "event", "split", "accuracy", "layers_pruned"}
CLASSES = {"class", "images", "sensitivity", "specificity", "auc"}
ROC = {"class", "specificity", "sensitivity"}
LAYERS = {"layer", "level", "weights", "accuracy", "loss", "images"}


@dataclass(frozen=True, eq=False)
class Results:
    """What the report, the comparison and the kept studies are made from. All is lazy: what nobody asks for is not read.

    A method that finds nothing, as its stage did not run, returns None (or no rows); PrunescopeError names a broken file.
    """

    grid: Grid
    files: Files
    given: pd.DataFrame | None = None  # the summary, where only that is at hand
    _seen: dict[Hashable, Any] = field(default_factory=dict, repr=False)

    def _once(self, key: Hashable, make: Callable[[], Any]) -> Any:
        if key not in self._seen:
            self._seen[key] = make()
        return self._seen[key]

    @cached_property
    def summary(self) -> pd.DataFrame:
        """A row per evaluated arm, see results/summary.py."""
        return summarise(self.grid, self.record) if self.given is None else self.given

    def alone(self, dataset: str) -> "Results":
        """The same study of one data set; what has been read is not read again."""
        given = None if self.given is None else self.given[self.given["dataset"] == dataset]
        return replace(self, grid=replace(self.grid, datasets=(dataset,)), given=given)

    def record(self, stage: str) -> dict[str, Any] | None:
        """The metrics that a stage wrote, by name without suffix: download/digits, prune/<cell>/oneshot, cka/<cell>."""
        return self._once(("record", stage), lambda: self.files.json(f"{stage}.json"))

    def history(self, stage: str) -> pd.DataFrame | None:
        """The validation rows of a training stage's history, in the order they were written."""
        return self._rows(stage, "val")

    def trained(self, stage: str) -> pd.DataFrame | None:
        """The training rows of the same: means over the steps since the row before."""
        return self._rows(stage, "train")

    def _rows(self, stage: str, split: str) -> pd.DataFrame | None:
        every = self._once(("history", stage), lambda: self.files.table(f"{stage}.csv", HISTORY))
        return None if every is None else every[every["split"] == split].reset_index(drop=True)

    def curves(self, cell: Cell) -> list[tuple[str, int, pd.DataFrame]]:
        """(method, seed, validation rows over the whole budget) of every run of a cell and of its dense control."""
        return self._once(("curves", cell), lambda: list(curves.joined(self.grid, cell, self.history)))

    def predictions(self, cell: Cell, seed: int, name: str) -> Predictions | None:
        """What a network of a cell said of each test image; name: dense, a method, or student-<teacher>.

        The dense control and its students belong to no level.
        """
        return self._predictions(_network(cell, seed, name))

    def of_arm(self, arm: Arm) -> Predictions | None:
        """The same of an arm."""
        return self._predictions(arm.evaluate)

    def _predictions(self, network: str) -> Predictions | None:
        folder, _, name = network.rpartition("/")

        def read() -> Predictions | None:
            if (table := joined.alone(self.files, folder, name)) is not None:
                return Predictions(table, self.files.path(f"{folder}/{joined.own_file(name)}"))
            together = self._once(("joined", folder), lambda: joined.read(self.files, folder))  # as a kept study has them
            return Predictions(together[name], self.files.path(f"{folder}/{joined.PREDICTIONS}")) if name in together else None

        return self._once(("predictions", network), read)

    def classes(self, arm: Arm) -> pd.DataFrame | None:
        """Sensitivity, specificity and AUC of each class, with the arm's keys."""

        def read() -> pd.DataFrame | None:
            settings = {"dtype": {"class": str}, "keep_default_na": False, "na_values": {"sensitivity": "", "auc": ""}}
            table = self.files.table(f"{arm.evaluate}-classes.csv", CLASSES, **settings)
            keys = {key: getattr(arm, key) for key in ("dataset", "model", "method", "sparsity", "seed")}
            return None if table is None else table.assign(**keys)

        return self._once(("classes", arm), read)

    def roc(self, cell: Cell, seed: int, name: str) -> pd.DataFrame | None:
        """ROC curves of every class of a network of a cell; None of data sets of many classes, and in older kept studies."""
        network, settings = _network(cell, seed, name), {"dtype": {"class": str}, "keep_default_na": False}
        return self._once(("roc", network), lambda: self.files.table(f"{network}-roc.csv", ROC, **settings))

    def similarity(self, cell: Cell, seed: int) -> dict[str, Any] | None:
        """Means of layer similarity with their intervals, and what masks share."""
        return self.record(f"cka/{cell.of(seed)}")

    def similarity_map(self, cell: Cell, seed: int, a: str, b: str) -> pd.DataFrame | None:
        """Similarity of the layers of `a` (rows) and `b` (columns), NaN where undefined, whichever way round it was written."""
        found = self._once(("map", cell, seed, a, b), lambda: matrix_of(self.files, f"cka/{cell.of(seed)}", a, b))
        if found is None and a != b:
            turned = self._once(("map", cell, seed, b, a), lambda: matrix_of(self.files, f"cka/{cell.of(seed)}", b, a))
            return None if turned is None else turned.T
        return found

    def similarity_by_depth(self, cell: Cell, seed: int) -> pd.DataFrame | None:
        """Same-layer similarity of pairs of networks, layer by layer, with intervals."""

        def read() -> pd.DataFrame | None:
            return self.files.table(f"cka/{cell.of(seed)}/depth.csv", {"pair", "cka"}, dtype={"layer": str})

        return self._once(("depth", cell, seed), read)

    def layer_sensitivity(self, model: str, dataset: str, seed: int) -> pd.DataFrame | None:
        """Validation accuracy of a dense base with one layer pruned, a row per layer and level; the first is its own."""
        if model not in self.grid.sensitivity:  # what an earlier run left is of an earlier base
            return None
        name = f"sensitivity/{dense_cell(model, dataset, seed)}.csv"
        settings = {"dtype": {"layer": str}, "keep_default_na": False, "na_values": {"loss": ""}}
        return self._once(("layers", name), lambda: self.files.table(name, LAYERS, **settings))

    def dense_seeds(self, cell: Cell, first: int, second: int) -> np.ndarray | None:
        """Same-layer similarity (L,) of the dense networks of two seeds; their kernels are too large to be kept in memory."""

        def find() -> np.ndarray | None:
            names = cell.of(first), cell.of(second)
            found = seeds_apart(self.files, *names)
            return kept_seeds(self.files, *names) if found is None else found

        return self._once(("seeds", cell, first, second), find)


def _network(cell: Cell, seed: int, name: str) -> str:
    """What the files of an evaluated network are called, without their ends."""
    return f"evaluate/{cell.dense(seed) if unpruned(name) else cell.of(seed)}/{name}"


def read(metrics: Path, grid: Grid) -> Results:
    """The results of a study whose stages wrote into the folder `metrics`."""
    return Results(grid, Files(metrics))


def kept(folder: Path) -> Results:
    """The results of a kept study (results/<name>), as its archive and its provenance have them."""
    return Results(kept_grid(folder), archived(folder))


def of_summary(path: Path, grid: Grid) -> Results:
    """What metrics/summary.csv alone tells, as in a fresh clone."""
    return Results(grid, Files(path.parent), read_summary(path.read_text(encoding="utf-8"), str(path)))
