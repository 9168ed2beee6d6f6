"""Distillation: students with their controls, and their teachers beside them."""

from collections.abc import Mapping
from functools import lru_cache

import pandas as pd

from prunescope.evidence.differences import Compare, judge, layout, weights_of
from prunescope.evidence.layouts import compare
from prunescope.evidence.text import NOT_RUN, NOTHING, mean, millions, percent, view
from prunescope.results import predictions
from prunescope.results.grid import DENSE, Cell, Grid, cells_of, levels
from prunescope.results.results import Results
from prunescope.results.summary import runs


def _teachers(grid: Grid, model: str) -> list[tuple[str, float]]:
    return [("alone", 0.0), (DENSE, 0.0), *((method, level) for level in levels(grid) for method in grid.methods)]


@lru_cache(maxsize=8)
def judged_gains(results: Results) -> Mapping[tuple[Cell, str], Compare]:
    """By cell (of no level for the dense teacher) and teacher what being taught gains; all students are one family."""
    found, grid = {}, results.grid
    for cell in cells_of(grid):
        if cell.model in grid.teachers:
            taught = [*(("dense",) if cell.sparsity == levels(grid)[0] else ()), *grid.methods]
            arms = [f"student-{name}" for name in ("alone", "dense", *grid.methods)]
            found[cell] = layout(results, cell, arms, weights_of([(f"student-{name}", "student-alone") for name in taught]))
    made = {}
    for cell, of in judge(compare(found), grid.margin).items():
        for name, compared in of.items():
            teacher = name.removesuffix(" − student-alone").removeprefix("student-")
            made[cell._replace(sparsity=0.0) if teacher == "dense" else cell, teacher] = compared
    return made


def student_table(results: Results) -> pd.DataFrame:
    """Students with their controls beside their teachers; no rows where no model of the study teaches, nor of a data set or level
    of which no student ran while others did.

    The gain is the student's primary endpoint less that of the student alone, paired by seed.
    """
    gains = judged_gains(results)

    def agrees(cell: Cell, method: str) -> pd.Series:
        pairs = [[results.predictions(cell, seed, name) for name in (f"student-{method}", method)] for seed in results.grid.seeds]
        return pd.Series([predictions.agreement(*pair) for pair in pairs], dtype="float64")

    def columns(cell: Cell, method: str) -> dict[str, str]:
        student = runs(results.summary, cell, f"student-{method}")
        teacher = runs(results.summary, cell, method)
        found = gains.get((cell, method))
        gain = None if found is None else found.judgement
        return {
            "n": str(len(student)),
            "student accuracy %": percent(student["accuracy"]) if len(student) else NOT_RUN,
            "balanced %": percent(student["balanced_accuracy"]),
            "gain over alone, points": NOTHING if gain is None else gain.estimate.text(),
            "verdict": NOTHING if gain is None else gain.verdict,
            "agrees with teacher %": percent(agrees(cell, method)),
            "teacher accuracy %": percent(teacher["accuracy"]),
            "student params, M": millions(student["nonzero_parameters"]),
            "teacher's nonzero": millions(teacher["nonzero_parameters"]),
            "student MACs, M": millions(student["macs"], ",.1f"),
            "teacher's nonzero MACs": millions(teacher["nonzero_macs"], ",.1f"),
            "student MB packed": millions(student["size_packed_bytes"]),
            "teacher's": millions(teacher["size_packed_bytes"]),
            "student 1 image, ms": mean(student["batch_1_ms"], ".2f"),
            "of unpruned teacher's": mean(student["batch_1_to_dense"], ".2f", "×"),
            "teacher's of unpruned's": mean(teacher["batch_1_to_dense"], ".2f", "×"),
        }

    models = [model for model in results.grid.models if model in results.grid.teachers]
    table = view(results.grid, models, columns, _teachers)
    if len(table) and (some := table["n"] != "0").any():
        table = table[some.groupby([table[name] for name in ("model", "data", "sparsity %")]).transform("any")]
    return table.rename(columns={"model": "teacher", "sparsity %": "teacher sparsity %", "method": "taught by"})
