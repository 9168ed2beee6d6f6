"""A folder of arrays that is written whole or not at all, and disk space that is taken before the work."""

import contextlib
import errno
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from prunescope.errors import PrunescopeError


def reserve(path: Path) -> None:
    """Take a sparse file's disk space now, before hours of decoding."""
    size = path.stat().st_size
    if hasattr(os, "posix_fallocate"):
        try:
            with path.open("rb+") as file:
                os.posix_fallocate(file.fileno(), 0, size)
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):  # others: a file system that cannot reserve
                raise OSError(error.errno, f"the images take {size / 1e6:,.0f} MB: {error.strerror}") from error
    elif shutil.disk_usage(path.parent).free < size:
        raise OSError(errno.ENOSPC, f"the images take {size / 1e6:,.0f} MB, more than is free")


@contextlib.contextmanager
def replacing_folder(folder: Path, *, marker: str) -> Iterator[Path]:
    """Yield a new empty folder beside `folder`; when the block ends well it takes the name `folder`.

    A folder with the file `marker` in it is replaced; PrunescopeError where something else is, or the disk cannot take it.
    """
    _remove_orphans(folder)
    temporary = folder.with_name(f".{folder.name}.{os.getpid()}.part")
    old = folder.with_name(f".{folder.name}.{os.getpid()}.old")
    if folder.exists() and not (folder / marker).is_file() and (not folder.is_dir() or any(folder.iterdir())):
        raise PrunescopeError(f"found something else at {folder}, where the prepared store goes. Move it away.")
    try:
        temporary.mkdir(parents=True)
        yield temporary
        # The arrays were written without syncing each write; the name must not come before the bytes.
        for path in temporary.iterdir():
            with path.open("rb+") as file:
                os.fsync(file.fileno())
        if folder.exists():
            folder.replace(old)  # a folder cannot be renamed onto one that has files
        try:
            temporary.replace(folder)
        except OSError:
            if old.exists():
                old.replace(folder)
            raise
    except OSError as error:
        raise PrunescopeError(f"could not write {folder}: {error}.") from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
        shutil.rmtree(old, ignore_errors=True)


def _remove_orphans(folder: Path) -> None:
    """Remove what killed preparations of `folder` left: temporary folders of processes that no longer run."""
    if os.name != "posix":  # elsewhere asking after a process may end it
        return
    for left in [*folder.parent.glob(f".{folder.name}.*.part"), *folder.parent.glob(f".{folder.name}.*.old")]:
        process = left.name.rsplit(".", 2)[1]
        if process == str(os.getpid()):  # ours only by number: in a container the first process often has the same one
            shutil.rmtree(left, ignore_errors=True)
            continue
        try:
            os.kill(int(process), 0)
        except (ProcessLookupError, ValueError):
            shutil.rmtree(left, ignore_errors=True)
        except PermissionError:
            pass  # it runs, under another user
