"""Metrics of predictions against hand-made examples, ties and absent classes included."""

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from prunescope.evaluate import decide, expected_calibration_error, metrics, recall_rows


def logits_of(probabilities: list[list[float]]) -> Tensor:
    return torch.tensor(probabilities, dtype=torch.float64).log().float()


EXAMPLE = logits_of([
    [0.8, 0.1, 0.1],
    [0.5, 0.3, 0.2],
    [0.2, 0.7, 0.1],
    [0.1, 0.6, 0.3],
    [0.3, 0.1, 0.6],
])  # fmt: skip
LABELS = torch.tensor([0, 1, 1, 1, 0])  # right, wrong, right, right, wrong; class 2 is absent


def test_metrics_by_hand() -> None:
    found = metrics(EXAMPLE, LABELS, ece_bins=10)
    assert found.pop("auc") is None, "a class is absent"
    squares = [(0.04 + 0.01 + 0.01), (0.25 + 0.49 + 0.04), (0.04 + 0.09 + 0.01), (0.01 + 0.16 + 0.09), (0.49 + 0.01 + 0.36)]
    gaps = 0.2 + 0.5 + 0.3 + abs((1 - 0.6) + (0 - 0.6))  # bins of 0.8, 0.5, 0.7, and two images of 0.6 in one
    assert found == pytest.approx({
        "accuracy": 3 / 5,
        "balanced_accuracy": (1 / 2 + 2 / 3) / 2,
        "macro_f1": (2 * 1 / (2 * 1 + 1 + 1) + 2 * 2 / (2 * 2 + 0 + 1) + 0) / 3,  # 2 TP / (2 TP + FP + FN)
        "top5_accuracy": 1.0,
        "nll": -(math.log(0.8) + math.log(0.3) + math.log(0.7) + math.log(0.6) + math.log(0.3)) / 5,
        "brier": sum(squares) / 5,
        "ece": gaps / 5,
        "test_images": 5,
    }, rel=1e-5)  # fmt: skip


def test_auc_of_all_classes_by_hand() -> None:
    """One against the rest: the share of pairs in the right order, the mean over classes."""
    labels = torch.tensor([0, 1, 1, 2, 0])
    wanted = []
    probabilities = EXAMPLE.double().softmax(1)
    for k in range(3):
        inside, outside = probabilities[labels == k, k], probabilities[labels != k, k]
        order = torch.sign(inside[:, None] - outside[None, :])
        wanted.append(float((order + 1).mean() / 2))
    assert len(set(wanted)) > 1
    assert metrics(EXAMPLE, labels, ece_bins=10)["auc"] == pytest.approx(np.mean(wanted))


def test_auc_of_two_classes_and_of_one() -> None:
    logits = logits_of([[0.9, 0.1], [0.4, 0.6], [0.7, 0.3], [0.2, 0.8]])
    assert metrics(logits, torch.tensor([0, 0, 1, 1]), ece_bins=5)["auc"] == pytest.approx(3 / 4)
    assert metrics(logits, torch.tensor([1, 1, 1, 1]), ece_bins=5)["auc"] is None


def test_top5_counts_the_label_among_the_five_highest() -> None:
    logits = torch.arange(7.0).repeat(4, 1)
    assert metrics(logits, torch.tensor([6, 2, 1, 0]), ece_bins=5)["top5_accuracy"] == 0.5


def test_always_the_largest_class_of_ham10000() -> None:
    """The class counts of HAM10000: always nv is right on 66.95 % of images and on 14.29 % of classes."""
    counts = [327, 514, 1099, 115, 1113, 6705, 142]
    labels = torch.repeat_interleave(torch.arange(7), torch.tensor(counts))
    logits = torch.zeros(len(labels), 7)
    logits[:, 5] = 3.0
    found = metrics(logits, labels, ece_bins=15)
    assert found["accuracy"] == pytest.approx(0.6695, abs=5e-5)
    assert found["balanced_accuracy"] == pytest.approx(1 / 7)
    assert found["auc"] == pytest.approx(0.5)


def test_ties_for_the_highest_logit_count_as_wrong() -> None:
    logits = torch.tensor([[1.0, 1.0, 0.0], [0.0, 0.0, 0.0], [0.0, 2.0, 0.0], [2.0, 1.0, 1.0]])
    assert decide(logits).tolist() == [-1, -1, 1, 0]
    found = metrics(logits, torch.tensor([0, 0, 1, 2]), ece_bins=5)
    assert found["accuracy"] == 0.25
    assert found["balanced_accuracy"] == pytest.approx(1 / 3)
    assert found["macro_f1"] == pytest.approx(1 / 3)  # classes 0, 1, 2: 0, 1, 0


@pytest.mark.parametrize("confidences, right, bins, wanted", [
    ([0.95, 0.95, 0.95, 0.95], [1, 1, 1, 0], 10, 0.20),
    ([0.95, 0.85], [1, 0], 10, (0.05 + 0.85) / 2),
    ([0.95, 0.85], [1, 0], 5, abs(0.05 - 0.85) / 2),  # one bin: gaps of different sign meet
    ([1.0, 1.0], [1, 1], 10, 0.0),
    ([0.75], [1], 1, 0.25),
])  # fmt: skip
def test_expected_calibration_error_by_hand(confidences, right, bins, wanted) -> None:
    probabilities = torch.tensor([[c, 1 - c] for c in confidences], dtype=torch.float64)
    labels = 1 - torch.tensor(right)
    assert expected_calibration_error(probabilities, labels, bins=bins) == pytest.approx(wanted)


def test_recall_of_each_class_and_none_for_an_absent_one() -> None:
    rows = recall_rows(EXAMPLE, LABELS, ("a", "b", "c"))
    assert rows == [("a", 2, 0.5), ("b", 3, pytest.approx(2 / 3)), ("c", 0, None)]
