"""The prepared store: one folder of plain arrays per dataset, the only thing training reads of it.

images.npy (N, size, size, 3) uint8 · labels.npy (N,) int64 · splits.npy (N,) uint8, indices into SPLITS · index.csv
(name, group and whatever else is known of each image) · store.json (format, source, image_size, classes, mean, std,
provenance). The same input gives the same bytes: nothing in it says when, where or by how many workers it was written.
"""

import csv
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from prunescope.data.folder import replacing_folder, reserve
from prunescope.data.splits import SPLITS, check, check_test_images
from prunescope.errors import PrunescopeError
from prunescope.files import write_csv, write_json

FORMAT = "prunescope store 1"
INDEX = ["name", "group"]  # the first columns of index.csv
BLOCK = 8 << 20  # bytes of images looked at in one go, which bounds the memory that statistics take
Put = Callable[[int, np.ndarray], None]  # takes the number of the first row and a block of images

__all__ = ["FORMAT", "SPLITS", "Store", "channel_statistics", "read", "write"]


@dataclass(frozen=True)
class Store:
    """A prepared dataset in memory; `images` stays on disk until rows of it are read.

    images (N, image_size, image_size, 3) uint8, labels (N,) int64 indices into `classes`, splits (N,) uint8 indices
    into SPLITS, groups and names (N,) strings, as are further `columns` (age, sex, site), which nothing is trained on; mean and
    std (red, green, blue) of the train split as fractions of 255.
    """

    images: np.ndarray
    labels: np.ndarray
    splits: np.ndarray
    groups: np.ndarray
    names: np.ndarray
    classes: tuple[str, ...]
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    image_size: int
    provenance: dict[str, Any]
    columns: Mapping[str, np.ndarray] = field(default_factory=dict)

    def indices(self, split: str) -> np.ndarray:
        """Return the ascending positions (n,) int64 of the images of `split`: train, val or test."""
        if split not in SPLITS:
            raise PrunescopeError(f"found split {split!r}, wanted one of {', '.join(SPLITS)}.")
        return np.flatnonzero(self.splits == SPLITS.index(split)).astype(np.int64)


def write(
    folder: Path,
    *,
    images: np.ndarray | Callable[[Put], dict[str, Any]],
    labels: np.ndarray,
    splits: np.ndarray,
    names: Sequence[str],
    groups: Sequence[str],
    classes: Sequence[str],
    source: str,
    image_size: int,
    provenance: dict[str, Any],
    columns: Mapping[str, Sequence[str]] | None = None,
) -> None:
    """Write a store as `folder`, whole or not at all; a folder of that name is replaced.

    `images` is the array (N, image_size, image_size, 3) uint8, or a function that gives such an array in pieces of any
    order, from any thread, so that a dataset may be larger than the memory; what it returns is added to `provenance`.
    PrunescopeError when the parts do not fit each other (see `read`) or the disk is full.
    """
    shape = (len(labels), image_size, image_size, 3)
    _check(shape, labels, splits, names, groups, classes, place=folder)
    with replacing_folder(folder, marker="store.json") as temporary:
        pixels = temporary / "images.npy"
        one = 3 * image_size * image_size
        with pixels.open("wb") as file:
            header = {"descr": np.lib.format.dtype_to_descr(np.dtype(np.uint8)), "fortran_order": False, "shape": shape}
            np.lib.format.write_array_header_1_0(file, header)
            begin = file.tell()
            file.truncate(begin + len(labels) * one)
        reserve(pixels)

        def put(start: int, block: np.ndarray) -> None:
            with pixels.open("rb+") as file:  # written and not mapped, which would fill the memory with what is done
                file.seek(begin + start * one)
                file.write(np.ascontiguousarray(block).data)

        if callable(images):
            provenance = provenance | images(put)
        elif images.shape != shape or images.dtype != np.uint8:
            raise PrunescopeError(f"found images {images.shape} {images.dtype}, wanted {shape} uint8.")
        else:
            put(0, images)
        train = np.flatnonzero(np.asarray(splits) == SPLITS.index("train"))
        mean, std = channel_statistics(pixels, train)
        np.save(temporary / "labels.npy", np.asarray(labels, dtype=np.int64))
        np.save(temporary / "splits.npy", np.asarray(splits, dtype=np.uint8))
        further = columns or {}
        rows = zip(names, groups, *further.values(), strict=True)
        write_csv(temporary / "index.csv", [*INDEX, *further], rows)
        about = {"format": FORMAT, "source": source, "image_size": image_size, "classes": list(classes)}
        write_json(temporary / "store.json", about | {"mean": mean, "std": std, "provenance": provenance})


