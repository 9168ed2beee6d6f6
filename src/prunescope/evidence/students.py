"""Distillation: students with their controls, and their teachers beside them."""

from pathlib import Path

import pandas as pd

from prunescope.evidence.differences import between, conclusion
from prunescope.results import predictions
from prunescope.results.arms import Study
from prunescope.results.tables import NOT_RUN, NOTHING, controls, mean, millions, percent, runs, view


def student_table(metrics: Path, summary: pd.DataFrame, study: Study) -> pd.DataFrame:
    """Students with their controls beside their teachers; no rows where no model of the study teaches.

    The gain is the student's balanced accuracy less that of the student alone, paired by seed.
    """

    def agrees(model: str, dataset: str, method: str, level: float) -> pd.Series:
        pairs = [
            [predictions.read(metrics, model, dataset, level, seed, name) for name in (f"student-{method}", method)]
            for seed in study.seeds
        ]
        return pd.Series([predictions.agreement(*pair) for pair in pairs], dtype="float64")

    def cells(model: str, dataset: str, method: str, level: float) -> dict[str, str]:
        student = runs(summary, model, dataset, f"student-{method}", level)
        teacher = runs(summary, model, dataset, method, level)
        gain = between(summary, model, dataset, level, f"student-{method}", "student-alone")
        shown = method != "alone" and gain.n > 1
        return {
            "n": str(len(student)),
            "student accuracy %": percent(student["accuracy"]) if len(student) else NOT_RUN,
            "balanced %": percent(student["balanced_accuracy"]),
            "gain over alone, points": NOTHING if method == "alone" else gain.text(),
            "conclusion": conclusion(gain, "taught", "alone") if shown else NOTHING,
            "agrees with teacher %": percent(agrees(model, dataset, method, level)),
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

    models = [model for model in study.models if model in study.teachers]
    table = view(study, models, [("alone", 0.0), *controls(study)], cells)
    return table.rename(columns={"model": "teacher", "sparsity %": "teacher sparsity %", "method": "taught by"})
