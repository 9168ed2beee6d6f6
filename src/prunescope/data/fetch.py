"""Files: downloads that resume and appear only when whole and checked; what is inside archives; checksums; progress."""

import contextlib
import hashlib
import os
import shutil
import sys
import time
import zipfile
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import requests
from tqdm import tqdm

from prunescope.errors import PrunescopeError

CHUNK = 1 << 20  # bytes of a file read at a time
PACKET = 1 << 16  # bytes of a download taken at a time: what a dropped connection loses at most
TIMEOUT = (10, 60)  # seconds to connect, seconds without a byte
RETRIED = {408, 425, 429, 500, 502, 503, 504}  # statuses that may pass when asked again


class _Failed(Exception):
    """This attempt failed in a way that another one may mend; `wait` is what the server asked for, in seconds."""

    def __init__(self, reason: str, wait: float = 0.0):
        super().__init__(reason)
        self.wait = wait


@contextlib.contextmanager
def progress(title: str, total: int, unit: str) -> Iterator[Callable[[int], None]]:
    """Yield a function that takes how many more are done: a bar on a terminal, else a plain line every tenth."""
    if sys.stderr.isatty():
        with tqdm(total=total, desc=title, unit=unit, unit_scale=True) as bar:

            def move(more: int) -> None:
                bar.update(more)

            yield move
        return
    done, tenth = 0, 0

    def advance(more: int) -> None:
        nonlocal done, tenth
        done += more
        if total > 0 and done * 10 // total > tenth:
            tenth = done * 10 // total
            print(f"{title}: {done:,} of {total:,} {unit} ({100 * done // total} %)", file=sys.stderr, flush=True)

    yield advance


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


def need_space(folder: Path, needed: int, *, purpose: str) -> None:
    """Raise PrunescopeError unless `needed` bytes (and a little) are free where `folder` is."""
    free = shutil.disk_usage(folder).free
    if free < needed + (16 << 20):
        raise PrunescopeError(
            f"{purpose} needs {needed / 1e6:,.0f} MB in {folder}, found {free / 1e6:,.0f} MB free. Free some space or "
            "choose another folder."
        )


def fetch(url: str, path: Path, *, size: int, md5: str, hint: str = "", attempts: int = 5, wait: float = 1.0) -> Path:
    """Download `url` to `path` unless the right file is there already, and return `path`.

    The bytes go to `<path>.part`, which an interrupted download leaves for the next call to resume (HTTP Range); the
    file takes its name only with the right `size` (bytes) and `md5`. After `attempts` failures in a row that brought
    nothing new, each followed by twice the `wait` (seconds), it is a PrunescopeError that ends with `hint`.
    """
    if path.is_file() and digests(path)[:2] == (size, md5):
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    most, failures = _length(part), 0
    need_space(path.parent, max(0, size - most), purpose=f"the download of {path.name}")
    while True:
        resumed = 0 < _length(part) <= size
        try:
            _continue(url, part, size, hint)
            found = digests(part)[:2]
            if found == (size, md5):
                break
            part.unlink()
            what = f"{url} sent {found[0]:,} bytes with md5 {found[1]}, wanted {size:,} bytes with md5 {md5}"
            if not resumed:  # a second download of the same wrong file would be wrong again
                raise PrunescopeError(f"{what}. Nothing was kept. {hint}".strip())
            raise _Failed(what)  # what was there before may have been the wrong half
        except _Failed as failure:
            reached = _length(part)
            failures = 1 if reached > most else failures + 1
            most = max(most, reached)
            if failures >= attempts:
                kept = " What arrived is kept for the next run." if reached else ""
                raise PrunescopeError(f"could not download {url}: {failure}.{kept} {hint}".strip()) from failure
            time.sleep(max(min(failure.wait, 60.0), wait * 2 ** (failures - 1)))
    with part.open("rb+") as file:
        os.fsync(file.fileno())
    part.replace(path)
    return path


def _length(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _continue(url: str, part: Path, size: int, hint: str) -> None:
    """Append what is still missing of `size` bytes to `part`; _Failed when it may be asked again."""
    have = _length(part)
    if have == size:
        return
    if have > size:  # left by a download of another file
        part.unlink()
        have = 0
    # Content encodings are switched off: a byte range of a compressed body is no range of the file.
    headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={have}-"} if have else {})
    try:
        with requests.get(url, headers=headers, stream=True, timeout=TIMEOUT) as response:
            resumed = response.headers.get("Content-Range", "").startswith(f"bytes {have}-")
            if response.status_code == 416 or (response.status_code == 206 and not resumed):
                part.unlink(missing_ok=True)  # it does not fit what the server has: the next attempt starts anew
                raise _Failed(f"HTTP status {response.status_code}, but not for the range asked for")
            _check_status(response, url, hint)
            if response.status_code == 200:
                have = 0  # the server ignored the range and sends everything
            with part.open("ab" if have else "wb") as file, progress(part.stem, size, "B") as advance:
                advance(have)
                for block in response.iter_content(PACKET):
                    file.write(block)
                    advance(len(block))
                    have += len(block)
                    if have > size:
                        break
    except requests.RequestException as error:
        raise _Failed(f"{type(error).__name__}: {error}") from error
    except OSError as error:  # after its subclass above, so this is the disk
        raise PrunescopeError(f"could not write {part}: {error}.") from error
    if have < size:
        raise _Failed(f"the connection ended after {have:,} of {size:,} bytes")


def _check_status(response: requests.Response, url: str, hint: str) -> None:
    if response.status_code in RETRIED:
        after = response.headers.get("Retry-After", "")
        raise _Failed(f"HTTP status {response.status_code}", float(after) if after.isdigit() else 0.0)
    if response.status_code not in (200, 206):
        raise PrunescopeError(f"could not download {url}: HTTP status {response.status_code}. {hint}".strip())


def members(path: Path, stack: contextlib.ExitStack) -> dict[str, Callable[[], bytes]]:
    """Return the files inside a folder or zip as name (with /) -> function that reads it; nothing is unpacked.

    `stack` closes the zip. Reading is safe from many threads and checks the zip's sums. PrunescopeError for no zip.
    """
    if path.is_dir():
        files = (file for file in sorted(path.rglob("*")) if file.is_file())
        return {file.relative_to(path).as_posix(): file.read_bytes for file in files}
    try:
        archive = stack.enter_context(zipfile.ZipFile(path))
    except (OSError, zipfile.BadZipFile) as error:
        raise PrunescopeError(f"{path} is not a whole zip archive ({error}). Copy or download it again.") from error
    return {info.filename: partial(archive.read, info) for info in archive.infolist() if not info.is_dir()}


def record(path: Path, *, md5: str | None = None) -> dict[str, Any]:
    """Return a file's provenance: name, bytes, sha256, and whether its `md5` is the publisher's."""
    size, found, sha256 = digests(path)
    return {"name": path.name, "bytes": size, "sha256": sha256, "official": found == md5}


def record_all(name: str, contents: Mapping[str, Callable[[], bytes]]) -> dict[str, Any]:
    """Return the provenance of many files as one: the sha256 of their sorted lines "<sha256>  <name>"."""
    total, lines = 0, hashlib.sha256()
    for member in sorted(contents):
        content = contents[member]()
        total += len(content)
        lines.update(f"{hashlib.sha256(content).hexdigest()}  {member}\n".encode("utf-8", "surrogateescape"))
    return {"name": name, "files": len(contents), "bytes": total, "sha256": lines.hexdigest(), "official": False}
