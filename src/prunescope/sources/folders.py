"""The user's own images: class folders, a zip of them, or a table of files and labels."""

import sys
from collections import Counter
from pathlib import Path, PurePosixPath

from prunescope.columns import plain
from prunescope.data.splits import SPLITS
from prunescope.errors import PrunescopeError
from prunescope.sources.archives import is_clutter, members
from prunescope.sources.checksums import record
from prunescope.sources.listing import Listing, Place, check_alike, checked_classes
from prunescope.sources.tables import Row, read_table

SHAPE = (
    f"wanted only images, all as <class>/<image>, or all as <split>/<class>/<image> with the splits {', '.join(SPLITS)} (in "
    "these words), under names of printable characters. Move or rename it, or name files and classes in a table (.csv)"
)
COLUMNS = ("file", "label", "group", "split")
NOTES = (".csv", ".json", ".md", ".pdf", ".txt", ".xml", "")  # suffixes of what may lie beside class folders
GROUPS = ("patient", "lesion", "subject", "person", "case")  # what a column of groups may be called elsewhere


def find(place: Place) -> Listing:
    """List the user's class folders, zip or table; PrunescopeError says what in them is not as wanted."""
    path = place.path
    assert path is not None
    if path.is_dir():
        return class_folders(path, place, name="class folders", suffix=True)
    if path.is_file() and path.suffix.lower() == ".zip":
        return class_folders(path, place, name=path.name, suffix=True)
    if path.is_file() and path.suffix.lower() == ".csv":
        return table(path)
    raise PrunescopeError(
        f"found {'a file' if path.exists() else 'nothing'} at {path}, wanted a folder with a folder of images per class, a zip "
        "of such folders, or a .csv with the columns file,label[,group][,split]."
    )


def class_folders(path: Path, place: Place, *, name: str, suffix: bool) -> Listing:
    """List <class>/<image>, or <split>/<class>/<image> with splits train, val and test, in a folder or zip.

    Folders around all of them are left out of the names. Without `suffix` the names end before the last dot.
    """
    contents = members(path, place.stack)
    around = _around([PurePosixPath(member) for member in contents])
    files = sorted((PurePosixPath(member).relative_to(around) for member in contents), key=str)
    files = _without_notes(files, path)
    with_splits = _check_shape(files, path)
    classes = checked_classes((file.parts[-2] for file in files), where=str(path))
    number = {of: label for label, of in enumerate(classes)}
    names = [str(file if suffix else file.with_suffix("")) for file in files]
    if twice := [name for name, times in Counter(names).items() if times > 1]:
        raise PrunescopeError(f"found the image {twice[0]} in {path} under two suffixes, wanted it once.")
    return Listing(
        names=names,
        labels=[number[file.parts[-2]] for file in files],
        classes=classes,
        files=[] if path.is_dir() else [record(path)],
        read=lambda row: contents[str(around / files[row])](),
        loose=[name] * len(files) if path.is_dir() else None,
        places=[f"{file} in {path}" for file in files],
        given=[SPLITS.index(file.parts[0]) for file in files] if with_splits else None,
    )


