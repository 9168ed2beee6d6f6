"""Folders and zips of class folders that are not what they should be."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hostile import Case, flipped, made, tree, twice, with_flag, with_method, with_size, with_version, zipped
from source_fakes import class_tree, encoded, picture, write_tree

PNG = encoded(picture(5), "PNG")
SPLIT = {f"{split}/{name}": content for split in ("train", "val", "test") for name, content in class_tree(4).items()}


def without(files: dict[str, bytes], start: str) -> dict[str, bytes]:
    return {name: content for name, content in files.items() if not name.startswith(start)}


def elsewhere(make: Callable[[Path], Path], message: str) -> Case:
    """A path that is no folder of class folders."""
    return Case("folder", lambda folder, _: {"path": str(make(folder))}, message)


def written(name: str, content: bytes) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        (folder / name).write_bytes(content)
        return folder / name

    return make


def unreadable(folder: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """A file without permission; replaced by its error where the tests run as a user who may read everything."""
    write_tree(folder / "mine", class_tree())
    (folder / "mine/bear/0.png").chmod(0)
    read = Path.read_bytes

    def refuse(path: Path) -> bytes:
        if path.name == "0.png" and path.parent.name == "bear":
            raise PermissionError(13, "Permission denied", str(path))
        return read(path)

    monkeypatch.setattr(Path, "read_bytes", refuse)
    return {"path": str(folder / "mine")}


def unreadable_folder(folder: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    write_tree(folder / "mine", class_tree())
    scandir = os.scandir

    def refuse(path: Path | int) -> object:  # a descriptor where a folder is removed
        if str(path).endswith("bear"):
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    return {"path": str(folder / "mine")}


FOLDERS = {
    "a folder that is not there": elsewhere(lambda folder: folder / "none", "found nothing at .*none, wanted a folder"),
    "a text file as folder": elsewhere(written("notes.txt", b"hello"), r"found a file at .*notes\.txt, wanted a folder"),
    "a tar archive as folder": elsewhere(written("mine.tar.gz", b"\x1f\x8b"), r"found a file at .*mine\.tar\.gz, wanted"),
    "an empty folder": tree({}, "mine: found no images"),
    "only hidden files": tree({".keep": b"", "__MACOSX/apple/0.png": PNG}, "mine: found no images"),
    "only images, no classes": tree({f"{number}.png": PNG for number in range(5)}, r"found '0\.png' in"),
    "a class that predictions use": tree(
        class_tree() | {f"undecided/{n}.png": PNG for n in range(5)}, "found a class named 'undecided', as predictions call a tie"
    ),
    "one class": tree({f"apple/{n}.png": PNG for n in range(5)}, "found only the class 'apple', wanted images of two"),
    "a class of one image": tree(class_tree() | {"rare/x.png": PNG}, "in 1 of 4 classes .'rare': 1 images.; wanted at least one"),
    "two classes of few images": tree(
        class_tree() | {f"rare-{n}/{m}.png": PNG for n in range(2) for m in range(2)},
        "2 of 5 classes .'rare-0': 2 images, 'rare-1': 2 images",
    ),
    "an image beside the classes": tree(class_tree() | {"x.png": b""}, r"found 'x\.png' in"),
    "a folder in a class": tree(class_tree() | {"apple/more/x.png": b""}, r"found 'apple/more/x\.png' in .*table"),
    "an own folder of notes": tree(class_tree() | {"notes/all/README.md": b""}, r"found 'notes/all/README\.md' in"),
    "a line break in a name": tree(class_tree() | {"apple/a\nb.png": PNG}, r"found 'apple/a\\nb\.png'.*printable"),
    "a line break in a class": tree(class_tree() | {"ap\nple/b.png": PNG}, r"found 'ap\\nple/b\.png'.*printable"),
    "a control character in a name": tree(class_tree() | {"apple/\x1b[31m.png": PNG}, r"found 'apple/\\x1b\[31m"),
    "a name that is not UTF-8": tree(class_tree() | {"apple/\udcff.png": PNG}, r"found 'apple/\\udcff\.png'.*printable"),
    "classes that differ by case": tree(
        class_tree() | {f"Bear/{n}.png": PNG for n in range(8)}, "classes 'Bear' and 'bear', which differ by case"
    ),
    "classes that differ by spaces": tree(
        class_tree() | {f"be ar/{n}.png": PNG for n in range(8)}, "'be ar' and 'bear', which differ by case, spaces"
    ),
    "a class with a space at its end": tree(class_tree() | {"dog /0.png": PNG}, "found class 'dog ', wanted"),
    "a link in a circle": made(
        lambda mine: (mine / "apple/loop").symlink_to(mine), "loop.* is a link to a folder that it lies in"
    ),
    "a link to itself": made(
        lambda mine: (mine / "apple/x.png").symlink_to(mine / "apple/x.png"), r"cannot read .*x\.png.*levels"
    ),
    "a link to nothing": made(lambda mine: (mine / "apple/x.png").symlink_to("none"), r"cannot read .*x\.png.*leads nowhere"),
    "a pipe": made(lambda mine: os.mkfifo(mine / "apple/x.png"), r"x\.png' is neither a file nor a folder"),
    "a file that may not be read": Case("folder", unreadable, r"cannot read 1 of 24 images: bear/0\.png .*Permission denied"),
    "a folder that may not be read": Case("folder", unreadable_folder, "cannot read the folder '.*bear': Permission denied"),
    "splits without a class in val": tree(without(SPLIT, "val/bear"), "found no images in val of 'bear'", test_fraction=None),
    "splits without a class in train": tree(
        without(SPLIT, "train/bear"), "found no images in train of 'bear'", test_fraction=None
    ),
    "splits and a test fraction": tree(SPLIT, "has a test split.*test_fraction to official"),
    "no test split and no test fraction": tree(
        class_tree(), "this source has none; set prepare.test_fraction", test_fraction=None
    ),
    "an image beside the splits": tree(SPLIT | {"more/x.png": PNG}, "found 'more/x.png' in", test_fraction=None),
    "accents in two codings": tree(
        class_tree() | {f"{name}/{n}.png": PNG for name in ("Bär", "Ba\u0308r") for n in range(4)}, "the coding of accents"
    ),
    "an empty path": Case("folder", lambda folder, _: {"path": ""}, "found path ''; source \"folder\" needs one"),
    "a split under another name": tree(
        {name.replace("val/", "valid/"): content for name, content in SPLIT.items()},
        "found 'valid/apple/0.png' in .*with the splits train, val, test",
        test_fraction=None,
    ),
    "a deep chain of folders": made(
        lambda mine: (mine / "/".join(["apple", *"abcdefghijklmnopqrstuvwxyz"])).mkdir(parents=True), "more than 20 folders deep"
    ),
    "images where the store goes": Case(
        "folder", lambda folder, _: {"path": str(folder.parent / "out/store")}, "found the images at .*, where the prepared store"
    ),
    "a store in the folder of images": Case("folder", lambda folder, _: {"path": str(folder.parent)}, "found the images at"),
    "a path with a line break": Case("folder", lambda folder, _: {"path": "a\nb"}, r"found path 'a\\nb', wanted printable"),
    "a path of nobody": Case("folder", lambda folder, _: {"path": "~nobody-of-this-name/x"}, "found path '~nobody"),
    "several broken images": tree(
        class_tree() | {f"apple/x{n:02}.png": b"" for n in range(12)},
        r"cannot read 12 of 36 images: apple/x00\.png.*x09.*; \.\.\.",
    ),
}

ZIPS = {
    "text named zip": zipped(lambda data: b"hello", r"mine\.zip is not a whole zip archive"),
    "an empty file named zip": zipped(lambda data: b"", r"mine\.zip is not a whole zip archive"),
    "a zip cut at its end": zipped(lambda data: data[: len(data) * 9 // 10], r"mine\.zip is not a whole zip archive"),
    "a zip with a wrong checksum": zipped(
        lambda data: flipped(data, data.index(b"IDAT") + 20), r"apple/0\.png in .*mine\.zip: Bad CRC-32"
    ),
    "a zip that reaches out": zipped({"../apple/0.png": PNG}, r"the member '\.\./apple/0\.png' would reach out"),
    "a zip that reaches out later": zipped({"apple/../../0.png": PNG}, r"the member 'apple/\.\./\.\./0\.png' would reach out"),
    "a zip that reaches out by backslashes": zipped({"..\\apple\\0.png": PNG}, "would reach out"),
    "a zip with an absolute path": zipped({"/apple/x.png": PNG}, "the member '/apple/x.png' would reach out"),
    "a zip with a drive": zipped({"C:/apple/x.png": PNG}, "would reach out"),
    "an encrypted zip": zipped(lambda data: with_flag(data, 1), r"the member 'apple/0\.png' is encrypted; unpack"),
    "a zip with a member twice": zipped(twice, r"the member 'apple/0\.png' is there twice"),
    "a zip bomb": zipped(lambda data: with_size(data, 1 << 30), r"unpacks to 1,073,741,824 bytes, wanted at most"),
    "a zip of another compression": zipped(lambda data: with_method(data, 99), r"apple/0\.png in .*compression"),
    "a zip of a later version": zipped(lambda data: with_version(data, 99), "is not a whole zip archive .zip file version"),
    "a zip in a zip": zipped({"apple/more.zip": b"PK\x05\x06" + bytes(18)}, r"apple/more\.zip in .*it is a zip archive"),
    "a line break in a member": zipped({"apple/a\nb.png": PNG}, r"found 'apple/a\\nb\.png'"),
    "a zip of zips only": zipped({"deep/er/still/x.png": PNG}, "found 'deep/er/still/x.png' in"),
}

CASES = FOLDERS | ZIPS
