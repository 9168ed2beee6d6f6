"""HAM10000: its images as zips or as files, the table of lesions and diagnoses, and ISIC 2018's test set where it is given."""

import contextlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from prunescope.data.splits import SPLITS
from prunescope.errors import PrunescopeError
from prunescope.sources.archives import members
from prunescope.sources.checksums import Official, record
from prunescope.sources.fetch import fetch_all
from prunescope.sources.isic import (
    PERSON,
    TEST_SET,
    Diagnosis,
    Photograph,
    check_counterparts,
    photographs,
    read_challenge,
    read_diagnoses,
)
from prunescope.sources.listing import Listing, Place, checked_mirror, mention_lacking

DATAVERSE = "https://dataverse.harvard.edu/api/access/datafile"  # doi:10.7910/DVN/DBW86T
OFFICIAL = {  # without format=original the metadata comes as a re-exported table
    "HAM10000_images_part_1.zip": Official(f"{DATAVERSE}/3172585", 1_366_522_108, "4639bfa73ab251610530a97c898e6e46"),
    "HAM10000_images_part_2.zip": Official(f"{DATAVERSE}/3172584", 1_403_566_547, "da43d6cc50f6613013be07e8986b384b"),
    "HAM10000_metadata.csv": Official(f"{DATAVERSE}/4338392?format=original", 690_218, "8f85fb1aa29d80a2797247e434deb79d"),
}
*ARCHIVES, TABLE = OFFICIAL
IMAGES, TEST_IMAGES = 10_015, (1_511, 1_512)  # of the test set, Dataverse has one less than the challenge
TABLES = (TABLE, "HAM10000_metadata.tab", "HAM10000_metadata")  # as it is called where it was fetched from Dataverse
TEST_HOLDERS = tuple(f"{TEST_SET}_{kind}{form}" for kind in ("Images", "Input") for form in (".zip", ""))
TEST_TABLES = (
    *(f"{TEST_SET}_GroundTruth{form}" for form in (".csv", ".tab", ".zip")),
    f"{TEST_SET}_GroundTruth/{TEST_SET}_GroundTruth.csv",
)
HINT = f"Without a network, put {', '.join(OFFICIAL)} into a folder ham10000 and set PRUNESCOPE_MIRROR to the folder above it."


@dataclass(frozen=True)
class _Part:
    """Images with their lesions and diagnoses, and the files that they are from."""

    diagnoses: dict[str, Diagnosis]
    images: dict[str, Photograph]
    files: list[dict[str, Any]]


def find(place: Place) -> Listing:
    """List HAM10000 as the mirror holds it, else from the download; PrunescopeError says what is missing or broken.

    Groups are lesions. With an official test split wanted, ISIC 2018's test set is one, and all of HAM10000 is for training.
    """
    mirror = checked_mirror(place)
    if mirror is not None and (mirror / "ham10000").is_dir():
        mirror = mirror / "ham10000"
    # First, as it is never downloaded.
    test = _test_set(mirror or place.cache, place.stack) if place.official_test else _Part({}, {}, [])
    train = _training_set(mirror, place)
    if both := sorted(set(train.diagnoses) & set(test.diagnoses)):
        raise PrunescopeError(f"found {len(both)} images in HAM10000 and in ISIC 2018's test set, the first is {both[0]}.")
    diagnoses, images = train.diagnoses | test.diagnoses, train.images | test.images
    names = sorted(diagnoses)
    classes = sorted({diagnosis.name for diagnosis in diagnoses.values()})
    return Listing(
        names=names,
        labels=[classes.index(diagnoses[name].name) for name in names],
        classes=classes,
        files=[*train.files, *test.files],
        read=lambda row: images[names[row]].read(),
        loose=["JPEG files" if images[name].loose else None for name in names],
        places=[images[name].place for name in names],
        groups=[diagnoses[name].lesion for name in names],
        given=[SPLITS.index("test" if name in test.diagnoses else "train") for name in names] if test.diagnoses else None,
        columns={column: [diagnoses[name].person[place] for name in names] for place, column in enumerate(PERSON)},
    )


