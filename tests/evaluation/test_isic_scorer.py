"""Our HAM10000 metrics against those of the ISIC challenge's public scorer (isic-challenge-scoring), on the same predictions."""

import sys
import zipfile
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from prunescope.evaluation.metrics import Predictions, class_rows, metrics

CLASSES = ("AKIEC", "BCC", "BKL", "DF", "MEL", "NV", "VASC")  # of task 3, 2018
SHARES = np.array([327, 514, 1099, 115, 1113, 6705, 142]) / 10015  # of HAM10000


@pytest.fixture(scope="module")
def case() -> tuple[torch.Tensor, torch.Tensor]:
    """2,000 images with the classes' real shares, right more often than not; a tenth are ties between two classes."""
    generator = np.random.default_rng(0)
    labels = torch.from_numpy(generator.choice(7, 2000, p=SHARES))
    logits = torch.from_numpy(generator.normal(size=(2000, 7))).float()
    logits[torch.arange(2000), labels] += 1.5
    best = logits[:200].max(1)
    logits[torch.arange(200), (best.indices + 1) % 7] = best.values
    return logits, labels


def score(logits: torch.Tensor, labels: torch.Tensor) -> Any:
    """The scorer's own class, without its reader of files, which pandas 3 no longer runs, and without its unpacking of zips."""
    sys.modules.setdefault("zipfile_deflate64", zipfile)  # which needs a compiler
    scoring = pytest.importorskip("isic_challenge_scoring.classification", reason="needs isic-challenge-scoring")
    truth = pd.DataFrame(np.eye(7)[labels.numpy()], columns=list(CLASSES))
    answer = pd.DataFrame(logits.double().softmax(1).numpy(), columns=list(CLASSES))
    weights = pd.DataFrame(1.0, index=truth.index, columns=["score_weight", "validation_weight"])
    return scoring.ClassificationScore(truth, answer, weights, scoring.ClassificationMetric.BALANCED_ACCURACY)


@pytest.mark.filterwarnings("ignore")  # the scorer is older than the pandas it runs on
def test_the_challenges_scorer_agrees(case):
    logits, labels = case
    theirs = score(logits, labels)
    found = Predictions(logits, labels, np.arange(len(labels)))
    ours = metrics(found, ece_bins=15, draws=10)
    assert ours["balanced_accuracy"] == pytest.approx(theirs.overall, abs=1e-12)
    assert ours["auc"] == pytest.approx(theirs.macro_average["auc"], abs=1e-12)
    assert theirs.overall < 0.75, "not the easy case in which everything is 1"
    tied = labels[:200].numpy()
    assert (
        ours["balanced_accuracy"]
        < metrics(Predictions(logits[200:], labels[200:], np.arange(1800)), ece_bins=15, draws=10)["balanced_accuracy"]
    ), f"{len(tied)} ties count as wrong"  # type: ignore[operator]


@pytest.mark.filterwarnings("ignore")
def test_the_classes_agree(case):
    """Of sure networks: the scorer takes a class at a probability of a half, we the highest output."""
    logits, labels = case
    sure = logits[200:] * 1000  # one class has nearly all probability
    theirs = score(sure, labels[200:]).per_category
    found = Predictions(sure, labels[200:], np.arange(1800))
    columns = ("class", "images", "groups", "sensitivity", "", "", "specificity", "", "", "auc", "", "")
    rows = [dict(zip(columns, row, strict=True)) for row in class_rows(found, CLASSES, draws=10)]
    for row in rows:
        for metric in ("sensitivity", "specificity", "auc"):
            assert row[metric] == pytest.approx(theirs.at[row["class"], metric], abs=1e-12), (row["class"], metric)
    assert len(rows) == 7
