"""The gallery: what is drawn is what stands in the predictions."""

import base64
import io
import re

import numpy as np
import pytest
from PIL import Image

from prunescope.errors import PrunescopeError
from prunescope.report import gallery
from report_fakes import make_study, opened

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

    gallery.write(opened(metrics, study), "digits", tmp_path / "gallery.html", image=image, licence="CC BY-NC 4.0")
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
    gallery.write(
        opened(metrics, study), "digits", tmp_path / "g.html", image=lambda name: asked.append(name) or BLUE, licence=""
    )
    assert asked == ["image-0", "image-1", "image-2"], "the last one of a seed alone"
    assert "Only for this machine: do not" in (tmp_path / "g.html").read_text(encoding="utf-8")


def test_a_gallery_of_nothing(tree, tmp_path):
    metrics, study = tree(models=("vgg16",))
    for name in ("dense", *study.methods):
        with pytest.raises(PrunescopeError, match=r"digits: found no seed with predictions of dense and of oneshot, .*dvc repro"):
            gallery.write(opened(metrics, study), "digits", tmp_path / "g.html", image=lambda name: RED, licence="")
        assert not (tmp_path / "g.html").exists()
        predict(metrics, name, 0, "aabb")
    half = make_study(models=("vgg16",), sparsities=(0.8, 0.5))
    gallery.write(opened(metrics, half), "digits", tmp_path / "g.html", image=lambda name: RED, licence="")
    assert (tmp_path / "g.html").read_text(encoding="utf-8").count("Not run.") == 1, "of the level that has not run"
    gallery.write(opened(metrics, study), "digits", tmp_path / "g.html", image=lambda name: RED, licence="")
    text = (tmp_path / "g.html").read_text(encoding="utf-8")
    assert "seed: 0, of which 0" in text
    assert "<img" not in text