def read(folder: Path) -> Store:
    """Open the store in `folder`, its images memory-mapped.

    PrunescopeError when a file is missing or of another format, shapes or ranges disagree, a split lacks a class, the
    test split has fewer than `splits.LEAST_TEST` images, or a group (a lesion, a patient) is in two splits.
    """
    try:
        about = json.loads((folder / "store.json").read_text(encoding="utf-8"))
        if about.get("format") != FORMAT:
            raise PrunescopeError(f"{folder} is of format {about.get('format')!r}, wanted {FORMAT!r}: prepare it again.")
        images = np.load(folder / "images.npy", mmap_mode="r", allow_pickle=False)
        labels, splits = (np.load(folder / name, allow_pickle=False) for name in ("labels.npy", "splits.npy"))
        with (folder / "index.csv").open(newline="", encoding="utf-8") as file:
            header, *rows = csv.reader(file)
        if any(len(row) != len(header) for row in rows):
            raise ValueError("rows of index.csv are of different lengths")
        names, groups, *further = (np.array([row[place] for row in rows], dtype=np.str_) for place in range(len(header)))
        classes, size = tuple(about["classes"]), about["image_size"]
        mean, std = _three(about["mean"]), _three(about["std"])
        provenance = about["provenance"]
    except (OSError, ValueError, KeyError, IndexError, TypeError, AttributeError, EOFError) as error:
        raise PrunescopeError(
            f"{folder} is not a whole prepared store ({type(error).__name__}: {error}). Prepare the data again."
        ) from error
    if images.dtype != np.uint8 or images.shape[1:] != (size, size, 3) or header[:2] != INDEX:
        raise PrunescopeError(
            f"{folder}: found images {images.shape} {images.dtype} and index columns {header}, wanted "
            f"(N, {size}, {size}, 3) uint8 and name, group first. Prepare the data again."
        )
    _check(images.shape, labels, splits, names, groups, classes, place=folder)
    columns = dict(zip(header[2:], further, strict=True))
    return Store(images, labels, splits, groups, names, classes, mean, std, size, provenance, columns)


def channel_statistics(path: Path, rows: np.ndarray) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return mean and standard deviation per channel of the rows of an images.npy, (N, H, W, 3) uint8, as fractions of 255.

    Exact: pixel values are counted, the sums are integers of any size, and only the results are rounded. So neither
    order nor block size nor machine can change a digit. A channel that never changes gets 1/255, for division's sake.
    """
    counts = np.zeros((3, 256), dtype=np.int64)
    size = int(np.prod(np.load(path, mmap_mode="r").shape[1:]))
    step = max(1, BLOCK // size)
    for start in range(0, len(rows), step):
        block = np.load(path, mmap_mode="r")[rows[start : start + step]]  # mapped anew, so that what was read is let go
        for channel in range(3):
            counts[channel] += np.bincount(block[..., channel].reshape(-1), minlength=256)
    mean, std = [], []
    for of_channel in counts.tolist():
        pixels = sum(of_channel)
        total = sum(value * count for value, count in enumerate(of_channel))
        squares = sum(value * value * count for value, count in enumerate(of_channel))
        mean.append(total / (255 * pixels))
        std.append(max((pixels * squares - total * total) / (255 * pixels) ** 2, 255.0**-2) ** 0.5)
    return tuple(mean), tuple(std)


def _check(
    shape: Sequence[int],
    labels: np.ndarray,
    splits: np.ndarray,
    names: Sequence[str] | np.ndarray,
    groups: Sequence[str] | np.ndarray,
    classes: Sequence[str],
    *,
    place: Path,
) -> None:
    found = {
        "images": shape[0],
        "labels": len(labels),
        "splits": len(splits),
        "names": len(names),
        "groups": len(groups),
    }
    if len(set(found.values())) != 1 or np.ndim(labels) != 1 or np.ndim(splits) != 1:
        raise PrunescopeError(f"{place}: found {found}, wanted as many of each.")
    if len(classes) < 2 or len(set(classes)) != len(classes):
        raise PrunescopeError(f"{place}: found classes {list(classes)}, wanted two or more, each once.")
    labels, splits = np.asarray(labels), np.asarray(splits)
    if labels.dtype.kind not in "iu" or not np.array_equal(np.unique(labels), np.arange(len(classes))):
        raise PrunescopeError(f"{place}: wanted images of each of the {len(classes)} classes, found {np.unique(labels)}.")
    if splits.dtype.kind not in "iu" or splits.min() < 0 or splits.max() >= len(SPLITS):
        raise PrunescopeError(f"{place}: found split codes {np.unique(splits)}, wanted 0, 1 and 2.")
    check(labels, np.asarray(groups), splits, classes=classes)
    check_test_images(splits)


def _three(values: Sequence[float]) -> tuple[float, float, float]:
    red, green, blue = (float(value) for value in values)
    return red, green, blue
