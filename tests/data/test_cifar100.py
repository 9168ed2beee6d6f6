"""CIFAR-100: small fakes of every form it may come in, and pickles that are refused."""

import hashlib
import io
import os
import pickle
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from source_fakes import CLASSES, encoded, picture, run, write_tree, write_zip

from prunescope.data import cifar100, store
from prunescope.errors import PrunescopeError


def cifar_rows(count: int = 6) -> list[tuple[str, str, str, Image.Image]]:
    """(split, class, stem, image) of a tiny CIFAR, not in any order of names."""
    rows = [
        (split, name, f"{name}_s_{(7 * number) % 11:06}", picture(100 * of + number + 50 * (split == "test")))
        for split in ("train", "test")
        for of, name in enumerate(CLASSES)
        for number in range(count if split == "train" else 2)
    ]
    return [rows[row] for row in np.random.default_rng(0).permutation(len(rows))]


def cifar_tree() -> dict[str, bytes]:
    return {f"{split}/{name}/{stem}.webp": encoded(image, "WEBP", lossless=True) for split, name, stem, image in cifar_rows()}


def write_cifar_archive(path: Path, monkeypatch: pytest.MonkeyPatch, **replaced: bytes) -> None:
    """Write the official layout and make its md5 the one that is wanted."""
    parts: dict[str, bytes] = {"meta": pickle.dumps({"fine_label_names": list(CLASSES)}, protocol=2)}
    for part in ("train", "test"):
        rows = [row for row in cifar_rows() if row[0] == part]
        parts[part] = pickle.dumps(
            {
                "filenames": [f"{stem}.png" for _, _, stem, _ in rows],
                "fine_labels": [CLASSES.index(name) for _, name, _, _ in rows],
                "data": np.stack([np.asarray(image).transpose(2, 0, 1).reshape(-1) for *_, image in rows]),
            },
            protocol=4,
        )
    with tarfile.open(path, "w:gz") as archive:
        for name, content in (parts | replaced).items():
            about = tarfile.TarInfo(f"cifar-100-python/{name}")
            about.size = len(content)
            archive.addfile(about, io.BytesIO(content))
    name, (url, _, _) = next(iter(cifar100.OFFICIAL.items()))
    content = path.read_bytes()
    md5 = hashlib.md5(content, usedforsecurity=False).hexdigest()
    monkeypatch.setattr(cifar100, "OFFICIAL", {name: (url, len(content), md5)})


def test_all_forms_of_cifar_give_the_same_images(tmp_path, monkeypatch):
    mirrors = {name: tmp_path / f"mirror-{name}" for name in ("archive", "zip", "folder")}
    for mirror in mirrors.values():
        mirror.mkdir()
    write_cifar_archive(mirrors["archive"] / "cifar-100-python.tar.gz", monkeypatch)
    write_zip(mirrors["zip"] / "cifar100.zip", cifar_tree())
    write_tree(mirrors["folder"] / "cifar100", cifar_tree())
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
    assert kept["archive"] == kept["zip"] == kept["folder"]
    read = store.read(tmp_path / "zip")
    assert read.names[0] == "test/apple/apple_s_000000" and read.classes == CLASSES
    truth = {f"{split}/{name}/{stem}": np.asarray(image) for split, name, stem, image in cifar_rows()}
    assert len(truth) == len(read.names) == 24
    assert all(np.array_equal(read.images[row], truth[name]) for row, name in enumerate(read.names))
    official = {form: store.read(tmp_path / form).provenance["files"][0]["official"] for form in mirrors}
    assert official == {"archive": True, "zip": False, "folder": False}


class Malicious:
    def __init__(self, call: Any, *arguments: Any):
        self.call, self.arguments = call, arguments

    def __reduce__(self) -> tuple[Any, Any]:
        return self.call, self.arguments


@pytest.mark.parametrize(
    "call",
    [(os.mkdir, "PWNED"), (eval, "__import__('os').mkdir('PWNED')"), (getattr, "text", "format")],
    ids=["os", "eval", "getattr"],
)
def test_a_pickle_that_would_run_something_is_refused(tmp_path, monkeypatch, call):
    monkeypatch.chdir(tmp_path)
    evil = pickle.dumps({"fine_label_names": Malicious(*call)})
    write_cifar_archive(tmp_path / "cifar-100-python.tar.gz", monkeypatch, meta=evil)
    with pytest.raises(PrunescopeError, match=r"is not CIFAR-100's archive .*refused to load (posix|nt|builtins)\."):
        run("cifar100", tmp_path / "out", test_fraction=None, mirror=tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["cifar-100-python.tar.gz"]


def test_arrays_pickled_by_python_2_are_read():
    # What Python 2 with numpy 1.x writes (protocol 2) for {"data": np.arange(3, dtype="u1")}, assembled by hand.
    text = b"}U\x04datacnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R(K\x01K\x03\x85"
    kind = b"cnumpy\ndtype\nU\x02u1K\x00K\x01\x87R(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
    python2 = b"\x80\x02" + text + kind + b"\x89U\x03\x00\x01\xfetbs."
    found = cifar100._Plain(io.BytesIO(python2), encoding="latin1").load()
    assert list(found) == ["data"] and found["data"].dtype == np.uint8 and found["data"].tolist() == [0, 1, 254]


def test_a_wrong_official_archive_is_refused(tmp_path):
    (tmp_path / "cifar-100-python.tar.gz").write_bytes(b"something else")
    with pytest.raises(PrunescopeError, match=r"has md5 \w+, wanted eb9058c3a382ffc7106e4002c42a8d85"):
        run("cifar100", tmp_path / "out", test_fraction=None, mirror=tmp_path)


@pytest.mark.parametrize("replaced", [{"meta": pickle.dumps({})}, {"train": b"no pickle"}, {"train": pickle.dumps([])}])
def test_an_archive_of_something_else_is_refused(tmp_path, monkeypatch, replaced):
    write_cifar_archive(tmp_path / "cifar-100-python.tar.gz", monkeypatch, **replaced)
    with pytest.raises(PrunescopeError, match="is not CIFAR-100's archive"):
        run("cifar100", tmp_path / "out", test_fraction=None, mirror=tmp_path)


@pytest.mark.parametrize("member", ["../apple/0.png", "/train/apple/0.png", "train/../0.png"])
def test_a_zip_that_reaches_out_is_refused(tmp_path, member):
    write_zip(tmp_path / "cifar100.zip", cifar_tree() | {member: b""})
    with pytest.raises(PrunescopeError, match="wanted only images"):
        run("cifar100", tmp_path / "out", test_fraction=None, mirror=tmp_path)


def test_a_zip_with_wrong_bytes_names_archive_and_member(tmp_path):
    write_zip(tmp_path / "cifar100.zip", cifar_tree())
    data = bytearray((tmp_path / "cifar100.zip").read_bytes())
    data[data.index(b"WEBP") + 30] ^= 1
    (tmp_path / "cifar100.zip").write_bytes(data)
    with pytest.raises(PrunescopeError, match=r"image \w+/\w+/\w+\.webp in .*cifar100\.zip: Bad CRC-32"):
        run("cifar100", tmp_path / "out", test_fraction=None, mirror=tmp_path)
