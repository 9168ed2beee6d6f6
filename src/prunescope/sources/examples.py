"""Real images to try one's own study with: ten classes of CIFAR-100 as PNG files in class folders."""

import contextlib
import io
from pathlib import Path

from PIL import Image

from prunescope.errors import PrunescopeError
from prunescope.sources.cifar100 import find
from prunescope.sources.listing import Place

CLASSES = ("apple", "bear", "castle", "dolphin", "elephant", "forest", "leopard", "motorcycle", "rose", "tractor")


def write(folder: Path, *, mirror: Path | None, cache: Path) -> int:
    """Write train/<class>/<name>.png and test/<class>/<name>.png of CLASSES below `folder`; returns how many.

    mirror: where the data sets lie; without CIFAR-100 in it, or None, 169 MB are downloaded into `cache`.
    PrunescopeError where `folder` holds something already.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise PrunescopeError(f"found something at {folder} already; name a folder that is empty or not there yet")
    count = 0
    with contextlib.ExitStack() as stack:
        listing = find(Place(mirror, cache, None, stack))
        for row, name in enumerate(listing.names):
            if listing.classes[listing.labels[row]] not in CLASSES:
                continue
            found = listing.read(row)
            image = Image.open(io.BytesIO(found)) if isinstance(found, bytes) else found
            path = (folder / name).with_suffix(".png")
            path.parent.mkdir(parents=True, exist_ok=True)
            image.save(path)
            count += 1
    return count
