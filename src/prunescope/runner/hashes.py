"""The hash of a path that many stages depend on, asked of DVC once for each version of its files.

DVC walks a folder and asks its database about every file for each stage that lists it: at a thousand stages most of the work.
A version is every file's name, inode, size and times, read anew each time, so nothing that a stage writes is missed.
"""

import os
import stat
from collections.abc import Callable, Iterator
from typing import Any

Version = tuple[tuple[str, int, int, int, int], ...]


def once(get_hash: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """`Output.get_hash` that remembers. Links, other file systems and what is not there are left to DVC."""
    known: dict[tuple[str, str], tuple[Version, Any]] = {}

    def remembered(self: Any) -> Any:
        # before DVC reads it, so that a change meanwhile is seen the next time
        seen = version(self.fs_path) if self.fs.protocol == "local" else None
        if seen is None:
            return get_hash(self)
        key = (self.fs_path, self.hash_name)
        if key not in known or known[key][0] != seen:
            known[key] = (seen, get_hash(self))
        return known[key][1]

    return remembered


def version(path: str) -> Version | None:
    """All files of a folder, or a file alone; None where there is a link or nothing."""
    try:
        found = os.lstat(path)
        if stat.S_ISLNK(found.st_mode):
            return None
        return tuple(sorted(_files(path))) if stat.S_ISDIR(found.st_mode) else (_stamp(path, found),)
    except OSError:
        return None


def _files(folder: str) -> Iterator[tuple[str, int, int, int, int]]:
    folders = [folder]
    while folders:
        with os.scandir(folders.pop()) as entries:
            for entry in entries:
                if entry.is_symlink():
                    raise OSError(f"{entry.path} is a link")
                if entry.is_dir():
                    folders.append(entry.path)
                else:
                    yield _stamp(entry.path, entry.stat())


def _stamp(path: str, found: os.stat_result) -> tuple[str, int, int, int, int]:
    return path, *stamp(found)


def stamp(found: os.stat_result) -> tuple[int, int, int, int]:
    """What tells two versions of a file apart without reading it."""
    return found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns
