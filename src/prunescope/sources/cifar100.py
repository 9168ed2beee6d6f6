"""CIFAR-100: its official archives (of pickles, or of plain bytes), as they are or unpacked, or its images as class folders."""

import io
import pickle
import tarfile
import zlib
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from PIL import Image

from prunescope.data.splits import SPLITS
from prunescope.errors import PrunescopeError
from prunescope.sources.checksums import Official, digests, record
from prunescope.sources.fetch import fetch_all
from prunescope.sources.folders import class_folders
from prunescope.sources.listing import Listing, Place, checked_mirror, mention_lacking

PYTHON, BINARY = "cifar-100-python", "cifar-100-binary"
ARCHIVE = Official(
    "https://www.cs.toronto.edu/~kriz/cifar-100-python.tar.gz", size=169_001_437, md5="eb9058c3a382ffc7106e4002c42a8d85"
)
UNPACKED = {  # md5 of the archive's members
    "meta": "7973b15100ade9c7d40fb424638fde48",
    "train": "16019d7e3df5f24257cddd939b257f8d",
    "test": "f0ef6b0ae62326f3e7ffdfab6717acfc",
}
BINARY_MD5 = "03b5dce01913d631647c71ecec9e9cb8"  # of the archive of plain bytes
RECORD = 2 + 3 * 32 * 32  # bytes of an image in the binary version: coarse label, fine label, planes of red, green, blue
CLASSES, TRAIN, TEST = 100, 500, 100  # classes, and images of each
HINT = (
    f"Without a network, put {PYTHON}.tar.gz, or cifar100.zip with train/<class>/<image> and test/<class>/<image>, into a "
    "folder and set PRUNESCOPE_MIRROR to it."
)
Rows = tuple[list[tuple[str, int, int]], np.ndarray, list[str]]  # (name, label, split code) and pixels (N, 3072); classes


def find(place: Place) -> Listing:
    """List CIFAR-100 as the mirror holds it, else from the download; PrunescopeError says what is missing or broken.

    All forms but the binary one, which has no file names, give the same names and so the same splits.
    """
    mirror = checked_mirror(place)
    forms: dict[str, Callable[[Path], Listing]] = {
        f"{PYTHON}.tar.gz": _python,
        PYTHON: _python,
        "cifar100.zip": lambda path: class_folders(path, place, name=path.name, suffix=False),
        "cifar100": lambda path: class_folders(path, place, name=path.name, suffix=False),
        f"{BINARY}.tar.gz": _binary,
        BINARY: _binary,
    }
    folders = () if mirror is None else (mirror / "cifar100", mirror)
    path = next((folder / name for name in forms for folder in folders if (folder / name).exists()), None)
    if path is None:
        mention_lacking(mirror, forms)
        [path] = fetch_all({f"{PYTHON}.tar.gz": ARCHIVE}, place.cache, hint=HINT)
    listing = forms[path.name](path)
    found = Counter(zip(listing.labels, listing.given or (), strict=False))
    if len(listing.classes) != CLASSES or any((found[k, 0], found[k, 2]) != (TRAIN, TEST) for k in range(CLASSES)):
        raise PrunescopeError(
            f"found {len(listing.names):,} images of {len(listing.classes)} classes in {path}, wanted CIFAR-100's {CLASSES} "
            f"classes of {TRAIN} images to train and {TEST} to test. {HINT}"
        )
    return listing


def _python(path: Path) -> Listing:
    """The version of pickles, which are read only where their checksums are right, and even so by a reader that cannot act."""
    wanted = {path / name: md5 for name, md5 in UNPACKED.items()} if path.is_dir() else {path: ARCHIVE.md5}
    for file, md5 in wanted.items():
        if not file.is_file() or (found := digests(file)[1]) != md5:
            raise PrunescopeError(f"{file} {f'has md5 {found}' if file.is_file() else 'is missing'}, wanted md5 {md5}. {HINT}")
    return _listing(path, _unpickled, list(UNPACKED))


def _binary(path: Path) -> Listing:
    if path.is_file() and (found := digests(path)[1]) != BINARY_MD5:
        raise PrunescopeError(f"{path} has md5 {found}, wanted md5 {BINARY_MD5}. {HINT}")
    return _listing(path, _records, ["train.bin", "test.bin", "fine_label_names.txt"])


def _listing(path: Path, read: Callable[[Callable[[str], bytes]], Rows], members: list[str]) -> Listing:
    """List what `read` finds with a function that gives it the bytes of a member, out of an archive or a folder."""
    try:
        if path.is_dir():
            rows, pixels, classes = read(lambda name: (path / name).read_bytes())
        else:
            with tarfile.open(path) as tar:
                rows, pixels, classes = read(lambda name: _member(tar, f"{path.name.removesuffix('.tar.gz')}/{name}"))
        if pixels.dtype != np.uint8 or pixels.shape != (len(rows), 3 * 32 * 32):
            raise ValueError(f"found {len(rows)} names and pixels {pixels.shape} {pixels.dtype}")
        if not all(0 <= label < len(classes) for _, label, _ in rows):
            raise ValueError(f"found labels that are not those of {len(classes)} classes")
    except (tarfile.TarError, pickle.UnpicklingError, OSError, EOFError, LookupError, TypeError, ValueError, zlib.error) as error:
        raise PrunescopeError(f"{path} is not CIFAR-100 ({type(error).__name__}: {error}). {HINT}") from error
    order = sorted(range(len(rows)), key=rows.__getitem__)
    return Listing(
        names=[rows[row][0] for row in order],
        labels=[rows[row][1] for row in order],
        classes=classes,
        files=[record(file, ARCHIVE) for file in ([path] if path.is_file() else [path / name for name in members])],
        read=lambda row: Image.fromarray(np.ascontiguousarray(pixels[order[row]].reshape(3, 32, 32).transpose(1, 2, 0))),
        given=[rows[row][2] for row in order],
    )


def _member(tar: tarfile.TarFile, name: str) -> bytes:
    file = tar.extractfile(name)
    if file is None:
        raise tarfile.TarError(f"{name} is no file")
    with file:
        return file.read()


def _unpickled(read: Callable[[str], bytes]) -> Rows:
    meta, train, test = (_Plain(io.BytesIO(read(name)), encoding="latin1").load() for name in ("meta", "train", "test"))
    classes = [str(name) for name in meta["fine_label_names"]]
    rows = [
        (f"{split}/{classes[label]}/{PurePosixPath(file).stem}", label, SPLITS.index(split))
        for split, part in (("train", train), ("test", test))
        for file, label in zip(part["filenames"], part["fine_labels"], strict=True)
    ]
    return rows, np.concatenate([train["data"], test["data"]]), classes


def _records(read: Callable[[str], bytes]) -> Rows:
    classes = read("fine_label_names.txt").decode("ascii").split()
    rows, pixels = [], []
    for split in ("train", "test"):
        records = np.frombuffer(read(f"{split}.bin"), dtype=np.uint8).reshape(-1, RECORD)
        labels = records[:, 1].tolist()
        rows += [(f"{split}/{classes[label]}/{row:05}", label, SPLITS.index(split)) for row, label in enumerate(labels)]
        pixels.append(records[:, 2:])
    return rows, np.concatenate(pixels), classes


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
