"""What the tests of sources share: small images, folders and zips of them, and `prepare` with settings."""

import io
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from prunescope.sources.prepare import prepare

CLASSES = ("apple", "bear", "cloud")


def picture(seed: int, size: tuple[int, int] = (32, 32)) -> Image.Image:
    pixels = np.random.default_rng(seed).integers(0, 256, (size[1] // 4, size[0] // 4, 3), dtype=np.uint8)
    return Image.fromarray(pixels).resize(size, Image.Resampling.NEAREST)


def encoded(image: Image.Image, form: str, **options: Any) -> bytes:
    data = io.BytesIO()
    image.save(data, form, **options)
    return data.getvalue()


def run(source: str, out: Path, **changes: Any) -> dict[str, Any]:
    settings = {
        "image_size": 32,
        "val_fraction": 0.2,
        "test_fraction": 0.25,
        "split_seed": 0,
        "mirror": None,
        "cache": out.parent / "cache",
    }
    return prepare(source, out, **(settings | changes))


def class_tree(per_class: int = 8, form: str = "PNG") -> dict[str, bytes]:
    return {
        f"{name}/{number}.{form.lower()}": encoded(picture(10 * of + number, (48, 36)), form)
        for of, name in enumerate(CLASSES)
        for number in range(per_class)
    }


def write_zip(path: Path, files: dict[str, bytes]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)


def write_tree(folder: Path, files: dict[str, bytes]) -> None:
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
