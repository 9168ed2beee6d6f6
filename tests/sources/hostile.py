"""What the tables of hostile input share: a case, and files that are wrong in one way."""

import io
import struct
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from source_fakes import class_tree, encoded, picture, write_tree, write_zip


@dataclass(frozen=True)
class Case:
    """How to make the input in a folder (returns the settings of `run` beside `source`), and what the error must say."""

    source: str
    make: Callable[[Path, pytest.MonkeyPatch], dict[str, Any]]
    message: str


def tree(files: dict[str, bytes], message: str, **settings: Any) -> Case:
    """Own class folders."""

    def make(folder: Path, _: pytest.MonkeyPatch) -> dict[str, Any]:
        (folder / "mine").mkdir()
        write_tree(folder / "mine", files)
        return {"path": str(folder / "mine")} | settings

    return Case("folder", make, message)


def made(change: Callable[[Path], object], message: str, **settings: Any) -> Case:
    """Own class folders that are whole but for one change."""

    def make(folder: Path, _: pytest.MonkeyPatch) -> dict[str, Any]:
        write_tree(folder / "mine", class_tree())
        change(folder / "mine")
        return {"path": str(folder / "mine")} | settings

    return Case("folder", make, message)


def zipped(change: Callable[[bytes], bytes] | dict[str, bytes], message: str) -> Case:
    """A zip of own class folders with other members, or with other bytes."""

    def make(folder: Path, _: pytest.MonkeyPatch) -> dict[str, Any]:
        path = folder / "mine.zip"
        write_zip(path, class_tree() | (change if isinstance(change, dict) else {}))
        if not isinstance(change, dict):
            path.write_bytes(change(path.read_bytes()))
        return {"path": str(path)}

    return Case("folder", make, message)


def listed(table: str | bytes, message: str, **settings: Any) -> Case:
    """Own images with a table; `table` may hold {rows}, a right row for each image."""

    def make(folder: Path, _: pytest.MonkeyPatch) -> dict[str, Any]:
        write_tree(folder / "mine", class_tree())
        rows = "".join(f"{name},{name.split('/')[0]}\n" for name in class_tree())
        content = table if isinstance(table, bytes) else table.replace("{rows}", rows).encode()
        (folder / "mine" / "table.csv").write_bytes(content)
        return {"path": str(folder / "mine" / "table.csv")} | settings

    return Case("folder", make, message)


def one_image(content: bytes, reason: str, suffix: str = "png") -> Case:
    """Own class folders in which one file is not an image as it should be."""
    return tree(
        class_tree() | {f"bear/x.{suffix}": content}, rf"cannot read 1 of 25 images: bear/x\.{suffix} in .*mine: .*{reason}"
    )


def cut(form: str, share: float, **options: Any) -> bytes:
    """An image that ends too early."""
    whole = encoded(picture(7, (64, 64)), form, **options)
    return whole[: int(share * len(whole))]


def png(width: int, height: int, *chunks: tuple[bytes, bytes]) -> bytes:
    """A PNG that promises so many pixels and holds none, but for further chunks."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    last = chunk(b"IDAT", zlib.compress(b"\0" * 100)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + header + b"".join(chunk(*of) for of in chunks) + last


def frames(form: str) -> bytes:
    """Three frames or pages."""
    first, *others = (picture(number, (16, 16)) for number in range(3))
    return encoded(first, form, save_all=True, append_images=others)


def of_array(values: np.ndarray, form: str) -> bytes:
    return encoded(Image.fromarray(values), form)


def flipped(content: bytes, at: int) -> bytes:
    """The bytes with one bit turned over."""
    return content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :]


def with_flag(archive: bytes, flag: int) -> bytes:
    """A zip with a flag set for its first member, in both of its headers."""
    data = bytearray(archive)
    data[data.index(b"PK\x03\x04") + 6] |= flag
    data[data.index(b"PK\x01\x02") + 8] |= flag
    return bytes(data)


def with_size(archive: bytes, size: int) -> bytes:
    """A zip whose first member claims to unpack to so many bytes."""
    data = bytearray(archive)
    start = data.index(b"PK\x01\x02") + 24
    data[start : start + 4] = struct.pack("<I", size)
    return bytes(data)


def with_method(archive: bytes, method: int) -> bytes:
    """A zip whose first member claims another way of compression."""
    data = bytearray(archive)
    data[data.index(b"PK\x03\x04") + 8] = method
    data[data.index(b"PK\x01\x02") + 10] = method
    return bytes(data)


def with_version(archive: bytes, version: int) -> bytes:
    """A zip whose first member needs another version of zip."""
    data = bytearray(archive)
    data[data.index(b"PK\x01\x02") + 6] = version
    return bytes(data)


def twice(archive: bytes) -> bytes:
    """A zip with its first member again."""
    stream = io.BytesIO(archive)
    with zipfile.ZipFile(stream, "a") as file, pytest.warns(UserWarning, match="Duplicate name"):
        file.writestr(file.namelist()[0], b"again")
    return stream.getvalue()
