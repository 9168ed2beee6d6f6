"""What finding a source takes and gives: where to look, and what was found, before a pixel is decoded."""

import contextlib
import sys
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from PIL import Image

from prunescope.errors import PrunescopeError


@dataclass(frozen=True)
class Place:
    """Where a source may look: a mirror folder or None, the folder for downloads, the user's own path or None."""

    mirror: Path | None
    cache: Path
    path: Path | None
    stack: contextlib.ExitStack  # closes archives once the images are read
    official_test: bool = True  # whether a test split that the source offers is wanted


@dataclass(frozen=True)
class Listing:
    """What a source holds before a pixel is decoded; one entry per image, in an order that only the names decide."""

    names: list[str]
    labels: list[int]
    classes: list[str]
    files: list[dict[str, Any]]  # provenance of archives and tables, see checksums.record
    read: Callable[[int], bytes | Image.Image]  # row -> encoded bytes, or an image of any mode; called from many threads
    loose: Sequence[str | None] | None = None  # per image that is a file of its own: under which name provenance sums it up
    places: list[str] | None = None  # how errors name the image, where its name is not enough
    groups: list[str] | None = None  # None: each image is its own
    given: list[int] | None = None  # split codes where the source has splits
    columns: dict[str, list[str]] = field(default_factory=dict)  # what else its table says of each image


def checked_mirror(place: Place) -> Path | None:
    """Return the mirror folder of `place`, None without one; PrunescopeError where it does not exist."""
    if place.mirror is not None and not place.mirror.is_dir():
        raise PrunescopeError(f"PRUNESCOPE_MIRROR: found no folder {place.mirror}. Correct or unset it.")
    return place.mirror


def mention_lacking(mirror: Path | None, wanted: Iterable[str]) -> None:
    """Say that a mirror lacks files that are downloaded instead."""
    if mirror is not None:
        print(f"note: found none of {', '.join(wanted)} in {mirror}; downloading", file=sys.stderr, flush=True)


def checked_classes(names: Iterable[str], *, where: str) -> list[str]:
    """Return the sorted class names; PrunescopeError for fewer than two, and for names that read alike.

    Alike are names that differ by case, by spaces or by how an accent is coded: nearly always one class written in two ways.
    """
    classes = sorted(set(names))
    if len(classes) < 2:
        found = f"only the class {classes[0]!r}" if classes else "no images"
        raise PrunescopeError(f"{where}: found {found}, wanted images of two or more classes.")
    for name in classes:
        if name != name.strip() or not name.isprintable():
            raise PrunescopeError(f"{where}: found class {name!r}, wanted printable characters without spaces around them.")
    check_alike(classes, "classes", where=where)
    return classes


def check_alike(names: Iterable[str], kind: str, *, where: str) -> None:
    """Raise PrunescopeError for two names that differ by case, by spaces or by how an accent is coded."""
    alike: dict[str, str] = {}
    for name in sorted(names):
        plain = unicodedata.normalize("NFC", "".join(name.split()).casefold())
        if plain in alike:
            raise PrunescopeError(
                f"{where}: found {kind} {alike[plain]!r} and {name!r}, which differ by case, spaces or the coding of accents "
                "only. If they are one, write it in one way; if not, give one another name."
            )
        alike[plain] = name
