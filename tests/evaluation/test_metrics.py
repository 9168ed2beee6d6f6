"""Metrics of predictions against hand-made examples, ties and absent classes included."""

import math
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.metrics import accuracy_score, brier_score_loss, f1_score, log_loss, recall_score, roc_auc_score
from torch import Tensor

from prunescope.errors import PrunescopeError
from prunescope.evaluation.metrics import (
    CLASS_COLUMNS,
    OVERALL,
    Predictions,
    class_rows,
    decide,
    expected_calibration_error,
    require_finite,
)
from prunescope.evaluation.metrics import metrics as metrics_of


def logits_of(probabilities: list[list[float]]) -> Tensor:
    return torch.tensor(probabilities, dtype=torch.float64).log().float()


def metrics(logits: Tensor, labels: Tensor, *, ece_bins: int = 15, draws: int = 50) -> dict[str, Any]:
    return metrics_of(Predictions(logits, labels, np.arange(len(labels))), ece_bins=ece_bins, draws=draws)


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
    point = {name: value for name, value in found.items() if not name.endswith(("_low", "_high"))}
    assert point == pytest.approx({
        "accuracy": 3 / 5,
        "balanced_accuracy": (1 / 2 + 2 / 3) / 2,
        "macro_f1": (2 * 1 / (2 * 1 + 1 + 1) + 2 * 2 / (2 * 2 + 0 + 1) + 0) / 3,  # 2 TP / (2 TP + FP + FN)
        "top5_accuracy": 1.0,
        "nll": -(math.log(0.8) + math.log(0.3) + math.log(0.7) + math.log(0.6) + math.log(0.3)) / 5,
        "brier": sum(squares) / 5,
        "ece": gaps / 5,
        "test_images": 5,
        "test_groups": 5,
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


def rows_by_name(rows: list[tuple]) -> dict[str, dict]:
    return {row[0]: dict(zip(CLASS_COLUMNS, row, strict=True)) for row in rows}


def test_each_class_by_hand_and_none_for_an_absent_one() -> None:
    """Predicted 0, 0, 1, 1, 2 for the labels 0, 1, 1, 1, 0."""
    groups = np.array(["x", "y", "y", "z", "x"])
    rows = rows_by_name(class_rows(Predictions(EXAMPLE, LABELS, groups), ("a", "b", "c"), draws=50))
    assert [rows[name]["images"] for name in "abc"] == [2, 3, 0]
    assert [rows[name]["groups"] for name in "abc"] == [1, 2, 0]
    assert [rows[name]["sensitivity"] for name in "abc"] == [0.5, pytest.approx(2 / 3), None]
    assert [rows[name]["specificity"] for name in "abc"] == [pytest.approx(2 / 3), 1.0, 0.8]
    assert rows["a"]["auc"] == pytest.approx((3 + 2) / 6)  # 0.8 above all three, 0.3 above two of 0.5, 0.2, 0.1
    assert rows["b"]["specificity_low"] == pytest.approx(0.05), "all right in one group: the exact bound, not a point"
    assert (rows["b"]["specificity_high"], rows["a"]["sensitivity_low"]) == (1.0, 0.5)
    assert rows["c"]["auc"] is rows["c"]["auc_low"] is rows["c"]["sensitivity_high"] is None


@pytest.fixture(scope="module")
def clustered() -> Predictions:
    """300 images of 4 classes in 90 groups whose images are right or wrong together, some scores tied."""
    generator = np.random.default_rng(0)
    groups = generator.integers(90, size=300)
    labels = generator.integers(4, size=90)[groups]
    logits = generator.normal(size=(90, 4))[groups] + 0.3 * generator.normal(size=(300, 4)) + 1.2 * np.eye(4)[labels]
    return Predictions(torch.tensor(logits.round(1)), torch.tensor(labels), groups.astype(str))


def test_against_scikit_learn(clustered: Predictions) -> None:
    found = metrics_of(clustered, ece_bins=15, draws=20)
    labels, decided = clustered.labels.numpy(), decide(clustered.logits).numpy()
    probabilities = clustered.logits.softmax(1).numpy()
    wanted = {
        "accuracy": accuracy_score(labels, decided),
        "balanced_accuracy": recall_score(labels, decided, labels=range(4), average="macro"),
        "macro_f1": f1_score(labels, decided, labels=range(4), average="macro"),
        "auc": roc_auc_score(labels, probabilities, multi_class="ovr", average="macro"),
        "nll": log_loss(labels, probabilities),
        "brier": 4 * brier_score_loss(np.eye(4)[labels].reshape(-1), probabilities.reshape(-1)),
    }
    assert {name: found[name] for name in wanted} == pytest.approx(wanted, abs=1e-9)
    rows = rows_by_name(class_rows(clustered, tuple("abcd"), draws=20))
    for number, name in enumerate("abcd"):
        mine = labels == number
        assert rows[name]["auc"] == pytest.approx(roc_auc_score(mine, probabilities[:, number]), abs=1e-12)
        assert rows[name]["specificity"] == pytest.approx(recall_score(~mine, decided != number), abs=1e-12)


def test_intervals_are_those_of_resampled_images(clustered: Predictions) -> None:
    """Against the same metrics computed anew on each resample, image by image; the AUC is right to first order."""
    draws = 400
    found = metrics_of(clustered, ece_bins=15, draws=draws)
    generator, names = np.random.default_rng(1), np.unique(clustered.groups)
    members = {name: np.flatnonzero(clustered.groups == name) for name in names}
    slow: dict[str, list[float]] = {name: [] for name in OVERALL}
    for _ in range(draws):
        rows = np.concatenate([members[name] for name in generator.choice(names, size=len(names))])
        again = metrics(clustered.logits[rows], clustered.labels[rows], draws=1)
        for name, values in slow.items():
            values.append(again[name])
    for name in OVERALL:
        if name == "top5_accuracy":
            assert found["top5_accuracy_low"] == found["top5_accuracy_high"] == 1
            continue
        low, high = np.quantile(slow[name], [0.025, 0.975])
        width = high - low
        assert found[f"{name}_low"] == pytest.approx(low, abs=0.15 * width), name
        assert found[f"{name}_high"] == pytest.approx(high, abs=0.15 * width), name


def test_groups_widen_the_interval(clustered: Predictions) -> None:
    """Images that are right or wrong together say less than as many independent ones."""
    together: dict[str, Any] = metrics_of(clustered, ece_bins=15, draws=1000)
    alone = metrics(clustered.logits, clustered.labels, draws=1000)
    widths = [found["accuracy_high"] - found["accuracy_low"] for found in (together, alone)]
    spread = np.sqrt(alone["accuracy"] * (1 - alone["accuracy"]) / 300)
    assert widths[1] == pytest.approx(2 * 1.96 * spread, rel=0.1)
    assert widths[0] > 1.4 * widths[1]
    assert (together["test_groups"], alone["test_groups"]) == (len(np.unique(clustered.groups)), 300)


def test_no_interval_leaves_what_is_possible() -> None:
    """Almost perfect predictions: the resampled AUC, right to first order, stays at 1 and below."""
    generator = np.random.default_rng(0)
    labels = torch.tensor(generator.integers(3, size=120))
    logits = 4 * torch.eye(3)[labels] + torch.tensor(generator.normal(size=(120, 3)))
    found = metrics(logits, labels, draws=500)
    assert found["auc"] < found["auc_high"] == 1.0
    rows = rows_by_name(class_rows(Predictions(6 * torch.eye(3)[labels], labels, np.arange(120)), tuple("abc"), draws=50))
    for row in rows.values():
        assert row["sensitivity"] == row["sensitivity_high"] == 1
        assert row["sensitivity_low"] == pytest.approx(0.05 ** (1 / row["images"]))


def test_a_network_that_is_not_finite_is_named() -> None:
    require_finite(EXAMPLE, "dense")
    broken = EXAMPLE.clone()
    broken[1, 2], broken[3, 0] = float("nan"), float("inf")
    with pytest.raises(PrunescopeError, match=r"^dense: found outputs that are not finite for 2 of 5 images"):
        require_finite(broken, "dense")
