"""Confusion matrices: what is drawn is what stands in the predictions."""

import numpy as np
import pandas as pd

from prunescope.figures import confusion
from prunescope.results.predictions import Predictions
from report_fakes import CELL, opened


def predict(metrics, name: str, seed: int, predicted: str, actual: str = "aabb") -> None:
    cell = f"vgg16-digits-{seed}" if name == "dense" else f"vgg16-digits-0.8-{seed}"
    rows = "".join(f"image-{n},{n},{x},{y}\n" for n, (x, y) in enumerate(zip(actual, predicted, strict=True)))
    (metrics / f"evaluate/{cell}/{name}-predictions.csv").write_text(f"name,group,actual,predicted\n{rows}")


def test_shares_of_each_true_class():
    first = pd.DataFrame({"actual": list("aaaabb"), "predicted": [*"aaab", "undecided", "b"]})
    second = pd.DataFrame({"actual": list("aaaabb"), "predicted": list("aaaabb")})
    found = confusion.shares([Predictions(of, "a test") for of in (first, second)], ["a", "b"])
    assert found.tolist() == [[0.875, 0.125, 0.0], [0.0, 0.75, 0.25]]


def test_matrices_of_few_classes_alone(tree):
    metrics, study = tree(models=("vgg16",))
    assert confusion.matrices(opened(metrics, study), CELL) is None
    predict(metrics, "dense", 0, "abbb")
    predict(metrics, "oneshot", 0, "aabb")
    figure = confusion.matrices(opened(metrics, study), CELL)
    assert figure is not None
    shown = [axis for axis in figure.axes if axis.images]
    assert [axis.get_title() for axis in shown] == ["dense control, n = 1", "oneshot, n = 1"]
    assert np.asarray(shown[0].images[0].get_array()).tolist() == [[0.5, 0.5], [0.0, 1.0]]
    assert sorted(text.get_text() for text in shown[0].texts) == ["100", "50", "50"]
    many = [chr(97 + n) for n in range(21)]
    predict(metrics, "dense", 0, "".join(many), actual="".join(many))
    assert confusion.matrices(opened(metrics, study), CELL) is None
