"""Metrics of a network's predictions."""

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor


def metrics(logits: Tensor, labels: Tensor, *, ece_bins: int) -> dict[str, float | int | None]:
    """Flat metrics of predictions, all fractions except nll (nats) and brier (0 to 2).

    balanced_accuracy: mean recall of the classes present (ISIC 2018 task 3; a tie for the highest logit counts as wrong).
    auc: macro one-vs-rest; None where a class is absent or all labels are one class.
    top5_accuracy is 1 by definition with five classes or fewer.
    """
    from sklearn.metrics import f1_score, roc_auc_score  # 2 s to import: only evaluate pays

    classes = logits.shape[1]
    probabilities = logits.double().softmax(1)
    predicted = decide(logits)
    correct = predicted == labels
    recalls = [float(correct[labels == k].double().mean()) for k in range(classes) if bool((labels == k).any())]
    all_present = len(recalls) == classes
    target = probabilities[:, 1] if classes == 2 else probabilities / probabilities.sum(1, keepdim=True)
    top5 = logits.topk(min(5, classes), dim=1).indices
    return {
        "accuracy": float(correct.double().mean()),
        "balanced_accuracy": float(np.mean(recalls)),
        "macro_f1": float(
            f1_score(labels, predicted, labels=range(classes), average="macro", zero_division=0)  # type: ignore[arg-type]
        ),
        "top5_accuracy": float((top5 == labels[:, None]).any(1).double().mean()),
        "auc": float(roc_auc_score(labels, target, multi_class="ovr", average="macro")) if all_present else None,
        "nll": float(F.cross_entropy(logits.double(), labels)),
        "brier": float(((probabilities - F.one_hot(labels, classes)) ** 2).sum(1).mean()),
        "ece": expected_calibration_error(probabilities, labels, bins=ece_bins),
        "test_images": len(labels),
    }


def decide(logits: Tensor) -> Tensor:
    """(N,) class of the highest logit, -1 where two share it: an undecided image counts as wrong."""
    best = logits.max(1)
    ties = (logits == best.values[:, None]).sum(1) > 1
    return torch.where(ties, -1, best.indices)


def expected_calibration_error(probabilities: Tensor, labels: Tensor, *, bins: int) -> float:
    """Mean gap between confidence and accuracy over equal-width confidence bins, weighted by their size (Guo et al. 2017).

    probabilities: (N, K); of classes that tie for the highest the first counts as predicted.
    """
    confidence, predicted = probabilities.max(1)
    number = (confidence * bins).long().clamp(max=bins - 1)
    gap = (predicted == labels).double() - confidence.double()
    return float(torch.zeros(bins, dtype=torch.float64).index_add_(0, number, gap).abs().sum() / len(labels))


def recall_rows(logits: Tensor, labels: Tensor, classes: Sequence[str]) -> list[tuple[str, int, float | None]]:
    """(class, images, recall) per class; recall None for a class without test images."""
    correct = decide(logits) == labels
    rows = []
    for number, name in enumerate(classes):
        mine = labels == number
        rows.append((name, int(mine.sum()), float(correct[mine].double().mean()) if bool(mine.any()) else None))
    return rows
