"""The gallery, confusion matrices and curves: what is drawn is what stands in the predictions and histories."""

import base64
import io
import re

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from prunescope.figures import confusion
from prunescope.report import gallery
from prunescope.results import curves
from prunescope.results.predictions import Predictions

RED, BLUE = (np.full((8, 8, 3), colour, np.uint8) for colour in ((255, 0, 0), (0, 0, 255)))


def predict(metrics, name: str, seed: int, predicted: str, actual: str = "aabb") -> None:
    cell = f"vgg16-digits-{seed}" if name == "dense" else f"vgg16-digits-0.8-{seed}"
    rows = "".join(f"image-{n},{n},{x},{y}\n" for n, (x, y) in enumerate(zip(actual, predicted, strict=True)))
    (metrics / f"evaluate/{cell}/{name}-predictions.csv").write_text(f"name,group,actual,predicted\n{rows}")


def test_the_lost_images_are_shown_and_none_else(tree, tmp_path):
    metrics, study = tree(models=("vgg16",))
    for name, predicted in (("dense", "aabb"), ("oneshot", "babb"), ("layerwise", "bbbb"), ("iterative", "baab")):
        predict(metrics, name, 0, predicted)
    asked = []

    def image(name: str) -> np.ndarray:
        asked.append(name)
        return RED

    gallery.write(study, "digits", metrics, tmp_path / "gallery.html", image=image, licence="CC BY-NC 4.0")
    text = (tmp_path / "gallery.html").read_text(encoding="utf-8")
    assert asked == ["image-0"], "the second is right in oneshot, the third and fourth in others"
    assert "Images that are lost in at least one seed: 1, of which 1 are shown." in text
    assert "Only for this machine (CC BY-NC 4.0): do not publish or commit this page." in text
    assert 'alt="Test images: image-0 (a)."' in text
    [data] = re.findall(r"data:image/png;base64,([^\"]+)", text)
    with Image.open(io.BytesIO(base64.b64decode(data))) as sheet:
        pixels = np.asarray(sheet.convert("RGB"))
    assert (pixels == [255, 0, 0]).all(-1).mean() > 0.05


def test_images_that_more_seeds_lose_come_first(tree, tmp_path):
    metrics, study = tree(models=("vgg16",), seeds=(0, 1))
    for seed, lost in ((0, "bbbb"), (1, "bbab")):
        for name in ("dense", *study.methods):
            predict(metrics, name, seed, "aabb" if name == "dense" else lost)
    asked = []
    gallery.write(study, "digits", metrics, tmp_path / "g.html", image=lambda name: asked.append(name) or BLUE, licence="")
    assert asked == ["image-0", "image-1", "image-2"], "the last one of a seed alone"
    assert "Only for this machine: do not" in (tmp_path / "g.html").read_text(encoding="utf-8")


def test_a_gallery_of_nothing(tree, tmp_path):
    metrics, study = tree(models=("vgg16",))
    gallery.write(study, "digits", metrics, tmp_path / "g.html", image=lambda name: RED, licence="")
    assert "Not run." in (tmp_path / "g.html").read_text(encoding="utf-8")
    for name in ("dense", *study.methods):
        predict(metrics, name, 0, "aabb")
    gallery.write(study, "digits", metrics, tmp_path / "g.html", image=lambda name: RED, licence="")
    text = (tmp_path / "g.html").read_text(encoding="utf-8")
    assert "seed: 0, of which 0" in text
    assert "<img" not in text


def test_shares_of_each_true_class():
    first = pd.DataFrame({"actual": list("aaaabb"), "predicted": [*"aaab", "undecided", "b"]})
    second = pd.DataFrame({"actual": list("aaaabb"), "predicted": list("aaaabb")})
    found = confusion.shares([Predictions(of, "a test") for of in (first, second)], ["a", "b"])
    assert found.tolist() == [[0.875, 0.125, 0.0], [0.0, 0.75, 0.25]]


def test_matrices_of_few_classes_alone(tree):
    metrics, study = tree(models=("vgg16",))
    assert confusion.matrices(metrics, study, "vgg16", "digits", 0.8) is None
    predict(metrics, "dense", 0, "abbb")
    predict(metrics, "oneshot", 0, "aabb")
    figure = confusion.matrices(metrics, study, "vgg16", "digits", 0.8)
    assert figure is not None
    shown = [axis for axis in figure.axes if axis.images]
    assert [axis.get_title() for axis in shown] == ["dense control, n = 1", "oneshot, n = 1"]
    assert np.asarray(shown[0].images[0].get_array()).tolist() == [[0.5, 0.5], [0.0, 1.0]]
    assert sorted(text.get_text() for text in shown[0].texts) == ["100", "50", "50"]
    many = [chr(97 + n) for n in range(21)]
    predict(metrics, "dense", 0, "".join(many), actual="".join(many))
    assert confusion.matrices(metrics, study, "vgg16", "digits", 0.8) is None


def test_curves_hold_every_measurement_in_order(tree):
    metrics, study = tree(seeds=(0, 1), models=("vgg16",))
    table = curves.table(metrics, study)
    assert tuple(table.columns) == curves.COLUMNS
    assert set(table["cell"]) == {"vgg16 on digits, 80 %"}
    for (method, seed), rows in table.groupby(["method", "seed"]):
        assert rows["step"].is_monotonic_increasing, (method, seed)
        cell = f"vgg16-digits-{seed}" if method == "dense" else f"vgg16-digits-0.8-{seed}"
        last = pd.read_csv(metrics / f"finetune/{cell}/{method}.csv").query("split == 'val'")["accuracy"].iloc[-1]
        assert rows["accuracy"].iloc[-1] == pytest.approx(last)
    assert len(table.groupby(["method", "seed"])) == 8
    assert curves.table(metrics / "nothing", study).empty