def table(path: Path) -> Listing:
    """List the images of a CSV with the columns file (relative to the table), label and, if wanted, group, split and others."""
    found = read_table(str(path), path.read_bytes(), required=["file", "label"], optional=["group", "split"], key="file")
    rows, present = sorted(found, key=_file), found[0].cells
    _check_columns(path, list(present))
    for row in rows:
        _check_path(row)
    if missing := [row for row in rows if not (path.parent / _file(row)).is_file()]:
        raise PrunescopeError(
            f"{missing[0].place}: found no file {path.parent / _file(missing[0])}; of {len(rows):,} files {len(missing):,} are "
            "missing. Wanted paths from the table's folder: add the files, or remove the rows."
        )
    for row in rows:
        if "split" in present and row.cells["split"] not in SPLITS:
            raise PrunescopeError(f"{row.place}: found split {row.cells['split']!r}, wanted {', '.join(SPLITS)}.")
    _mention_unlisted(path, {_file(row) for row in rows})
    classes = checked_classes((row.cells["label"] for row in rows), where=str(path))
    if "group" in present:
        check_alike({row.cells["group"] for row in rows}, "groups", where=str(path))
    number = {of: label for label, of in enumerate(classes)}
    return Listing(
        names=[_file(row) for row in rows],
        labels=[number[row.cells["label"]] for row in rows],
        classes=classes,
        files=[record(path)],
        read=lambda row: (path.parent / _file(rows[row])).read_bytes(),
        loose=["images of the table"] * len(rows),
        places=[f"{_file(row)} ({row.place})" for row in rows],
        groups=[row.cells["group"] for row in rows] if "group" in present else None,
        given=[SPLITS.index(row.cells["split"]) for row in rows] if "split" in present else None,
        columns={name: [plain(row.cells[name]) for row in rows] for name in present if name.strip() and name not in COLUMNS},
    )


def _around(paths: list[PurePosixPath]) -> PurePosixPath:
    """The folders that all files lie in, but for class and split."""
    around = PurePosixPath()
    while paths and all(len(path.parts) > len(around.parts) + 2 for path in paths):
        heads = {path.parts[len(around.parts)] for path in paths}
        if len(heads) > 1 or heads <= set(SPLITS):
            break
        around /= heads.pop()
    return around


def _without_notes(files: list[PurePosixPath], path: Path) -> list[PurePosixPath]:
    def is_note(file: PurePosixPath) -> bool:
        return len(file.parts) == 1 and file.suffix.lower() in NOTES

    if notes := [str(file) for file in files if is_note(file)]:
        print(f"note: {', '.join(notes[:5])} in {path} is no image and left out", file=sys.stderr)
    return [file for file in files if not is_note(file)]


def _check_shape(files: list[PurePosixPath], path: Path) -> bool:
    """Whether the files lie in splits; PrunescopeError names the first that does not lie as the others."""
    in_splits = [len(file.parts) == 3 and file.parts[0] in SPLITS for file in files]
    with_splits = 2 * sum(in_splits) > len(files)
    for file, in_split in zip(files, in_splits, strict=True):
        if not (in_split if with_splits else len(file.parts) == 2) or not str(file).isprintable():
            raise PrunescopeError(f"found {str(file)!r} in {path}; {SHAPE}.")
    return with_splits


def _file(row: Row) -> str:
    return row.cells["file"]


def _check_path(row: Row) -> None:
    file = PurePosixPath(_file(row))
    if file.is_absolute() or ".." in file.parts or "\\" in _file(row) or str(file) != _file(row):
        raise PrunescopeError(
            f"{row.place}: found file {_file(row)!r}, wanted its plain path below the table's folder, with / between the parts."
        )


def _check_columns(path: Path, columns: list[str]) -> None:
    """Refuse columns that nearly have a meaning; to ignore them could let groups leak."""
    for column in columns:
        plain = column.strip().lower()
        if column not in COLUMNS and plain in COLUMNS:
            raise PrunescopeError(f"{path}: found the column {column!r}, wanted {plain!r}. Rename it.")
        if "group" not in columns and plain.removesuffix("s").removesuffix("_id").removesuffix("id") in GROUPS:
            raise PrunescopeError(
                f"{path}: found the column {column!r} and no column 'group'. If images of one {column} belong together, rename "
                "it to group; if not, give it another name or leave it out."
            )


def _mention_unlisted(path: Path, listed: set[str]) -> None:
    """A table may choose some of the images; say so, as a forgotten half would look the same."""
    suffixes = {PurePosixPath(file).suffix.lower() for file in listed}
    below = (file.relative_to(path.parent).as_posix() for file in path.parent.rglob("*") if file.suffix.lower() in suffixes)
    if unlisted := sum(name not in listed and not is_clutter(name) for name in below):
        print(f"note: {unlisted:,} images beside {path} are not in it and are left out", file=sys.stderr)
