"""Where images come from, and the one call that turns a source into a prepared store."""

import contextlib
import hashlib
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from prunescope.columns import known
from prunescope.data import store
from prunescope.data.splits import complete, counts
from prunescope.errors import PrunescopeError
from prunescope.sources import cifar100, folders, ham10000
from prunescope.sources.checksums import record_all
from prunescope.sources.duplicates import duplicates, warn
from prunescope.sources.images import RESIZED, decode
from prunescope.sources.listing import Listing, Place
from prunescope.sources.requested import check_request


@dataclass(frozen=True)
class Source:
    """How to list a source, and what must be said of it; `requested` says what may be asked of it."""

    find: Callable[[Place], Listing]
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
    """Write the prepared store of `source` to the folder `out`, whole or not at all, and return what is to be known of it.

    That is its `splits.counts`, how many values each further column has, conversions, duplicates, and `files`: SHA-256 by name,
    and whether they are the official ones.

    `image_size` in pixels; fractions are of images (see `splits.complete`), `test_fraction` None keeps the official
    test split. Files are looked up in `mirror`, else downloaded into `cache`; `path` is what source "folder" reads.
    `workers` threads decode (None: one per core); their number changes no byte. PrunescopeError says what is missing or
    broken.
    """
    check_request(source, path, test_fraction)
    about = SOURCES[source]
    shares = {"val_fraction": val_fraction, "test_fraction": test_fraction}
    own = _own_path(path, out) if path is not None else None
    with contextlib.ExitStack() as stack:
        listing = about.find(Place(mirror, cache, own, stack, official_test=test_fraction is None))
        if "undecided" in listing.classes:
            raise PrunescopeError("found a class named 'undecided', as predictions call a tie; wanted another name: rename it.")
        labels = np.array(listing.labels, dtype=np.int64)
        groups = np.array(listing.groups or listing.names, dtype=np.str_)
        given = None if listing.given is None else np.array(listing.given, dtype=np.uint8)
        codes = complete(labels, groups, given, **shares, seed=split_seed, classes=listing.classes)
        metrics = counts(labels, groups, codes, listing.classes)
        metrics["columns"] = {name: len(set(known(cells).tolist())) for name, cells in listing.columns.items()}

        def images(put: store.Put) -> dict[str, Any]:
            """Decode into the store; what was decoded goes into the metrics, and the files' provenance is returned."""
            found = decode(listing, image_size, put, workers=workers or _cores(), title=source)
            metrics.update(converted_images=dict(sorted(found.converted.items())), **duplicates(found.pixels, labels, codes))
            loose: dict[str, list[tuple[str, int, str]]] = {}
            for name, of, under in zip(listing.names, found.files, listing.loose or (), strict=False):
                if under is not None:
                    loose.setdefault(under, []).append((name, *of))
            files = [*listing.files, *(record_all(under, files) for under, files in loose.items())]
            metrics["files"] = {file["name"]: {key: file[key] for key in ("sha256", "official")} for file in files}
            return {"files": files}

        store.write(
            out,
            images=images,
            labels=labels,
            splits=codes,
            names=listing.names,
            groups=groups.tolist(),
            classes=listing.classes,
            source=source,
            image_size=image_size,
            columns=listing.columns,
            provenance={
                "licence": about.licence,
                "citation": about.citation,
                "resized": about.resized,
                "split_seed": split_seed,
                **shares,
            },
        )
    _say(source, metrics)
    return metrics


def _own_path(path: str, out: Path) -> Path:
    """The user's path; PrunescopeError where the store would be written over it."""
    if not path.isprintable():
        raise PrunescopeError(f"found path {path!r}, wanted printable characters.")
    try:
        own = Path(path).expanduser()
    except RuntimeError as error:
        raise PrunescopeError(f"found path {path!r}: {error}.") from error
    store, images = out.resolve(), own.resolve()
    if store == images or store in images.parents or images in store.parents:
        raise PrunescopeError(f"found the images at {own}, where the prepared store {out} goes. Move them to another place.")
    return own


def _say(source: str, metrics: dict[str, Any]) -> None:
    if metrics["converted_images"]:
        kinds = ", ".join(f"{images:,} {kind}" for kind, images in metrics["converted_images"].items())
        print(f"{source}: converted to upright RGB of 8 bits: {kinds}", file=sys.stderr)
    warn(source, metrics)


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _find_digits(place: Place) -> Listing:
    # scikit-learn takes a second to import, and no other source needs it
    from sklearn.datasets import load_digits

    pixels, labels = load_digits(return_X_y=True)
    sixteenths = np.asarray(pixels).astype(np.uint8).reshape(-1, 8, 8)
    grey = np.rint(sixteenths * (255 / 16)).astype(np.uint8)
    sha256 = hashlib.sha256(sixteenths.tobytes()).hexdigest()
    inked = sixteenths.mean((1, 2)) / 16 * 100  # percent of the image: nobody's age or sex is known here, but who writes bold
    return Listing(
        names=[f"digit-{row:04}" for row in range(len(grey))],
        labels=np.asarray(labels).tolist(),
        classes=[str(digit) for digit in range(10)],
        files=[{"name": "sklearn.datasets.load_digits", "bytes": grey.size, "sha256": sha256, "official": True}],
        read=lambda row: Image.fromarray(grey[row]),
        columns={"ink": [f"{share:.1f}" for share in inked]},
    )


SOURCES: dict[str, Source] = {
    "digits": Source(
        find=_find_digits,
        licence="CC BY 4.0 (UCI Machine Learning Repository), distributed within scikit-learn",
        citation="Alpaydin, Kaynak, Optical Recognition of Handwritten Digits, UCI Machine Learning Repository, 1998",
        resized="8x8 grey 0..16 scaled to 0..255, rounded, three equal channels, enlarged by Pillow's bilinear filter",
    ),
    "cifar100": Source(
        find=cifar100.find,
        licence="none stated",
        citation="Krizhevsky, Learning multiple layers of features from tiny images, 2009",
    ),
    "ham10000": Source(
        find=ham10000.find,
        licence="CC BY-NC 4.0",
        citation="Tschandl, Rosendahl, Kittler, The HAM10000 dataset, Sci. Data 5:180161, 2018",
    ),
    "folder": Source(find=folders.find, licence="as the owner says", citation=""),
}
