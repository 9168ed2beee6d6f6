"""Sources: the registry, what may be asked of it, the digits; with the mirror, the facts of the real datasets."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from source_fakes import run

from prunescope.data import store
from prunescope.errors import PrunescopeError
from prunescope.sources import fetch, ham10000


def test_digits_come_with_the_package(tmp_path):
    found = run("digits", tmp_path / "a", test_fraction=0.2, val_fraction=0.1)
    assert found["train_images"] + found["val_images"] + found["test_images"] == 1797 == found["groups"]
    assert (found["classes"], found["groups_in_two_splits"], found["random_split_leak"]) == (10, 0, None)
    kept = store.read(tmp_path / "a")
    assert kept.images.shape == (1797, 32, 32, 3) and (kept.images == kept.images[..., :1]).all()
    per_class = np.bincount(kept.labels)
    assert per_class.tolist() == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]  # UCI's test set
    for split, share in (("train", 0.7), ("val", 0.1), ("test", 0.2)):
        assert list(found["images_per_class"][split].values()) == pytest.approx(share * per_class, abs=1)
    assert kept.provenance["files"][0]["name"] == "sklearn.datasets.load_digits"
    ink = [float(cell) for cell in kept.columns["ink"]]  # percent of the image, a column for subgroups
    assert ink == pytest.approx(kept.images.mean((1, 2, 3)) / 255 * 100, abs=0.6)
    run("digits", tmp_path / "b", image_size=8)
    small = store.read(tmp_path / "b")
    # The first digit's first rows as scikit-learn's documentation prints them, in sixteenths.
    wanted = np.rint(np.array([[0, 0, 5, 13, 9, 1, 0, 0], [0, 0, 13, 15, 10, 15, 5, 0]]) * 255 / 16)
    assert small.images[0, :2, :, 0].tolist() == wanted.tolist()


@pytest.mark.parametrize(
    ("source", "fraction", "files"),
    [("cifar100", None, ["cifar-100-python.tar.gz", "cifar100.zip"]), ("ham10000", 0.2, ham10000.OFFICIAL)],
)
def test_without_files_and_network_all_wanted_files_are_named(tmp_path, monkeypatch, source, fraction, files):
    def offline(url: str, **_: Any) -> None:
        raise fetch.requests.ConnectionError("offline")

    monkeypatch.setattr(fetch.requests, "get", offline)
    monkeypatch.setattr(fetch.time, "sleep", lambda seconds: None)
    (tmp_path / "empty").mkdir()
    for mirror in (None, tmp_path / "empty"):
        with pytest.raises(PrunescopeError) as caught:
            run(source, tmp_path / "out", mirror=mirror, test_fraction=fraction)
        assert "PRUNESCOPE_MIRROR" in str(caught.value)
        assert [name for name in files if name not in str(caught.value)] == []
    with pytest.raises(PrunescopeError, match=r"PRUNESCOPE_MIRROR: found no folder"):
        run(source, tmp_path / "out", mirror=tmp_path / "none", test_fraction=fraction)


def test_what_cannot_be_asked_is_said_first(tmp_path):
    for source, fraction, message in (
        ("digits", None, "this source has none"),
        ("ham10000", None, "asks for the test set of ISIC 2018"),
        ("cifar100", 0.2, "has a test split"),
        ("mnist", 0.2, "found source 'mnist', wanted one of digits, cifar100, ham10000, folder"),
        ("folder", 0.2, 'source "folder" needs one'),
    ):
        with pytest.raises(PrunescopeError, match=message):
            run(source, tmp_path / "out", test_fraction=fraction)
    with pytest.raises(PrunescopeError, match="the others take none"):
        run("digits", tmp_path / "out", path="somewhere")
    with pytest.raises(PrunescopeError, match="found nothing at"):
        run("folder", tmp_path / "out", path=str(tmp_path / "none"))
    assert list(tmp_path.iterdir()) == []


def test_preparing_imports_neither_torch_nor_pandas_nor_sklearn():
    code = "import sys, prunescope.sources.prepare; print(sorted({'torch', 'pandas', 'sklearn'} & set(sys.modules)))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


@pytest.fixture(scope="module")
def mirror() -> Path:
    folder = os.environ.get("PRUNESCOPE_MIRROR")
    if not folder:
        pytest.skip("PRUNESCOPE_MIRROR is not set: no real datasets here")
    return Path(folder)


@pytest.mark.mirror
def test_the_real_ham10000(tmp_path, mirror):
    found = run("ham10000", tmp_path / "a", mirror=mirror, val_fraction=0.1, test_fraction=0.2)
    read = store.read(tmp_path / "a")
    assert (len(read.names), found["groups"], found["groups_in_two_splits"]) == (10015, 7470, 0)
    counts = dict(zip(read.classes, np.bincount(read.labels).tolist(), strict=True))
    assert counts == {"nv": 6705, "mel": 1113, "bkl": 1099, "bcc": 514, "akiec": 327, "vasc": 142, "df": 115}
    _, images = np.unique(read.groups, return_counts=True)
    assert (images > 1).sum() == 1956 and images.max() == 6
    splits = [set(read.groups[read.indices(split)].tolist()) for split in store.SPLITS]
    assert [len(splits[a] & splits[b]) for a, b in ((0, 1), (0, 2), (1, 2))] == [0, 0, 0]
    assert found["random_split_leak"] == pytest.approx(0.386, abs=0.002)
    assert (found["duplicate_images"], found["duplicates_across_splits"], found["converted_images"]) == (2, 0, {})
    for name, images_of_class in counts.items():
        for split, share in (("train", 0.7), ("val", 0.1), ("test", 0.2)):
            assert abs(found["images_per_class"][split][name] - share * images_of_class) <= 6


@pytest.mark.mirror
def test_the_real_cifar100(tmp_path, mirror):
    found = run("cifar100", tmp_path / "a", mirror=mirror, val_fraction=0.1, test_fraction=None)
    read = store.read(tmp_path / "a")
    assert read.images.shape == (60000, 32, 32, 3) and len(read.classes) == 100 and read.classes[0] == "apple"
    for split, images in (("train", 450), ("val", 50), ("test", 100)):
        assert set(found["images_per_class"][split].values()) == {images}
    assert sum(name.startswith("train/") for name in read.names) == 50000
    # CIFAR-100's published channel means of the 50,000 training images, of which 45,000 are used here
    assert read.mean == pytest.approx((0.5071, 0.4865, 0.4409), abs=0.002)
    assert read.std == pytest.approx((0.2673, 0.2564, 0.2762), abs=0.002)
    duplicates = [found[f"duplicate{what}"] for what in ("_images", "s_across_splits", "s_across_classes")]
    assert duplicates == [26, 12, 34] and found["converted_images"] == {}
    about = json.loads((tmp_path / "a" / "store.json").read_text())
    assert about["provenance"]["licence"] == "none stated"
