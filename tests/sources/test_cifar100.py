"""CIFAR-100 in every form it may come in."""

import hashlib
import tarfile
from pathlib import Path

import numpy as np
import pytest
from cifar_fakes import archive, binary, cifar_rows, cifar_tree
from source_fakes import CLASSES, run, write_tree, write_zip

from prunescope.data import store
from prunescope.sources import cifar100
from prunescope.sources.checksums import Official

FORMS = ("archive", "unpacked", "zip", "folder", "binary", "binary archive")


@pytest.fixture
def mirrors(tmp_path, monkeypatch) -> dict[str, Path]:
    """A mirror of each form; the fakes' checksums are the ones that are wanted."""
    places = {form: tmp_path / f"mirror of {form}" for form in FORMS}
    for place in places.values():
        place.mkdir()
    official = archive(places["archive"] / "cifar-100-python.tar.gz")
    with tarfile.open(official) as tar:
        tar.extractall(places["unpacked"], filter="data")
    write_zip(places["zip"] / "cifar100.zip", cifar_tree())
    write_tree(places["folder"] / "cifar100" / "around", cifar_tree())
    binary(places["binary"])
    with tarfile.open(places["binary archive"] / "cifar-100-binary.tar.gz", "w:gz") as tar:
        tar.add(places["binary"] / "cifar-100-binary", "cifar-100-binary")
    for name, count in (("CLASSES", 3), ("TRAIN", 6), ("TEST", 2)):
        monkeypatch.setattr(cifar100, name, count)
    binary_archive = places["binary archive"] / "cifar-100-binary.tar.gz"
    monkeypatch.setattr(cifar100, "BINARY_MD5", md5(binary_archive))
    monkeypatch.setattr(cifar100, "ARCHIVE", Official("https://archive", official.stat().st_size, md5(official)))
    unpacked = places["unpacked"] / "cifar-100-python"
    monkeypatch.setattr(cifar100, "UNPACKED", {path.name: md5(path) for path in unpacked.iterdir()})
    return places


def md5(path: Path) -> str:
    return hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()


def test_all_forms_give_the_same_images(tmp_path, mirrors):
    kept = {}
    for form, mirror in mirrors.items():
        found = run("cifar100", tmp_path / form, test_fraction=None, mirror=mirror)
        assert found["images_per_class"] == {
            "train": dict.fromkeys(CLASSES, 5),
            "val": dict.fromkeys(CLASSES, 1),
            "test": dict.fromkeys(CLASSES, 2),
        }
        names = ("images.npy", "labels.npy", "splits.npy", "index.csv")
        kept[form] = [(tmp_path / form / name).read_bytes() for name in names]
    assert kept["archive"] == kept["unpacked"] == kept["zip"] == kept["folder"]
    assert kept["binary"] == kept["binary archive"]
    read = store.read(tmp_path / "zip")
    assert read.names[0] == "test/apple/apple_s_000000" and read.classes == CLASSES
    truth = {f"{split}/{name}/{stem}": np.asarray(image) for split, name, stem, image in cifar_rows()}
    assert len(truth) == len(read.names) == 24
    assert all(np.array_equal(read.images[row], truth[name]) for row, name in enumerate(read.names))
    files = {form: store.read(tmp_path / form).provenance["files"] for form in mirrors}
    assert files["archive"][0]["address"] == "https://archive"
    assert {form: found[0]["official"] for form, found in files.items()} == {form: form == "archive" for form in FORMS}


def test_the_binary_version_has_the_same_images_and_splits_under_numbers(tmp_path, mirrors):
    run("cifar100", tmp_path / "a", test_fraction=None, mirror=mirrors["binary"])
    read = store.read(tmp_path / "a")
    rows = [row for row in cifar_rows() if row[0] == "train"]
    truth = {f"train/{name}/{number:05}": np.asarray(image) for number, (_, name, _, image) in enumerate(rows)}
    found = dict(zip(read.names.tolist(), read.images, strict=True))
    assert len(truth) == 18 and all(np.array_equal(found[name], pixels) for name, pixels in truth.items())
    assert [read.classes[label] for label in read.labels] == [name.split("/")[1] for name in read.names]


def test_what_python_2_pickled_is_read():
    # As Python 2 with numpy 1.x writes it (protocol 2), assembled by hand: text as bytes, an array of 1, 254 and so on.
    array = b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R(K\x01K\x01K\x03\x86"
    array += b"cnumpy\ndtype\nU\x02u1K\x00K\x01\x87R(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
    array += b"\x89U\x03\x00\x01\xfetb"
    part = b"\x80\x02}(U\x09filenames]U\x05a.pngaU\x0bfine_labels]K\x00aU\x04data" + array + b"u."
    files = {"meta": b"\x80\x02}U\x10fine_label_names]U\x05appleas.", "train": part, "test": part}
    rows, pixels, classes = cifar100._unpickled(files.__getitem__)
    assert (rows, classes) == ([("train/apple/a", 0, 0), ("test/apple/a", 0, 2)], ["apple"])
    assert pixels.dtype == np.uint8 and pixels.tolist() == [[0, 1, 254]] * 2
