"""What is kept of each image: shares of the AUC against the AUC itself; and the scores that a predictions file has."""

import numpy as np
import pytest
import torch

from prunescope.evaluation.metrics import Predictions, by_class, columns
from prunescope.evaluation.scores import SCORE, SHARE, auc_shares, score_columns
from prunescope.results import predictions


def drawn(images: int, classes: int, seed: int = 0) -> Predictions:
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(classes, (images,), generator=generator)
    logits = torch.randn(images, classes, generator=generator) + 1.5 * torch.eye(classes)[labels]
    return Predictions(logits, labels, np.arange(images))


def mean_auc(found: Predictions, weights: np.ndarray) -> float:
    return float(by_class((weights @ columns(found))[None], found.classes)[0, 2].mean())


def test_shares_are_what_a_further_copy_of_an_image_changes():
    found = drawn(300, 3)
    shares = auc_shares(found)
    assert shares is not None and shares.sum() == pytest.approx(0.0, abs=1e-12)
    ones = np.ones(300)
    for place in (0, 17, 230):
        step = 1e-5 * (np.arange(300) == place)
        change = (mean_auc(found, ones + step) - mean_auc(found, ones)) / 1e-5
        assert shares[place] == pytest.approx(change, rel=1e-3, abs=1e-9)


def test_their_resamples_spread_as_the_aucs():
    found = drawn(400, 3, seed=1)
    shares, generator = auc_shares(found), np.random.default_rng(0)
    weights = generator.multinomial(400, np.full(400, 1 / 400), size=500)
    assert shares is not None
    assert (weights @ shares).std() == pytest.approx(np.std([mean_auc(found, of) for of in weights]), rel=0.03)


def test_no_shares_where_a_class_is_absent():
    found = drawn(50, 3)
    assert auc_shares(Predictions(found.logits, found.labels.clamp(max=1), found.groups)) is None


def test_scores_are_of_the_critical_classes_that_there_are():
    logits = torch.tensor([[2.0, 0.0, 0.0], [1.0, 1.0, 0.0], [0.0, 0.0, 3.0]])
    found = Predictions(logits, torch.tensor([0, 1, 2]), np.array(["x", "x", "y"]))
    made = score_columns(found, ["a", "b", "c"], ["b", "mel"])
    assert list(made) == [SHARE, f"{SCORE}b"] == [predictions.SHARE, f"{predictions.SCORE}b"]
    assert [float(cell) for cell in made["score_b"]] == pytest.approx(logits.softmax(1)[:, 1].tolist(), rel=1e-5)
    assert [len(cells) for cells in made.values()] == [3, 3]
    absent = Predictions(logits, torch.tensor([0, 1, 1]), found.groups)
    assert score_columns(absent, ["a", "b", "c"], [])[SHARE] == [""] * 3
