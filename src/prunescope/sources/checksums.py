"""Checksums, and the provenance that is recorded of files."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

CHUNK = 1 << 20  # bytes of a file read at a time


@dataclass(frozen=True)
class Official:
    """A file as its publisher offers it."""

    address: str
    size: int  # bytes
    md5: str


def digests(path: Path) -> tuple[int, str, str]:
    """Return (bytes, md5, sha256) of a file, read once in bounded memory."""
    # md5 only recognises the official files, whose publishers give no other sum; sha256 is what provenance records.
    md5, sha256 = hashlib.md5(usedforsecurity=False), hashlib.sha256()
    size = 0
    with path.open("rb") as file:
        while block := file.read(CHUNK):
            md5.update(block)
            sha256.update(block)
            size += len(block)
    return size, md5.hexdigest(), sha256.hexdigest()


def record(path: Path, official: Official | None = None) -> dict[str, Any]:
    """Return a file's provenance: name, bytes, sha256, and the publisher's address where it is the publisher's file."""
    size, md5, sha256 = digests(path)
    same = official is not None and official.md5 == md5
    address = {"address": official.address} if official is not None and same else {}
    return {"name": path.name, "bytes": size, "sha256": sha256, "official": same} | address


def record_all(name: str, files: Iterable[tuple[str, int, str]]) -> dict[str, Any]:
    """Return the provenance of many files (name, bytes, sha256) as one: the sha256 of their sorted lines "<sha256>  <name>"."""
    files = sorted(files)
    lines = hashlib.sha256()
    for member, _, sha256 in files:
        lines.update(f"{sha256}  {member}\n".encode())
    size = sum(size for _, size, _ in files)
    return {"name": name, "files": len(files), "bytes": size, "sha256": lines.hexdigest(), "official": False}
