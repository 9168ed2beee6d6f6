"""CIFAR-100: its official archive, or its images as class folders."""

import pickle
import tarfile
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from PIL import Image

from prunescope.data.fetch import digests, fetch, record
from prunescope.data.folders import class_folders
from prunescope.data.listing import Listing, Place, checked_mirror
from prunescope.data.splits import SPLITS
from prunescope.errors import PrunescopeError

OFFICIAL = {  # name: (official address, bytes, md5)
    "cifar-100-python.tar.gz": (
        "https://www.cs.toronto.edu/~kriz/cifar-100-python.tar.gz",
        169_001_437,
        "eb9058c3a382ffc7106e4002c42a8d85",
    )
}
HINT = (
    "Without a network, put cifar-100-python.tar.gz, or cifar100.zip with train/<class>/<image> and "
    "test/<class>/<image>, into a folder and set PRUNESCOPE_MIRROR to it."
)


def find(place: Place) -> Listing:
    """List CIFAR-100 as the mirror holds it, else from the download; PrunescopeError says what is missing or broken."""
    [(name, (url, size, md5))] = OFFICIAL.items()
    if mirror := checked_mirror(place):
        archive = mirror / name
        if archive.is_file():
            if (found := digests(archive)[1]) != md5:
                raise PrunescopeError(f"{archive} has md5 {found}, wanted {md5}. Copy it again. {HINT}")
            return _archive(archive, md5)
        for folders in (mirror / "cifar100.zip", mirror / "cifar100"):
            if folders.exists():
                # Named as in the official archive, but for the suffix: both forms give the same rows.
                return class_folders(folders, place, name=folders.name, suffix=False)
    return _archive(fetch(url, place.cache / name, size=size, md5=md5, hint=HINT), md5)


def _archive(path: Path, md5: str) -> Listing:
    try:
        with tarfile.open(path) as tar:
            meta, train, test = (_unpickle(tar, f"cifar-100-python/{part}") for part in ("meta", "train", "test"))
        classes = [str(name) for name in meta["fine_label_names"]]
        pixels = np.concatenate([train["data"], test["data"]])
        rows = [
            (f"{split}/{classes[label]}/{PurePosixPath(file).stem}", label, SPLITS.index(split))
            for split, part in (("train", train), ("test", test))
            for file, label in zip(part["filenames"], part["fine_labels"], strict=True)
        ]
        if pixels.dtype != np.uint8 or pixels.shape != (len(rows), 3 * 32 * 32):
            raise ValueError(f"found {len(rows)} names and pixels {pixels.shape} {pixels.dtype}")
    except (tarfile.TarError, pickle.UnpicklingError, OSError, EOFError, LookupError, TypeError, ValueError) as error:
        raise PrunescopeError(f"{path} is not CIFAR-100's archive ({type(error).__name__}: {error}).") from error
    order = sorted(range(len(rows)), key=rows.__getitem__)
    names, labels, given = zip(*(rows[row] for row in order), strict=True)
    return Listing(
        names=list(names),
        labels=list(labels),
        classes=classes,
        files=[record(path, md5=md5)],
        load=lambda row: Image.fromarray(np.ascontiguousarray(pixels[order[row]].reshape(3, 32, 32).transpose(1, 2, 0))),
        given=list(given),
    )


def _unpickle(tar: tarfile.TarFile, name: str) -> dict[str, Any]:
    file = tar.extractfile(name)
    if file is None:
        raise tarfile.TarError(f"{name} is no file")
    with file:
        return _Plain(file, encoding="latin1").load()  # written by Python 2


class _Plain(pickle.Unpickler):
    """Unpickles numbers, text, containers and numpy arrays of them, and refuses every name that could do more."""

    # numpy's own helper without its private path, which moved in numpy 2
    _rebuild: Any = np.empty(0).__reduce__()[0]
    _admitted: Mapping[tuple[str, str], Any] = {
        ("numpy", "ndarray"): np.ndarray,
        ("numpy", "dtype"): np.dtype,
        ("numpy.core.multiarray", "_reconstruct"): _rebuild,
        ("numpy._core.multiarray", "_reconstruct"): _rebuild,
    }

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in self._admitted:
            raise pickle.UnpicklingError(f"refused to load {module}.{name}, which no CIFAR-100 file needs")
        return self._admitted[module, name]
