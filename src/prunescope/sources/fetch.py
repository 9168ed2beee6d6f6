"""Downloads that resume, and appear only when whole and checked."""

import os
import shutil
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import requests
from filelock import FileLock, Timeout

from prunescope.errors import PrunescopeError
from prunescope.sources.bar import progress
from prunescope.sources.checksums import Official, digests

PACKET = 1 << 16  # bytes of a download taken at a time: what a dropped connection loses at most
SPARE = 16 << 20  # bytes that must stay free beside a download
TIMEOUT = (10, 60)  # seconds to connect, seconds without a byte
RETRIED = {408, 425, 429, 500, 502, 503, 504, *range(520, 525)}  # statuses that may pass when asked again


class _Failed(Exception):
    """This attempt failed in a way that another one may mend; `wait` is what the server asked for, in seconds."""

    def __init__(self, reason: str, wait: float = 0.0):
        super().__init__(reason)
        self.wait = wait


def fetch_all(
    wanted: Mapping[str, Official], folder: Path, *, hint: str = "", attempts: int = 5, wait: float = 1.0
) -> list[Path]:
    """Download what is not yet in `folder` under its name of `wanted`, and return all paths in that order.

    The bytes go to `<name>.part`, which an interrupted download leaves for the next call to resume (HTTP Range); a file
    takes its name only with the right size and MD5. After `attempts` failures in a row that brought nothing new, each
    followed by twice the `wait` (seconds), it is a PrunescopeError that ends with `hint`; a disk that cannot take all of
    them is one before the first byte. One process at a time: others wait, and find the files there.
    """
    paths = [folder / name for name in wanted]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with _only_one(folder / ".lock"):
            missing = [
                (path, of)
                for path, of in zip(paths, wanted.values(), strict=True)
                if not path.is_file() or digests(path)[:2] != (of.size, of.md5)
            ]
            _need_space(folder, missing)
            for path, of in missing:
                _fetch(of, path, hint, attempts, wait)
    except OSError as error:
        raise PrunescopeError(f"could not download into {folder}: {error}.") from error
    return paths


def _only_one(path: Path) -> FileLock:
    lock = FileLock(path)
    try:
        lock.acquire(timeout=0)
        lock.release()
    except Timeout:
        print(f"another process downloads into {path.parent}; waiting for it", file=sys.stderr, flush=True)
    return lock


def _need_space(folder: Path, missing: list[tuple[Path, Official]]) -> None:
    needed = sum(max(0, of.size - _length(_part(path))) for path, of in missing)
    free = shutil.disk_usage(folder).free
    if missing and free < needed + SPARE:
        raise PrunescopeError(
            f"the download of {', '.join(path.name for path, _ in missing)} needs {needed / 1e6:,.0f} MB in {folder}, found "
            f"{free / 1e6:,.0f} MB free. Free some space."
        )


def _fetch(wanted: Official, path: Path, hint: str, attempts: int, wait: float) -> None:
    part = _part(path)
    most, failures = _length(part), 0
    while True:
        resumed = 0 < _length(part) <= wanted.size
        try:
            _continue(wanted, part, hint)
            size, md5, _ = digests(part)
            if (size, md5) == (wanted.size, wanted.md5):
                break
            part.unlink()
            what = f"{wanted.address} sent {size:,} bytes with md5 {md5}, wanted {wanted.size:,} bytes with md5 {wanted.md5}"
            if not resumed:  # a second download of the same wrong file would be wrong again
                raise PrunescopeError(f"{what}. Nothing was kept. {hint}".strip())
            raise _Failed(what)  # what was there before may have been the wrong half
        except _Failed as failure:
            reached = _length(part)
            failures = 1 if reached > most else failures + 1
            most = max(most, reached)
            if failures >= attempts:
                kept = " What arrived is kept for the next run." if reached else ""
                raise PrunescopeError(f"could not download {wanted.address}: {failure}.{kept} {hint}".strip()) from failure
            time.sleep(max(min(failure.wait, 60.0), wait * 2 ** (failures - 1)))
    with part.open("rb+") as file:
        os.fsync(file.fileno())
    part.replace(path)


def _part(path: Path) -> Path:
    return path.with_name(path.name + ".part")


def _length(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _continue(wanted: Official, part: Path, hint: str) -> None:
    """Append what is still missing to `part`; _Failed when it may be asked again."""
    have = _length(part)
    if have == wanted.size:
        return
    if have > wanted.size:  # left by a download of another file
        part.unlink()
        have = 0
    # Content encodings are switched off: a byte range of a compressed body is no range of the file.
    headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={have}-"} if have else {})
    try:
        with requests.get(wanted.address, headers=headers, stream=True, timeout=TIMEOUT) as response:
            resumed = response.headers.get("Content-Range", "").startswith(f"bytes {have}-")
            if response.status_code == 416 or (response.status_code == 206 and not resumed):
                part.unlink(missing_ok=True)  # it does not fit what the server has: the next attempt starts anew
                raise _Failed(f"HTTP status {response.status_code}, but not for the range asked for")
            _check_status(response, wanted, hint)
            if response.status_code == 200:
                have = 0  # the server ignored the range and sends everything
                _check_offer(response, wanted)
            with part.open("ab" if have else "wb") as file, progress(part.stem, wanted.size, "B") as advance:
                advance(have)
                for block in response.iter_content(PACKET):
                    file.write(block)
                    advance(len(block))
                    have += len(block)
                    if have > wanted.size:
                        break
    except (requests.RequestException, ValueError) as error:  # ValueError: a redirect to no address
        raise _Failed(f"{type(error).__name__}: {error}") from error
    if have < wanted.size:
        raise _Failed(f"the connection ended after {have:,} of {wanted.size:,} bytes")


def _check_status(response: requests.Response, wanted: Official, hint: str) -> None:
    if response.status_code in RETRIED:
        after = response.headers.get("Retry-After", "")
        raise _Failed(f"HTTP status {response.status_code}", float(after) if after.isdecimal() else 0.0)
    if response.status_code not in (200, 206):
        raise PrunescopeError(f"could not download {wanted.address}: HTTP status {response.status_code}. {hint}".strip())


def _check_offer(response: requests.Response, wanted: Official) -> None:
    """A page of a portal, say, in place of the file must not overwrite what has arrived."""
    offered = response.headers.get("Content-Length", "")
    if offered.isdigit() and int(offered) != wanted.size:
        kind = response.headers.get("Content-Type", "no type")
        raise _Failed(f"the server offers {int(offered):,} bytes ({kind}), wanted {wanted.size:,}")
