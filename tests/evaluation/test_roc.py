"""ROC curves that are kept: against every threshold tried one by one, and against the AUC."""

import numpy as np
import pytest
import torch

from prunescope.evaluation.metrics import Predictions, class_rows
from prunescope.evaluation.roc import MOST, ROC_COLUMNS, SPECIFICITIES, roc_rows, sensitivities
from prunescope.evidence import quality
from prunescope.results import results


def by_hand(scores: np.ndarray, mine: np.ndarray, specificity: float) -> float:
    """The best of all thresholds, infinity among them."""
    best = 0.0
    for threshold in (-np.inf, *scores):
        taken = scores > threshold
        if (~taken[~mine]).mean() >= specificity - 1e-12:
            best = max(best, taken[mine].mean())
    return float(best)


@pytest.mark.parametrize("scores_alike", [3, 20, 10**6])
def test_it_is_the_best_that_any_threshold_reaches(scores_alike):
    generator = np.random.default_rng(scores_alike)
    mine = generator.random(150) < 0.2
    scores = np.round((generator.random(150) + 0.3 * mine) * scores_alike) / scores_alike
    found = sensitivities(scores, mine)
    assert found.tolist() == pytest.approx([by_hand(scores, mine, of) for of in SPECIFICITIES])
    assert found[0] == 1 and (np.diff(found) <= 0).all()


def test_one_score_for_all_images_finds_none_before_it_takes_all():
    found = sensitivities(np.full(20, 0.5), np.arange(20) < 5)
    assert found[0] == 1 and (found[1:] == 0).all()


def test_a_perfect_network_finds_all_and_the_grid_is_fine_near_one():
    assert (sensitivities(np.arange(10.0), np.arange(10) > 6) == 1).all()
    assert SPECIFICITIES[:3] == (0, 0.02, 0.04) and SPECIFICITIES[-3:] == (0.98, 0.99, 1.0) and len(SPECIFICITIES) == 52


def test_rows_are_of_every_class_that_there_is_and_their_area_is_the_auc():
    generator = torch.Generator().manual_seed(0)
    labels = torch.randint(3, (4000,), generator=generator)
    logits = torch.randn(4000, 4, generator=generator) + torch.eye(4)[labels]
    found, names = Predictions(logits, labels, np.arange(4000)), ["a", "b", "c", "absent"]
    rows = roc_rows(found, names)
    assert [name for name, *_ in rows] == [name for name in "abc" for _ in SPECIFICITIES]
    aucs = {row[0]: row[9] for row in class_rows(found, names, draws=2)}
    for name in "abc":
        curve = [float(sensitivity) for of, _, sensitivity in rows if of == name]
        assert np.trapezoid(curve, SPECIFICITIES) == pytest.approx(aucs[name], abs=0.005)


def test_the_report_reads_what_is_written_and_calls_as_many_classes_few():
    assert set(ROC_COLUMNS) == results.ROC and MOST == quality.FEW
