"""ROC curves of every class, one against the rest: the scores of all classes and images would be too large to keep."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from prunescope.evaluation.metrics import Predictions
from prunescope.resampling import Floats

ROC_COLUMNS = ("class", "specificity", "sensitivity")
MOST = 10  # classes of a data set whose curves are kept
SPECIFICITIES = (*(place / 50 for place in range(50)), 0.99, 1.0)  # 0, 0.02 ... 0.98, 0.99, 1


def sensitivities(scores: Floats, mine: NDArray[np.bool_]) -> Floats:
    """(len(SPECIFICITIES),) the largest sensitivity that some threshold reaches at each specificity or a higher one.

    scores (N,), mine (N,) true for images of the class; both kinds are there. What is above a threshold is taken for the class:
    images of one score are all taken or none.
    """
    others = np.sort(scores[~mine])[::-1]
    false_positives = np.floor((1 - np.array(SPECIFICITIES)) * len(others) + 1e-9).astype(int)  # that are allowed
    lowest = np.append(others, -np.inf)[false_positives]
    of_class = np.sort(scores[mine])
    return 1 - np.searchsorted(of_class, lowest, side="right") / len(of_class)


def roc_rows(found: Predictions, names: Sequence[str]) -> list[tuple[str, float, str]]:
    """`ROC_COLUMNS` by class, fractions; none of a class that is absent, or alone."""
    scores, labels = found.logits.double().softmax(1).numpy(), found.labels.numpy()
    return [
        (name, specificity, f"{sensitivity:.6g}")
        for number, name in enumerate(names)
        if 0 < (mine := labels == number).sum() < len(labels)
        for specificity, sensitivity in zip(SPECIFICITIES, sensitivities(scores[:, number], mine), strict=True)
    ]
