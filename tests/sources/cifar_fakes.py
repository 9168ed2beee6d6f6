"""Small fakes of every form that CIFAR-100 may come in: three classes, 18 images to train and 6 to test."""

import io
import pickle
import tarfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image
from source_fakes import CLASSES, encoded, picture


def cifar_rows(count: int = 6) -> list[tuple[str, str, str, Image.Image]]:
    """(split, class, stem, image), not in any order of names."""
    rows = [
        (split, name, f"{name}_s_{(7 * number) % 11:06}", picture(100 * of + number + 50 * (split == "test")))
        for split in ("train", "test")
        for of, name in enumerate(CLASSES)
        for number in range(count if split == "train" else 2)
    ]
    return [rows[row] for row in np.random.default_rng(0).permutation(len(rows))]


def cifar_tree() -> dict[str, bytes]:
    return {f"{split}/{name}/{stem}.webp": encoded(image, "WEBP", lossless=True) for split, name, stem, image in cifar_rows()}


def archive(path: Path, **replaced: bytes) -> Path:
    """Write the official archive of pickles, with some members replaced."""
    parts: dict[str, bytes] = {"meta": pickle.dumps({"fine_label_names": list(CLASSES)}, protocol=2)}
    for part in ("train", "test"):
        rows = [row for row in cifar_rows() if row[0] == part]
        parts[part] = pickle.dumps(
            {
                "filenames": [f"{stem}.png" for _, _, stem, _ in rows],
                "fine_labels": [CLASSES.index(name) for _, name, _, _ in rows],
                "data": np.stack([_planes(image) for *_, image in rows]),
            },
            protocol=4,
        )
    with tarfile.open(path, "w:gz") as tar:
        for name, content in (parts | replaced).items():
            about = tarfile.TarInfo(f"cifar-100-python/{name}")
            about.size = len(content)
            tar.addfile(about, io.BytesIO(content))
    return path


def binary(folder: Path, change: Callable[[bytes], bytes] = bytes) -> Path:
    """Write the official binary version, unpacked."""
    (folder / "cifar-100-binary").mkdir(parents=True)
    for part in ("train", "test"):
        records = [
            bytes([0, CLASSES.index(name)]) + _planes(image).tobytes() for split, name, _, image in cifar_rows() if split == part
        ]
        (folder / "cifar-100-binary" / f"{part}.bin").write_bytes(change(b"".join(records)))
    (folder / "cifar-100-binary/fine_label_names.txt").write_text("\n".join(CLASSES) + "\n")
    return folder / "cifar-100-binary"


def _planes(image: Image.Image) -> np.ndarray:
    return np.asarray(image).transpose(2, 0, 1).reshape(-1)
