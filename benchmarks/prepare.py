"""Time and memory of preparing a large folder of photographs (600 x 450 JPEGs), hard links to a few hundred different ones.

python benchmarks/prepare.py --images 100000 --size 224      (needs 15 GB of disk for the store)
"""

import argparse
import os
import resource
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

from prunescope.sources.prepare import prepare

PHOTOGRAPHS, CLASSES = 300, 10


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=10_000)
    parser.add_argument("--size", type=int, default=224)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as name:
        folder = Path(name)
        _make(folder / "images", args.images)
        start = time.perf_counter()
        prepare(
            "folder",
            folder / "store",
            image_size=args.size,
            val_fraction=0.1,
            test_fraction=0.2,
            split_seed=0,
            mirror=None,
            cache=folder,
            path=str(folder / "images"),
        )
        seconds = time.perf_counter() - start
        stored = (folder / "store" / "images.npy").stat().st_size
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    import torch  # only now: it would count as memory of the preparation
    from common import where

    print(where(torch.device("cpu")))
    print(f"{args.images:,} images to {args.size} px: {seconds:,.0f} s ({args.images / seconds:,.0f} images/s), ", end="")
    print(f"{stored / 1e6:,.0f} MB of images, peak resident memory {peak:,.0f} MiB")


def _make(folder: Path, images: int) -> None:
    generator = np.random.default_rng(0)
    for number in range(PHOTOGRAPHS):
        coarse = Image.fromarray(generator.integers(0, 256, (45, 60, 3), dtype=np.uint8))
        folder.mkdir(exist_ok=True)
        coarse.resize((600, 450), Image.Resampling.BICUBIC).save(folder.parent / f"{number}.jpg", quality=90)
    for number in range(images):
        link = folder / f"class-{number % CLASSES}" / f"{number:06}.jpg"
        link.parent.mkdir(exist_ok=True)
        os.link(folder.parent / f"{number % PHOTOGRAPHS}.jpg", link)


if __name__ == "__main__":
    main()