def _training_set(mirror: Path | None, place: Place) -> _Part:
    archives, images, table = _locate(mirror, place)
    diagnoses = read_diagnoses(str(table), table.read_bytes())
    check_counterparts(diagnoses, images, str(table))
    if len(diagnoses) != IMAGES:
        raise PrunescopeError(
            f"found {len(diagnoses):,} images and rows in {table.parent}, wanted HAM10000's {IMAGES:,}. Copy or download the "
            'files again; for a part of HAM10000, take source "folder" with a table of files, labels and groups.'
        )
    files = [(file, OFFICIAL.get(file.name)) for file in archives] + [(table, OFFICIAL[TABLE])]
    return _Part(diagnoses, images, [record(file, of) for file, of in files])


def _locate(mirror: Path | None, place: Place) -> tuple[list[Path], dict[str, Photograph], Path]:
    """The zips, the images in them (or in the mirror's folders, without zips) and the table; downloads what the mirror lacks."""
    found: dict[str, Path] = {}
    if mirror is not None:
        found = {name: mirror / name for name in ARCHIVES if (mirror / name).is_file()}
        if table := next((mirror / name for name in TABLES if (mirror / name).is_file()), None):
            found[TABLE] = table
    extracted = photographs([mirror], place.stack) if mirror is not None and not set(ARCHIVES) & set(found) else {}
    wanted = {name: of for name, of in OFFICIAL.items() if name not in found and not (extracted and name in ARCHIVES)}
    if wanted:
        mention_lacking(mirror, wanted)
        found |= dict(zip(wanted, fetch_all(wanted, place.cache, hint=HINT), strict=True))
    archives = [] if extracted else [found[name] for name in ARCHIVES]
    return archives, extracted or photographs(archives, place.stack), found[TABLE]


def _test_set(folder: Path, stack: contextlib.ExitStack) -> _Part:
    """ISIC 2018's test set (task 3), in the form of Dataverse or of the challenge's site."""
    holder = next((folder / name for name in TEST_HOLDERS if (folder / name).exists()), None)
    table = next((folder / name for name in TEST_TABLES if (folder / name).is_file()), None)
    if holder is None or table is None:
        raise PrunescopeError(
            f"test_fraction official asks for the test set of ISIC 2018, but {folder} lacks it. Put its images there, as "
            f"{TEST_SET}_Images.zip or {TEST_SET}_Input.zip, and its table, as {' or '.join(TEST_TABLES)}, from "
            "doi:10.7910/DVN/DBW86T or challenge.isic-archive.com/data; or set test_fraction to a fraction, for instance 0.2."
        )
    place, content = _truth(table, stack) if table.suffix == ".zip" else (str(table), table.read_bytes())
    read = read_diagnoses if b"image_id" in content.partition(b"\n")[0] else read_challenge
    diagnoses, images = read(place, content), photographs([holder], stack)
    check_counterparts(diagnoses, images, place)
    if len(diagnoses) not in TEST_IMAGES:
        raise PrunescopeError(
            f"{place}: found {len(diagnoses):,} images, wanted ISIC 2018's {' or '.join(map(str, TEST_IMAGES))}."
        )
    return _Part(diagnoses, images, [record(file) for file in (holder, table) if file.is_file()])


def _truth(table: Path, stack: contextlib.ExitStack) -> tuple[str, bytes]:
    """The table in the challenge's zip of it, and how errors name it."""
    tables = {name: read for name, read in members(table, stack).items() if name.endswith(f"{TEST_SET}_GroundTruth.csv")}
    if len(tables) != 1:
        raise PrunescopeError(f"found {len(tables)} tables in {table}, wanted {TEST_SET}_GroundTruth.csv.")
    [(name, read)] = tables.items()
    try:
        return f"{name} in {table}", read()
    except Exception as error:  # zipfile and zlib raise whatever they like on broken bytes
        raise PrunescopeError(f"cannot read {name} in {table}: {error}. Download it again.") from error
