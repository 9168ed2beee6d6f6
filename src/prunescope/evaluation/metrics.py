"""Metrics of a network's predictions, overall and by class, with bootstrap intervals over groups of images.

Every metric with an interval is a function of sums over images: `columns` makes what is summed, `overall` and `by_class` turn
sums into metrics. The same functions serve the test split as it is and each of its resamples.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from prunescope.errors import PrunescopeError
from prunescope.resampling import Floats, intervals

OVERALL = ("accuracy", "balanced_accuracy", "macro_f1", "top5_accuracy", "auc", "nll", "brier")
BY_CLASS = ("sensitivity", "specificity", "auc")
CLASS_COLUMNS = ("class", "images", "groups", *(f"{name}{end}" for name in BY_CLASS for end in ("", "_low", "_high")))


@dataclass(frozen=True)
class Predictions:
    """logits (N, K) and labels (N,) of a split; groups (N,): images that are resampled together, such as a lesion's."""

    logits: Tensor
    labels: Tensor
    groups: NDArray[Any]

    @property
    def classes(self) -> int:
        return self.logits.shape[1]


def require_finite(logits: Tensor, network: object) -> None:
    """Raise PrunescopeError that names the network if any of its outputs (N, K) is NaN or infinite."""
    broken = int((~logits.isfinite()).any(1).sum())
    if broken:
        raise PrunescopeError(
            f"{network}: found outputs that are not finite for {broken} of {len(logits)} images, wanted finite ones: its "
            "training diverged; lower the learning rate and train it again"
        )


def metrics(found: Predictions, *, ece_bins: int, draws: int) -> dict[str, float | int | None]:
    """Flat metrics, all fractions except nll (nats) and brier (0 to 2), with 95 % intervals as `_low` and `_high`.

    accuracy: a tie for the highest logit counts as wrong, here and below.
    balanced_accuracy: mean recall of the classes present (ISIC 2018 task 3).
    macro_f1: mean over all classes, 0 for one that neither is there nor was predicted.
    top5_accuracy: 1 by definition with five classes or fewer.
    auc: mean over classes of one against the rest, on the probabilities; None where a class is absent or alone.
    ece: see `expected_calibration_error`; no interval, as resampling raises it systematically.
    """
    table = columns(found)
    values = overall(table.sum(0)[None], found.classes)[0]
    low, high = intervals(table, found.groups, lambda sums: overall(sums, found.classes), draws=draws)
    record: dict[str, float | int | None] = {}
    for name, *numbers in zip(OVERALL, values, low, high, strict=True):
        record |= {f"{name}{end}": number for end, number in zip(("", "_low", "_high"), map(_known, numbers), strict=True)}
    probabilities = found.logits.double().softmax(1)
    return record | {
        "ece": expected_calibration_error(probabilities, found.labels, bins=ece_bins),
        "test_images": len(found.labels),
        "test_groups": len(np.unique(found.groups)),
    }


def class_rows(found: Predictions, names: Sequence[str], *, draws: int) -> list[tuple[str | int | float | None, ...]]:
    """`CLASS_COLUMNS` per class; None for the sensitivity and AUC of a class without images.

    Resamples of a class with all (or no) images right are all alike, and the interval would be a point. There its open end is
    the exact one-sided 95 % bound of so many groups, 0.05^(1 / groups) (the "rule of three").
    """
    table = columns(found)
    values = by_class(table.sum(0)[None], found.classes)[0]
    low, high = intervals(table, found.groups, lambda sums: by_class(sums, found.classes), draws=draws)
    labels, rows = found.labels.numpy(), []
    for number, name in enumerate(names):
        mine = labels == number
        groups = [len(np.unique(found.groups[these])) for these in (mine, ~mine)]
        for metric, count in enumerate(groups):
            if values[metric, number] == 1:
                low[metric, number] = 0.05 ** (1 / count)
            elif values[metric, number] == 0:
                high[metric, number] = 1 - 0.05 ** (1 / count)
        numbers = (_known(part[metric, number]) for metric in range(len(BY_CLASS)) for part in (values, low, high))
        rows.append((name, int(mine.sum()), groups[0], *numbers))
    return rows


