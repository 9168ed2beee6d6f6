"""The table of predictions: what it carries of the store."""

import csv
import io
from pathlib import Path

import numpy as np
import pandas as pd

from prunescope.data import store
from prunescope.evaluation.predicted import COLUMNS, predictions_table
from prunescope.files import write_csv
from prunescope.results import predictions

IMAGES = 60


def made(folder: Path, **columns: list[str]) -> store.Store:
    store.write(
        folder,
        images=np.zeros((IMAGES, 2, 2, 3), dtype=np.uint8),
        labels=np.tile([0, 1], IMAGES // 2),
        splits=np.repeat([0, 1, 2], [4, 4, IMAGES - 8]),
        names=[f"image {n}" for n in range(IMAGES)],
        groups=[f"lesion {n}" for n in range(IMAGES)],
        classes=["cat", "dog"],
        source="test",
        image_size=2,
        provenance={},
        columns=columns,
    )
    return store.read(folder)


def table(found: store.Store, folder: Path) -> list[dict[str, str]]:
    decisions = [0, -1] * ((IMAGES - 8) // 2)
    write_csv(folder / "found.csv", *predictions_table(found, decisions, {}))
    return list(csv.DictReader(io.StringIO((folder / "found.csv").read_text(encoding="utf-8"))))


def test_rows_are_the_test_images_and_a_tie_is_undecided(tmp_path):
    rows = table(made(tmp_path / "a"), tmp_path)
    assert list(rows[0]) == list(COLUMNS) == predictions.COLUMNS and len(rows) == IMAGES - 8
    assert rows[1] == {"name": "image 9", "group": "lesion 9", "actual": "dog", "predicted": "undecided"}


def test_columns_that_make_subgroups_travel_and_remarks_stay(tmp_path):
    """What is kept in git must not hold names; nor may a column take the place of a prediction."""
    numbered = [str(n) for n in range(IMAGES)]
    rows = table(
        made(
            tmp_path / "a",
            age=numbered,
            patient=[f"Mrs {n}" for n in range(IMAGES)],
            predicted=["cat", "dog"] * (IMAGES // 2),
            sex=["f", "m"] * (IMAGES // 2),
            only_in_train=["x"] * 4 + ["y"] * (IMAGES - 4),
        ),
        tmp_path,
    )
    assert list(rows[0]) == [*COLUMNS, "age", "sex"]
    assert [row["age"] for row in rows] == numbered[8:] and rows[1]["sex"] == "m" and rows[1]["predicted"] == "undecided"


def test_scores_stand_before_columns_of_the_store_and_make_no_subgroups(tmp_path):
    found = made(tmp_path / "a", sex=["f", "m"] * (IMAGES // 2), score_dog=["0", "1"] * (IMAGES // 2))
    scores = {"auc_share": ["1e-3"] * (IMAGES - 8), "score_dog": ["0.5"] * (IMAGES - 8)}
    header, rows = predictions_table(found, [0] * (IMAGES - 8), scores)
    assert header == [*COLUMNS, "auc_share", "score_dog", "sex"]
    assert next(rows)[4:6] == ("1e-3", "0.5")
    read = predictions.Predictions(pd.DataFrame(columns=header), "a test")
    assert read.columns == ["sex"]
