"""CIFAR-100 in forms that are not whole, and archives that would run something."""

import hashlib
import os
import pickle
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cifar_fakes import archive, binary, cifar_tree
from hostile import Case, flipped
from source_fakes import encoded, picture, write_zip

from prunescope.sources import cifar100
from prunescope.sources.checksums import Official


class Malicious:
    """Something that runs a function when it is unpickled."""

    def __init__(self, call: Any, *arguments: Any):
        self.call, self.arguments = call, arguments

    def __reduce__(self) -> tuple[Any, Any]:
        return self.call, self.arguments


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


CASES = {
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
