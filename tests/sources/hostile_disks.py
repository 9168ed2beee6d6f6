"""Disks that cannot take a store."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hostile import Case
from source_fakes import class_tree, write_tree

from prunescope.data import folder as folders
from prunescope.data import store


def on_disk(change: Callable[[Path, pytest.MonkeyPatch], dict[str, Any]], message: str) -> Case:
    def make(folder: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
        write_tree(folder / "mine", class_tree())
        return {"path": str(folder / "mine")} | change(folder, monkeypatch)

    return Case("folder", make, message)


def failing(monkeypatch: pytest.MonkeyPatch, target: Any, name: str, error: OSError) -> dict[str, Any]:
    def fail(*_: Any, **__: Any) -> None:
        raise error

    monkeypatch.setattr(target, name, fail)
    return {}


FULL, READ_ONLY = OSError(28, "No space left on device"), OSError(30, "Read-only file system")
CASES = {
    "a full disk before the images": on_disk(
        lambda _, patch: failing(patch, store, "reserve", FULL), "could not write .*No space"
    ),
    "a full disk after the images": on_disk(
        lambda _, patch: failing(patch, store, "write_csv", FULL), "could not write .*No space"
    ),
    "a full disk at the end": on_disk(lambda _, patch: failing(patch, os, "fsync", FULL), "cannot write .*No space"),
    "a disk that is read only": on_disk(
        lambda _, patch: failing(patch, folders.Path, "mkdir", READ_ONLY), "could not write .*Read-only"
    ),
}
