"""The paper's data sets in forms that are not whole, and disks that cannot take a store."""

import hashlib
import os
import pickle
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cifar_fakes import archive, binary, cifar_tree
from ham_fakes import ham, truth, write_ham, write_test_set
from hostile import Case, flipped
from source_fakes import class_tree, encoded, picture, write_tree, write_zip

from prunescope.data import store
from prunescope.sources import cifar100, fetch, ham10000
from prunescope.sources.checksums import Official

Change = Callable[[dict[str, bytes], str], tuple[dict[str, bytes], str]]


class Malicious:
    """Something that runs a function when it is unpickled."""

    def __init__(self, call: Any, *arguments: Any):
        self.call, self.arguments = call, arguments

    def __reduce__(self) -> tuple[Any, Any]:
        return self.call, self.arguments


def ham_with(change: Change, message: str) -> Case:
    def make(folder: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
        images, table = change(*ham())
        monkeypatch.setattr(ham10000, "IMAGES", 36)
        write_ham(folder, images, table)
        return {"mirror": folder}

    return Case("ham10000", make, message)


def ham_without(name: str) -> Case:
    """A mirror that lacks a file, and no network."""

    def make(folder: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
        write_ham(folder, *ham())
        (folder / name).unlink()
        monkeypatch.setattr(fetch.requests, "get", offline)
        monkeypatch.setattr(fetch.time, "sleep", lambda seconds: None)
        return {"mirror": folder, "cache": folder / "cache"}

    return Case("ham10000", make, f"could not download .*put .*{name}.* into a folder ham10000 and set PRUNESCOPE_MIRROR")


def offline(url: str, **_: Any) -> None:
    raise fetch.requests.ConnectionError("offline")


def tested(change: Change, message: str, count: int = 24) -> Case:
    """HAM10000 with ISIC 2018's test set."""

    def make(folder: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
        monkeypatch.setattr(ham10000, "IMAGES", 36)
        monkeypatch.setattr(ham10000, "TEST_IMAGES", (count,))
        write_ham(folder, *ham())
        images, table = change(*truth())
        if images:
            write_test_set(folder, images, table)
        return {"mirror": folder, "test_fraction": None}

    return Case("ham10000", make, message)


def broken_truth() -> Case:
    """The challenge's zip of its table with a bit turned over."""

    def make(folder: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
        write_ham(folder, *ham())
        write_test_set(folder, *truth())
        path = folder / "ISIC2018_Task3_Test_GroundTruth.zip"
        path.write_bytes(flipped((data := path.read_bytes()), data.index(b"MEL")))
        return {"mirror": folder, "test_fraction": None}

    return Case("ham10000", make, "cannot read ISIC2018_Task3_Test_GroundTruth/.*: Bad CRC-32")


def cifar_pickled(replaced: Callable[[], dict[str, bytes]], message: str) -> Case:
    def make(folder: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
        path = archive(folder / "cifar-100-python.tar.gz", **replaced())
        md5 = hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()
        monkeypatch.setattr(cifar100, "ARCHIVE", Official("", path.stat().st_size, md5))
        return {"mirror": folder, "test_fraction": None}

    return Case("cifar100", make, message)


def cifar(write: Callable[[Path], object], message: str, train: int = 6) -> Case:
    def make(folder: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
        write(folder)
        for name, count in (("CLASSES", 3), ("TRAIN", train), ("TEST", 2)):
            monkeypatch.setattr(cifar100, name, count)
        return {"mirror": folder, "test_fraction": None}

    return Case("cifar100", make, message)


def unpacked(folder: Path) -> None:
    with tarfile.open(archive(folder / "all.tar.gz")) as tar:
        tar.extractall(folder, filter="data")


def packed_binary(folder: Path) -> None:
    with tarfile.open(folder / "cifar-100-binary.tar.gz", "w:gz") as tar:
        tar.add(binary(folder / "there"), "cifar-100-binary")


def on_disk(change: Callable[[Path, pytest.MonkeyPatch], dict[str, Any]], message: str) -> Case:
    def make(folder: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
        write_tree(folder / "mine", class_tree())
        return {"path": str(folder / "mine")} | change(folder, monkeypatch)

    return Case("folder", make, message)


def failing(monkeypatch: pytest.MonkeyPatch, target: Any, name: str, error: OSError) -> dict[str, Any]:
    def fail(*_: Any, **__: Any) -> None:
        raise error

    monkeypatch.setattr(target, name, fail)
    return {}


def lines(table: str) -> list[str]:
    return table.splitlines(keepends=True)


HAM = {
    "HAM10000 without lesions": ham_with(lambda i, t: (i, t.replace("lesion_id", "lesion")), "wanted also lesion_id"),
    "HAM10000 with semicolons": ham_with(lambda i, t: (i, t.replace(",", ";")), "divided by semicolons"),
    "HAM10000 with an unknown diagnosis": ham_with(
        lambda i, t: (i, t.replace(",mel,", ",MEL,", 1)), "found dx 'MEL', wanted one of"
    ),
    "HAM10000 with a space in a diagnosis": ham_with(lambda i, t: (i, t.replace(",mel,", ",mel ,", 1)), "found dx 'mel '"),
    "HAM10000 with an image twice": ham_with(lambda i, t: (i, t + lines(t)[1]), "line 38: found image_id 'ISIC_.*again"),
    "HAM10000 with an empty lesion": ham_with(lambda i, t: (i, t.replace("HAM_003", "")), "found no lesion_id"),
    "HAM10000 with a row too many": ham_with(
        lambda i, t: (dict(list(i.items())[1:]), t), r"1 rows without an image \(the first: ISIC_0000000\)"
    ),
    "HAM10000 with an image too many": ham_with(
        lambda i, t: (i, "".join(lines(t)[:-1])), r"1 images without a row \(the first: ISIC_0000000\)"
    ),
    "half of HAM10000": ham_with(
        lambda i, t: ({n: i[n] for n in list(i)[:18]}, "".join([lines(t)[0], *lines(t)[-18:]])), "found 18 images .*wanted .*36"
    ),
    "HAM10000 with a cut image": ham_with(
        lambda i, t: (i | {"ISIC_0000005.jpg": i["ISIC_0000005.jpg"][:300]}, t), r"ISIC_0000005\.jpg in .*part_1\.zip"
    ),
    "HAM10000 with text for an image": ham_with(
        lambda i, t: (i | {"ISIC_0000005.jpg": b"hello"}, t), r"ISIC_0000005\.jpg in .*begins with b'hello'"
    ),
    "HAM10000 with two lesions of a class": ham_with(
        lambda i, t: (i, "".join(x if x[:7] in ("HAM_022", "HAM_023") else x.replace(",mel,", ",nv,") for x in lines(t))),
        "'mel': 2 groups",
    ),
    "HAM10000 without its table": ham_without("HAM10000_metadata.csv"),
    "HAM10000 without its second part": ham_without("HAM10000_images_part_2.zip"),
    "no test set of ISIC 2018": tested(
        lambda i, t: ({}, t), "asks for the test set of ISIC 2018.*ISIC2018_Task3_Test_Images.zip"
    ),
    "a test set without an image": tested(lambda i, t: (dict(list(i.items())[1:]), t), "1 rows without an image"),
    "a test set of two diagnoses": tested(
        lambda i, t: (i, t.replace("1.0,0.0", "1.0,1.0", 1)), "line .*wanted 1 in one column and 0 in the others"
    ),
    "a test set of other columns": tested(lambda i, t: (i, t.replace("MEL", "XYZ", 1)), "wanted also MEL"),
    "a test set that is not whole": tested(lambda i, t: (i, t), "found 24 images, wanted ISIC 2018's 25", count=25),
    "a test set with an empty table": tested(lambda i, t: (i, ""), "found columns"),
    "a test set with a broken zip": broken_truth(),
    "a lesion of two diagnoses": ham_with(
        lambda i, t: (i, t.replace("HAM_023", "HAM_001")), "found lesion HAM_001 with dx .* after .*, wanted one diagnosis"
    ),
    "two images of one id": ham_with(
        lambda i, t: (i | {"more/ISIC_0000005.jpg": i["ISIC_0000006.jpg"]}, t),
        "found two different images of one id",
    ),
    "a test set from the training images": tested(
        lambda i, t: ({n.replace("ISIC_1", "ISIC_0"): c for n, c in i.items()}, t.replace("ISIC_1", "ISIC_0")),
        "24 images in HAM10000 and in ISIC 2018's test set",
    ),
}

CIFAR = {
    "a wrong official archive": cifar(
        lambda folder: (folder / "cifar-100-python.tar.gz").write_bytes(b"else"),
        "has md5 .*, wanted md5 eb9058c3a382ffc7106e4002c42a8d85",
    ),
    "a pickle that makes a folder": cifar_pickled(
        lambda: {"meta": pickle.dumps({"fine_label_names": Malicious(os.mkdir, "PWNED")})}, r"refused to load (posix|nt)\.mkdir"
    ),
    "a pickle that evaluates": cifar_pickled(
        lambda: {"train": pickle.dumps(Malicious(eval, "1"))}, r"refused to load builtins\.eval"
    ),
    "a pickle that looks further": cifar_pickled(
        lambda: {"train": pickle.dumps(Malicious(getattr, "text", "format"))}, r"refused to load builtins\.getattr"
    ),
    "an archive of an empty table": cifar_pickled(lambda: {"meta": pickle.dumps({})}, "is not CIFAR-100 .KeyError"),
    "an archive of no pickle": cifar_pickled(lambda: {"train": b"no pickle"}, "is not CIFAR-100 .UnpicklingError"),
    "an archive of a list": cifar_pickled(lambda: {"train": pickle.dumps([])}, "is not CIFAR-100 .TypeError"),
    "an unpacked archive with other bytes": cifar(unpacked, r"cifar-100-python/meta has md5 .*, wanted md5 7973b15100"),
    "an unpacked archive that is not whole": cifar(
        lambda folder: (folder / "cifar-100-python").mkdir(), "cifar-100-python/meta is missing"
    ),
    "a binary archive with other bytes": cifar(packed_binary, "cifar-100-binary.tar.gz has md5 .*, wanted md5 03b5dce01913d631"),
    "binary records that are cut": cifar(lambda folder: binary(folder, lambda data: data[:-1]), "is not CIFAR-100 .ValueError"),
    "binary records of another class": cifar(
        lambda folder: binary(folder, lambda data: data[:1] + b"\x63" + data[2:]), "is not CIFAR-100 .IndexError"
    ),
    "a part of CIFAR-100": cifar(
        lambda folder: write_zip(folder / "cifar100.zip", cifar_tree()),
        "found 24 images of 3 classes .*classes of 500 images to train",
        500,
    ),
    "CIFAR-100 without its test": cifar(
        lambda folder: write_zip(folder / "cifar100.zip", {n: c for n, c in cifar_tree().items() if n.startswith("train")}),
        "found 18 images",
    ),
    "CIFAR-100 with an image in two forms": cifar(
        lambda folder: write_zip(
            folder / "cifar100.zip",
            cifar_tree() | {next(iter(cifar_tree())).replace(".webp", ".png"): encoded(picture(1), "PNG")},
        ),
        "found the image .* under two suffixes",
    ),
    "CIFAR-100 with wrong bytes": cifar(
        lambda folder: (
            write_zip(folder / "cifar100.zip", cifar_tree()),
            (folder / "cifar100.zip").write_bytes(
                flipped((data := (folder / "cifar100.zip").read_bytes()), data.index(b"WEBP") + 30)
            ),
        ),
        r"\.webp in .*cifar100\.zip: Bad CRC-32",
    ),
    "a mirror that is not there": Case(
        "cifar100", lambda folder, _: {"mirror": folder / "none", "test_fraction": None}, "found no folder"
    ),
}

FULL, READ_ONLY = OSError(28, "No space left on device"), OSError(30, "Read-only file system")
DISKS = {
    "a full disk before the images": on_disk(
        lambda _, patch: failing(patch, store, "_reserve", FULL), "could not write .*No space"
    ),
    "a full disk after the images": on_disk(
        lambda _, patch: failing(patch, store, "write_csv", FULL), "could not write .*No space"
    ),
    "a full disk at the end": on_disk(lambda _, patch: failing(patch, os, "fsync", FULL), "cannot write .*No space"),
    "a disk that is read only": on_disk(
        lambda _, patch: failing(patch, store.Path, "mkdir", READ_ONLY), "could not write .*Read-only"
    ),
}

CASES = HAM | CIFAR | DISKS
