"""Where images come from, and the one call that turns a source into a prepared store."""

import contextlib
import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from prunescope.data import cifar100, folders, ham10000, store
from prunescope.data.images import RESIZED, fill_
from prunescope.data.listing import Listing, Place
from prunescope.data.splits import check_test_fraction, complete, counts
from prunescope.errors import PrunescopeError


@dataclass(frozen=True)
class Source:
    """How to list a source and what must be said of it; `official_test` None: that depends on the folder."""

    find: Callable[[Place], Listing]
    official_test: bool | None
    licence: str
    citation: str
    resized: str = RESIZED


def prepare(
    source: str,
    out: Path,
    *,
    image_size: int,
    val_fraction: float,
    test_fraction: float | None,
    split_seed: int,
    mirror: Path | None,
    cache: Path,
    path: str | None = None,
    workers: int | None = None,
) -> dict[str, Any]:
    """Write the prepared store of `source` to the folder `out`, whole or not at all, and return its `splits.counts`.

    `image_size` in pixels; fractions are of images (see `splits.complete`), `test_fraction` None keeps the official
    test split. Files are looked up in `mirror`, else downloaded into `cache`; `path` is the folder of source "folder".
    `workers` threads decode (None: one per core); their number changes no byte. PrunescopeError says what is missing or
    broken.
    """
    if source not in SOURCES:
        raise PrunescopeError(f"found source {source!r}, wanted one of {', '.join(SOURCES)}.")
    about = SOURCES[source]
    if (path is not None) != (source == "folder"):
        raise PrunescopeError(f'source {source}: found path {path!r}; source "folder" needs one, the others take none.')
    if about.official_test is not None:  # said before gigabytes are downloaded
        check_test_fraction(about.official_test, test_fraction)
    with contextlib.ExitStack() as stack:
        listing = about.find(Place(mirror, cache, Path(path) if path is not None else None, stack))
        labels = np.array(listing.labels, dtype=np.int64)
        groups = np.array(listing.groups or listing.names, dtype=np.str_)
        given = None if listing.given is None else np.array(listing.given, dtype=np.uint8)
        shares = {"val_fraction": val_fraction, "test_fraction": test_fraction}
        codes = complete(labels, groups, given, **shares, seed=split_seed, classes=listing.classes)
        store.write(
            out,
            images=lambda array: fill_(array, listing, workers=workers or _cores(), title=source),
            labels=labels,
            splits=codes,
            names=listing.names,
            groups=groups.tolist(),
            classes=listing.classes,
            source=source,
            image_size=image_size,
            provenance={
                "files": listing.files,
                "licence": about.licence,
                "citation": about.citation,
                "resized": about.resized,
                "split_seed": split_seed,
                **shares,
            },
        )
    return counts(labels, groups, codes, listing.classes)


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _find_digits(place: Place) -> Listing:
    # scikit-learn takes a second to import, and no other source needs it
    from sklearn.datasets import load_digits

    pixels, labels = load_digits(return_X_y=True)
    sixteenths = np.asarray(pixels).astype(np.uint8).reshape(-1, 8, 8)
    grey = np.rint(sixteenths * (255 / 16)).astype(np.uint8)
    sha256 = hashlib.sha256(sixteenths.tobytes()).hexdigest()
    return Listing(
        names=[f"digit-{row:04}" for row in range(len(grey))],
        labels=np.asarray(labels).tolist(),
        classes=[str(digit) for digit in range(10)],
        files=[{"name": "sklearn.datasets.load_digits", "bytes": grey.size, "sha256": sha256, "official": True}],
        load=lambda row: Image.fromarray(grey[row]),
    )


SOURCES: dict[str, Source] = {
    "digits": Source(
        find=_find_digits,
        official_test=False,
        licence="CC BY 4.0 (UCI Machine Learning Repository), distributed within scikit-learn",
        citation="Alpaydin, Kaynak, Optical Recognition of Handwritten Digits, UCI Machine Learning Repository, 1998",
        resized="8x8 grey 0..16 scaled to 0..255, rounded, three equal channels, enlarged by Pillow's bilinear filter",
    ),
    "cifar100": Source(
        find=cifar100.find,
        official_test=True,
        licence="none stated",
        citation="Krizhevsky, Learning multiple layers of features from tiny images, 2009",
    ),
    "ham10000": Source(
        find=ham10000.find,
        official_test=False,
        licence="CC BY-NC 4.0",
        citation="Tschandl, Rosendahl, Kittler, The HAM10000 dataset, Sci. Data 5:180161, 2018",
    ),
    "folder": Source(find=folders.find, official_test=None, licence="as the owner says", citation=""),
}
