"""Confusion matrices: what is drawn is what stands in the predictions."""

import pandas as pd

import drawn
from prunescope.figures import tables
from prunescope.results.predictions import Predictions
from report_fakes import CELL, opened


def predict(metrics, name: str, seed: int, predicted: str, actual: str = "aabb") -> None:
    cell = f"vgg16-digits-{seed}" if name == "dense" else f"vgg16-digits-0.8-{seed}"
    rows = "".join(f"image-{n},{n},{x},{y}\n" for n, (x, y) in enumerate(zip(actual, predicted, strict=True)))
    (metrics / f"evaluate/{cell}/{name}-predictions.csv").write_text(f"name,group,actual,predicted\n{rows}")


def test_shares_of_each_true_class():
    first = pd.DataFrame({"actual": list("aaaabb"), "predicted": [*"aaab", "undecided", "b"]})
    second = pd.DataFrame({"actual": list("aaaabb"), "predicted": list("aaaabb")})
    found = tables.shares([Predictions(of, "a test") for of in (first, second)], ["a", "b"])
    assert found.tolist() == [[0.875, 0.125, 0.0], [0.0, 0.75, 0.25]]


def test_matrices_of_few_classes_alone(tree):
    metrics, study = tree(models=("vgg16",))
    assert tables.confusion(opened(metrics, study), CELL) is None
    predict(metrics, "dense", 0, "abbb")
    predict(metrics, "oneshot", 0, "aabb")
    figure = tables.confusion(opened(metrics, study), CELL)
    assert figure is not None
    assert drawn.titles(figure) == ["dense control, n = 1", "oneshot, n = 1"]
    shown = drawn.rows(figure, "rect").pivot(index="true", columns="predicted", values="share")
    assert shown.to_numpy().tolist() == [[50, 50], [0, 100]]
    assert drawn.layers(figure)[1]["mark"] == "text", "each cell has its number"
    many = [chr(97 + n) for n in range(21)]
    predict(metrics, "dense", 0, "".join(many), actual="".join(many))
    assert tables.confusion(opened(metrics, study), CELL) is None
