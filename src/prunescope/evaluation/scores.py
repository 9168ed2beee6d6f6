"""The little of a network's outputs that is kept of each test image, as differences between networks ask for it."""

from collections.abc import Sequence

from prunescope.evaluation.metrics import Predictions, columns
from prunescope.resampling import Floats

SHARE = "auc_share"  # of the mean AUC, see `auc_shares`
SCORE = "score_"  # and a class: the probability that the network gives it


def auc_shares(found: Predictions) -> Floats | None:
    """(N,) by how much a further copy of each image moves the mean AUC, to first order (DeLong et al. 1988); they sum to 0, and
    with resampled weights to the deviation of the resampled AUC. None where a class is absent or alone."""
    sums = columns(found)[:, : 5 * found.classes].reshape(len(found.labels), 5, found.classes)
    actual, inside, outside = sums[:, 0], sums[:, 3], sums[:, 4]
    counts, others = actual.sum(0), (1 - actual).sum(0)
    if not (counts.all() and others.all()):
        return None
    of_class = actual * (inside - inside.sum(0) / counts) / counts
    return (of_class + (1 - actual) * outside / others).mean(1)


def score_columns(found: Predictions, classes: Sequence[str], critical: Sequence[str]) -> dict[str, list[str]]:
    """Columns of a predictions file by name, a cell per image: shares of the AUC, and the scores of those critical `classes` that
    there are."""
    shares = auc_shares(found)
    made = {SHARE: [""] * len(found.labels) if shares is None else [f"{share:.3e}" for share in shares]}
    scores = found.logits.double().softmax(1)
    for number, name in enumerate(classes):
        if name in critical:
            made[f"{SCORE}{name}"] = [f"{score:.6g}" for score in scores[:, number].tolist()]
    return made
