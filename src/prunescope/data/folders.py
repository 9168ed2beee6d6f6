"""Images in a folder or zip with one folder per class."""

from pathlib import Path, PurePosixPath

from prunescope.data.fetch import members, record, record_all
from prunescope.data.images import open_image
from prunescope.data.listing import Listing, Place
from prunescope.data.splits import SPLITS
from prunescope.errors import PrunescopeError


def find(place: Place) -> Listing:
    """List the user's own folder of class folders; PrunescopeError says what in it is not one."""
    assert place.path is not None
    if not place.path.is_dir():
        raise PrunescopeError(f"found no folder {place.path}, wanted one with a folder of images per class.")
    return class_folders(place.path, place, name="class folders", suffix=True)


def class_folders(path: Path, place: Place, *, name: str, suffix: bool) -> Listing:
    """List <class>/<image>, or <split>/<class>/<image> with splits train, val and test, in a folder or zip."""
    contents = {PurePosixPath(member): content for member, content in members(path, place.stack).items()}
    found = [file for file in sorted(contents, key=str) if not any(_is_clutter(part) for part in file.parts)]
    with_splits = bool(found) and {file.parts[0] for file in found} <= set(SPLITS)
    for file in found:
        if len(file.parts) != (3 if with_splits else 2) or not str(file).isprintable() or ".." in file.parts:
            raise PrunescopeError(
                f"found {str(file)!r} in {path}; wanted only images, as <class>/<image>, or as <split>/<class>/<image> "
                f"with the splits {', '.join(SPLITS)}, under names of printable characters. Move or rename it."
            )
    classes = sorted({file.parts[-2] for file in found})
    if len(classes) < 2:
        raise PrunescopeError(
            f"found {len(found)} images of {len(classes)} classes in {path}, wanted a folder for each of two or more."
        )
    return Listing(
        names=[str(file if suffix else file.with_suffix("")) for file in found],
        labels=[classes.index(file.parts[-2]) for file in found],
        classes=classes,
        files=[record_all(name, {str(file): contents[file] for file in found}) if path.is_dir() else record(path)],
        load=lambda row: open_image(contents[found[row]]),
        places=[f"{file} in {path}" for file in found],
        given=[SPLITS.index(file.parts[0]) for file in found] if with_splits else None,
    )


def _is_clutter(part: str) -> bool:
    """Whether a part of a name is hidden or what file managers leave behind."""
    return (part.startswith(".") and part != "..") or part in ("__MACOSX", "Thumbs.db", "desktop.ini")
