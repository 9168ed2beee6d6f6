"""What lies in a folder or a zip archive: every file by name, read on demand; nothing is ever unpacked to disk."""

import contextlib
import os
import stat
import zipfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path, PurePosixPath

from prunescope.errors import PrunescopeError

LARGEST = 1 << 28  # bytes of one file, unpacked
DEEPEST = 20  # folders in each other
ENCRYPTED = 0x1  # bit of a zip member's flags


def members(path: Path, stack: contextlib.ExitStack) -> dict[str, Callable[[], bytes]]:
    """Return the files inside a folder or zip, sorted, as name (with /) -> function that reads it.

    Hidden files and what file managers leave behind are skipped; links are followed. `stack` closes the zip. Reading is
    safe from many threads and checks the zip's sums. PrunescopeError names what cannot be trusted: no zip, members that
    are encrypted, reach out of it, are there twice or too large; links that lead nowhere or round in circles; what is
    neither file nor folder.
    """
    if path.is_dir():
        return {name: partial(_read, file) for name, file in sorted(_walk(path, "", frozenset()))}
    try:
        archive = stack.enter_context(zipfile.ZipFile(path))
    except Exception as error:  # versions, flags and encodings that zipfile does not know raise whatever they like
        raise PrunescopeError(f"{path} is not a whole zip archive ({error}). Copy or download it again.") from error
    found: dict[str, Callable[[], bytes]] = {}
    for info in archive.infolist():
        name = info.filename.replace("\\", "/")  # some Windows programs write these
        if name.endswith("/"):
            continue
        name = str(PurePosixPath(name))
        if not is_clutter(name):
            _check_member(info, name, path, known=name in found)
            found[name] = partial(archive.read, info)
    return dict(sorted(found.items()))


def is_clutter(name: str) -> bool:
    """Return whether a file of this name (with /) is hidden or what file managers and archivers leave behind."""
    return any(
        (part.startswith((".", "~$")) and part not in (".", ".."))
        or part.lower() in _CLUTTER
        or part.endswith(":Zone.Identifier")
        for part in name.split("/")
    )


_CLUTTER = {
    "__macosx",
    "thumbs.db",
    "ehthumbs.db",
    "desktop.ini",
    "icon\r",
    "@eadir",
    "$recycle.bin",
    "system volume information",
}


def _read(file: Path) -> bytes:
    if (size := file.stat().st_size) > LARGEST:
        raise ValueError(f"it has {size:,} bytes, wanted at most {LARGEST:,}")
    return file.read_bytes()


def _walk(folder: Path, prefix: str, above: frozenset[tuple[int, int]]) -> Iterator[tuple[str, Path]]:
    """Yield (name, file) of every file below `folder`; `above` are the folders it lies in, by device and inode."""
    try:
        about = folder.stat()
        entries = list(os.scandir(folder))
    except OSError as error:
        raise PrunescopeError(f"cannot read the folder {str(folder)!r}: {error.strerror}.") from error
    here = (about.st_dev, about.st_ino)
    if len(above) == DEEPEST:
        raise PrunescopeError(f"{str(folder)!r} lies more than {DEEPEST} folders deep. Is it what you meant?")
    if here in above:
        raise PrunescopeError(f"{str(folder)!r} is a link to a folder that it lies in itself. Remove it.")
    for entry in entries:
        name = prefix + entry.name
        if is_clutter(entry.name):
            continue
        try:
            mode = entry.stat().st_mode
        except OSError as error:
            raise PrunescopeError(
                f"cannot read {entry.path!r}: {error.strerror}. A link that leads nowhere? Remove it."
            ) from error
        if stat.S_ISDIR(mode):
            yield from _walk(Path(entry.path), f"{name}/", above | {here})
        elif stat.S_ISREG(mode):
            yield name, Path(entry.path)
        else:
            raise PrunescopeError(f"{entry.path!r} is neither a file nor a folder (a pipe, a socket, a device?). Remove it.")


def _check_member(info: zipfile.ZipInfo, name: str, path: Path, *, known: bool) -> None:
    if name.startswith("/") or ".." in name.split("/") or name[1:2] == ":":
        wrong = "would reach out of the archive"
    elif info.flag_bits & ENCRYPTED:
        wrong = "is encrypted; unpack it with its password and give the folder"
    elif known:
        wrong = "is there twice"
    elif info.file_size > LARGEST:
        wrong = f"unpacks to {info.file_size:,} bytes, wanted at most {LARGEST:,}"
    else:
        return
    raise PrunescopeError(f"{path}: the member {name!r} {wrong}. Nothing was read from it.")
