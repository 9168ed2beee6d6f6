"""Write some of CIFAR-100's images as PNG files in class folders: an example of own images.

python docs/own_images.py FOLDER        (from PRUNESCOPE_MIRROR, or by a download of 169 MB)
"""

import contextlib
import io
import sys
from pathlib import Path

from PIL import Image

from prunescope.sources.cifar100 import find
from prunescope.sources.listing import Place
from prunescope.study.stage import main, mirror

CLASSES = ("apple", "bear", "castle", "dolphin", "elephant", "forest", "leopard", "motorcycle", "rose", "tractor")


def export() -> None:
    folder = Path(sys.argv[1])
    with contextlib.ExitStack() as stack:
        listing = find(Place(mirror(), Path("downloads"), None, stack))
        for row, name in enumerate(listing.names):
            if listing.classes[listing.labels[row]] in CLASSES:
                found = listing.read(row)
                image = Image.open(io.BytesIO(found)) if isinstance(found, bytes) else found
                path = (folder / name).with_suffix(".png")
                path.parent.mkdir(parents=True, exist_ok=True)
                image.save(path)
    print(f"wrote train and test images of {len(CLASSES)} classes to {folder}")


if __name__ == "__main__":
    main(export)
