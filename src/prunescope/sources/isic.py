"""Images and diagnoses as the ISIC archive names them: what HAM10000 and the test set of ISIC 2018 share."""

import contextlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from prunescope.columns import UNKNOWN, known, numbers, plain
from prunescope.errors import PrunescopeError
from prunescope.sources.archives import members
from prunescope.sources.tables import read_table

CLASSES = ("akiec", "bcc", "bkl", "df", "mel", "nv", "vasc")
TEST_SET = "ISIC2018_Task3_Test"  # how the names of its files begin
PERSON = ("age", "sex", "localization")  # columns about the person: kept, and unknown where a copy of the table lacks them


class Diagnosis(NamedTuple):
    """What a table says of an image; `person` has the values of `PERSON`."""

    lesion: str
    name: str
    person: tuple[str, ...]


def read_diagnoses(place: str, content: bytes) -> dict[str, Diagnosis]:
    """Return the diagnoses by image id of HAM10000's kind of table, whose columns beyond those of `PERSON` differ between copies.

    Its cells are divided by commas, or by tabulators as Dataverse re-exports them.
    """
    delimiter = "\t" if b"\t" in content.partition(b"\n")[0] else ","
    rows = read_table(place, content, required=["lesion_id", "image_id", "dx"], key="image_id", delimiter=delimiter)
    for row in rows:
        if row.cells["dx"] not in CLASSES:
            raise PrunescopeError(f"{row.place}: found dx {row.cells['dx']!r}, wanted one of {', '.join(CLASSES)}.")
    diagnoses: dict[str, str] = {}
    for row in rows:
        if (first := diagnoses.setdefault(row.cells["lesion_id"], row.cells["dx"])) != row.cells["dx"]:
            raise PrunescopeError(
                f"{row.place}: found lesion {row.cells['lesion_id']} with dx {row.cells['dx']} after {first}, wanted "
                "one diagnosis."
            )
    return {of["image_id"]: Diagnosis(of["lesion_id"], of["dx"], _person(of)) for of in (row.cells for row in rows)}


def _person(cells: Mapping[str, str]) -> tuple[str, ...]:
    """The values of `PERSON`, written in one way: copies of the table have an age as 80 or as 80.0."""
    values = known(plain(cells.get(name, "")) for name in PERSON).tolist()
    return tuple(value if (as_number := numbers([value])) is None else f"{as_number[0]:g}" for value in values)


def read_challenge(place: str, content: bytes) -> dict[str, Diagnosis]:
    """Return the same of a challenge's table: a column per diagnosis, 1 in the right one.

    Neither lesions nor persons are known: each image is its own lesion.
    """
    rows = read_table(place, content, required=["image", *(name.upper() for name in CLASSES)], key="image")
    found = {}
    for row in rows:
        values = {name: row.cells[name.upper()] for name in CLASSES}
        chosen = [name for name, value in values.items() if value in ("1", "1.0")]
        if len(chosen) != 1 or any(value not in ("0", "0.0", "1", "1.0") for value in values.values()):
            raise PrunescopeError(f"{row.place}: found {', '.join(values.values())}, wanted 1 in one column and 0 in the others.")
        found[row.cells["image"]] = Diagnosis(row.cells["image"], chosen[0], (UNKNOWN,) * len(PERSON))
    return found


@dataclass(frozen=True)
class Photograph:
    """An image of the archive: where it lies, for errors; whether as a file of its own; and how to read it."""

    place: str
    loose: bool
    read: Callable[[], bytes]


def photographs(holders: Iterable[Path], stack: contextlib.ExitStack) -> dict[str, Photograph]:
    """Return the ISIC images in zips and folders by their ids; some copies hold them twice.

    A folder of the test set within another folder is not looked into. PrunescopeError for one id with two images.
    """
    found: dict[str, Photograph] = {}
    for holder in holders:
        for name, read in members(holder, stack).items():
            file = PurePosixPath(name)
            beside = not holder.name.startswith(TEST_SET) and any(part.startswith(TEST_SET) for part in file.parts)
            if file.stem.startswith("ISIC_") and file.suffix.lower() in (".jpg", ".jpeg") and not beside:
                photograph = Photograph(f"{name} in {holder}", holder.is_dir(), read)
                if (first := found.setdefault(file.stem, photograph)) is not photograph and first.read() != read():
                    raise PrunescopeError(f"found two different images of one id: {first.place}, {photograph.place}.")
    return found


def check_counterparts(diagnoses: Mapping[str, object], images: Mapping[str, object], table: str) -> None:
    """Raise PrunescopeError unless every row has an image and every image a row."""
    without_image, without_row = sorted(set(diagnoses) - set(images)), sorted(set(images) - set(diagnoses))
    if without_image or without_row:
        examples = [
            f"{len(ids):,} {what} (the first: {ids[0]})"
            for ids, what in ((without_image, "rows without an image"), (without_row, "images without a row"))
            if ids
        ]
        raise PrunescopeError(
            f"found {len(images):,} images and {len(diagnoses):,} rows in {table}: {' and '.join(examples)}. Wanted one row per "
            "image: copy or download the files again."
        )
