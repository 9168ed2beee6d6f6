"""Example images: the chosen classes of CIFAR-100 as PNG files, pixel for pixel."""

import io

import numpy as np
import pytest
from cifar_fakes import cifar_rows, cifar_tree
from PIL import Image
from source_fakes import CLASSES, run, write_tree

from prunescope.errors import PrunescopeError
from prunescope.sources import cifar100, examples


@pytest.fixture
def mirror(tmp_path, monkeypatch):
    for name, count in (("CLASSES", 3), ("TRAIN", 6), ("TEST", 2)):
        monkeypatch.setattr(cifar100, name, count)
    monkeypatch.setattr(examples, "CLASSES", CLASSES[:2])
    write_tree(tmp_path / "mirror" / "cifar100", cifar_tree())
    return tmp_path / "mirror"


def test_the_chosen_classes_are_written_pixel_for_pixel(tmp_path, mirror):
    assert examples.write(tmp_path / "own", mirror=mirror, cache=tmp_path / "cache") == 16
    found = {path.relative_to(tmp_path / "own").as_posix(): path for path in (tmp_path / "own").rglob("*.png")}
    wanted = {f"{split}/{name}/{stem}.png": image for split, name, stem, image in cifar_rows() if name in CLASSES[:2]}
    assert found.keys() == wanted.keys() and len(wanted) == 16
    for name, path in found.items():
        assert np.array_equal(np.asarray(Image.open(io.BytesIO(path.read_bytes()))), np.asarray(wanted[name])), name


def test_they_are_own_images_as_the_source_wants_them(tmp_path, mirror):
    examples.write(tmp_path / "own", mirror=mirror, cache=tmp_path / "cache")
    record = run("folder", tmp_path / "store", path=str(tmp_path / "own"), test_fraction=None)
    assert record["images_per_class"]["test"] == dict.fromkeys(CLASSES[:2], 2)


def test_a_folder_with_something_in_it_is_refused(tmp_path, mirror):
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "mine.txt").write_text("mine")
    with pytest.raises(PrunescopeError, match=r"found something at .*own already; name a folder that is empty"):
        examples.write(tmp_path / "own", mirror=mirror, cache=tmp_path / "cache")
    assert [path.name for path in (tmp_path / "own").iterdir()] == ["mine.txt"]


def test_the_real_classes_are_cifar100s():
    assert len(set(examples.CLASSES)) == 10