def columns(found: Predictions) -> Floats:
    """What is summed over images, (N, 5 K + 3): by class images, predicted, right, and the two parts of its AUC; then top-5,
    nll and Brier score."""
    logits, labels, classes = found.logits.double(), found.labels, found.classes
    every = torch.arange(classes)
    probabilities = logits.softmax(1)
    decided = decide(found.logits)
    actual, predicted = labels[:, None] == every, decided[:, None] == every
    top5 = found.logits.topk(min(5, classes), dim=1).indices
    singles = (
        (top5 == labels[:, None]).any(1),
        -logits.log_softmax(1).gather(1, labels[:, None])[:, 0],
        ((probabilities - actual.double()) ** 2).sum(1),
    )
    inside, outside = _placements(probabilities.numpy(), actual.numpy())
    parts = (actual, predicted, actual & predicted, torch.from_numpy(inside), torch.from_numpy(outside), *singles)
    return torch.cat([part.double().reshape(len(labels), -1) for part in parts], dim=1).numpy()


def _placements(scores: Floats, actual: NDArray[np.bool_]) -> tuple[Floats, Floats]:
    """Two (N, K), whose means add up to the AUC: for an image of the class the share of others that score lower (half for
    ties), for another the share of the class that scores higher, less the AUC. With resampled means the sum is the resampled
    AUC to first order (DeLong et al. 1988), which spares sorting each resample."""
    from scipy.stats import rankdata  # slow to import: only evaluate pays

    inside, outside = np.zeros_like(scores), np.zeros_like(scores)
    for k in range(scores.shape[1]):
        mine = actual[:, k]
        count, others = int(mine.sum()), int((~mine).sum())
        if count and others:
            ranks = rankdata(scores[:, k])
            inside[mine, k] = (ranks[mine] - rankdata(scores[mine, k])) / others
            outside[~mine, k] = 1 - (ranks[~mine] - rankdata(scores[~mine, k])) / count
            outside[~mine, k] -= outside[~mine, k].mean()
    return inside, outside


def overall(sums: Floats, classes: int) -> Floats:
    """`OVERALL` (B, 7) from sums (B, 5 K + 3)."""
    actual, predicted, right, *_ = _parts(sums, classes)
    images = actual.sum(1)
    sensitivity, _, auc = by_class(sums, classes).transpose(1, 0, 2)
    f1 = np.divide(2 * right, actual + predicted, out=np.zeros_like(right), where=actual + predicted > 0)
    singles = (sums[:, -3:] / images[:, None]).T
    means = right.sum(1) / images, _mean_where_known(sensitivity), f1.mean(1), singles[0], auc.mean(1), *singles[1:]
    return np.stack(means, axis=1)


def by_class(sums: Floats, classes: int) -> Floats:
    """`BY_CLASS` (B, 3, K) from sums (B, 5 K + 3); NaN where it has no image to be measured on."""
    actual, predicted, right, inside, outside = _parts(sums, classes)
    others = actual.sum(1, keepdims=True) - actual
    with np.errstate(invalid="ignore", divide="ignore"):
        sensitivity = right / actual
        specificity = 1 - (predicted - right) / others
        auc = np.clip(inside / actual + outside / others, 0, 1)  # to first order it may leave them by a little
    return np.stack([sensitivity, specificity, auc], axis=1)


def _parts(sums: Floats, classes: int) -> Floats:
    return sums[:, : 5 * classes].reshape(len(sums), 5, classes).transpose(1, 0, 2)


def _mean_where_known(values: Floats) -> Floats:
    known = ~np.isnan(values)
    return np.where(known, values, 0).sum(1) / known.sum(1)


def _known(value: float) -> float | None:
    return None if np.isnan(value) else float(value)


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
