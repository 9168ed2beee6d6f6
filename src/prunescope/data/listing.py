"""What finding a source takes and gives: where to look, and what was found, before a pixel is decoded."""

import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from prunescope.errors import PrunescopeError


@dataclass(frozen=True)
class Place:
    """Where a source may look: a mirror folder or None, the folder for downloads, the user's own folder or None."""

    mirror: Path | None
    cache: Path
    path: Path | None
    stack: contextlib.ExitStack  # closes archives once the images are read


@dataclass(frozen=True)
class Listing:
    """What a source holds before a pixel is decoded; one entry per image, in an order that only the names decide."""

    names: list[str]
    labels: list[int]
    classes: list[str]
    files: list[dict[str, Any]]  # provenance, see fetch.record
    load: Callable[[int], Image.Image]  # row -> image of any size and mode; called from many threads
    places: list[str] | None = None  # how errors name the image, where its name is not enough
    groups: list[str] | None = None  # None: each image is its own
    given: list[int] | None = None  # split codes where the source has splits


def checked_mirror(place: Place) -> Path | None:
    """Return the mirror folder of `place`, None without one; PrunescopeError where it does not exist."""
    if place.mirror is not None and not place.mirror.is_dir():
        raise PrunescopeError(f"PRUNESCOPE_MIRROR: found no folder {place.mirror}. Correct or unset it.")
    return place.mirror
