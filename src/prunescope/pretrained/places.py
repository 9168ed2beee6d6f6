"""Where a file of weights lies: in the folder weights/, or in that folder's folder of a model's name."""

from pathlib import Path


def file_for(model: str, folder: Path, init: str) -> Path:
    """weights/<model>/<init> where it is there, so that each of several models has its own; else weights/<init>."""
    own = folder / model / init
    return own if own.is_file() else folder / init
