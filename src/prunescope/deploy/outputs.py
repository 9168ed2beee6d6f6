"""What a command is about to write, looked at before any work."""

import os
from collections.abc import Iterable
from pathlib import Path

from prunescope.errors import PrunescopeError


def require(option: str, out: Path, *, apart_from: Iterable[Path]) -> None:
    """Raise PrunescopeError where `out` is a folder, cannot be written, or is one of the files that are read (`apart_from`)."""
    if out.is_dir():
        raise PrunescopeError(f"{option}: found {out}, which is a folder, wanted the name of a file")
    above = next(folder for folder in out.absolute().parents if folder.exists())
    if not above.is_dir() or not os.access(above, os.W_OK):
        raise PrunescopeError(f"{option}: found {out}, wanted a place that can be written: {above} is none")
    if out.exists() and any(path.exists() and out.samefile(path) for path in apart_from):
        raise PrunescopeError(f"{option}: found {out}, which is read here, wanted another name: it would be overwritten")
