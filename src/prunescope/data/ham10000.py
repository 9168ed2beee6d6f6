"""HAM10000: its images as zips or as files, the table of lesions and diagnoses, and ISIC 2018's test set where it is given."""

import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from prunescope.data.archives import members
from prunescope.data.checksums import Official, record
from prunescope.data.fetch import fetch_all
from prunescope.data.isic import TEST_SET, check_counterparts, images_in, read_challenge, read_diagnoses
from prunescope.data.listing import Listing, Place, checked_mirror, mention_lacking
from prunescope.data.splits import SPLITS
from prunescope.errors import PrunescopeError

DATAVERSE = "https://dataverse.harvard.edu/api/access/datafile"  # doi:10.7910/DVN/DBW86T
OFFICIAL = {  # without format=original the metadata comes as a re-exported table
    "HAM10000_images_part_1.zip": Official(f"{DATAVERSE}/3172585", 1_366_522_108, "4639bfa73ab251610530a97c898e6e46"),
    "HAM10000_images_part_2.zip": Official(f"{DATAVERSE}/3172584", 1_403_566_547, "da43d6cc50f6613013be07e8986b384b"),
    "HAM10000_metadata.csv": Official(f"{DATAVERSE}/4338392?format=original", 690_218, "8f85fb1aa29d80a2797247e434deb79d"),
}
*ARCHIVES, TABLE = OFFICIAL
IMAGES = 10_015
TEST_IMAGES = tuple(f"{TEST_SET}_{kind}{form}" for kind in ("Images", "Input") for form in (".zip", ""))
TEST_TABLES = tuple(f"{TEST_SET}_GroundTruth{form}" for form in (".csv", ".tab", ".zip"))
HINT = f"Without a network, put {', '.join(OFFICIAL)} into a folder ham10000 and set PRUNESCOPE_MIRROR to the folder above it."


def find(place: Place) -> Listing:
    """List HAM10000 as the mirror holds it, else from the download; PrunescopeError says what is missing or broken.

    Groups are lesions. With an official test split wanted, ISIC 2018's test set is one, and all of HAM10000 is for training.
    """
    mirror = checked_mirror(place)
    if mirror is not None and (mirror / "ham10000").is_dir():
        mirror = mirror / "ham10000"
    test = _test_set(mirror or place.cache, place.stack) if place.official_test else None  # first: it is never downloaded
    archives, metadata = _locate(mirror, place.cache)
    diagnoses = read_diagnoses(str(metadata), metadata.read_bytes())
    images = images_in(archives, place.stack)
    check_counterparts(diagnoses, images, str(metadata))
    if len(diagnoses) != IMAGES:
        raise PrunescopeError(
            f"found {len(diagnoses):,} images and rows in {metadata.parent}, wanted HAM10000's {IMAGES:,}. Copy or download the "
            'files again; for a part of HAM10000, take source "folder" with a table of files, labels and groups.'
        )
    files = [record(file, OFFICIAL.get(file.name)) for file in [*archives, metadata] if file.is_file()]
    given = dict.fromkeys(diagnoses, SPLITS.index("train"))
    if test is not None:
        if both := sorted(set(diagnoses) & set(test.diagnoses)):
            raise PrunescopeError(f"found {len(both)} images in HAM10000 and in ISIC 2018's test set, the first is {both[0]}.")
        given |= dict.fromkeys(test.diagnoses, SPLITS.index("test"))
        diagnoses, images, files = diagnoses | test.diagnoses, images | test.images, files + test.files
    names = sorted(diagnoses)
    classes = sorted({diagnosis for _, diagnosis in diagnoses.values()})
    return Listing(
        names=names,
        labels=[classes.index(diagnoses[name][1]) for name in names],
        classes=classes,
        files=files,
        read=lambda row: images[names[row]][1](),
        loose="JPEG files" if any(holder.is_dir() for holder in archives) else None,
        places=[images[name][0] for name in names],
        groups=[diagnoses[name][0] for name in names],
        given=[given[name] for name in names] if test is not None else None,
    )


def _locate(mirror: Path | None, cache: Path) -> tuple[list[Path], Path]:
    """Where the images (zips, or a folder) and the table lie; downloads what the mirror lacks."""
    wanted = {name: of for name, of in OFFICIAL.items() if mirror is None or not (mirror / name).is_file()}
    extracted = mirror is not None and set(ARCHIVES) <= set(wanted) and next(mirror.rglob("ISIC_*.[jJ]*"), None) is not None
    if extracted:
        wanted = {name: of for name, of in wanted.items() if name == TABLE}
    if wanted:
        mention_lacking(mirror, wanted)
    fetched = dict(zip(wanted, fetch_all(wanted, cache, hint=HINT), strict=True)) if wanted else {}
    found = {name: fetched[name] if name in fetched else (mirror or cache) / name for name in OFFICIAL}
    return [mirror] if mirror is not None and extracted else [found[name] for name in ARCHIVES], found[TABLE]


@dataclass(frozen=True)
class _Part:
    diagnoses: dict[str, tuple[str, str]]
    images: dict[str, tuple[str, Callable[[], bytes]]]
    files: list[dict]


def _test_set(folder: Path, stack: contextlib.ExitStack) -> _Part:
    """ISIC 2018's test set (task 3), in the form of Dataverse or of the challenge's site."""
    images = next((folder / name for name in TEST_IMAGES if (folder / name).exists()), None)
    table = next((folder / name for name in TEST_TABLES if (folder / name).exists()), None)
    if images is None or table is None:
        raise PrunescopeError(
            f"test_fraction null asks for the test set of ISIC 2018, but {folder} lacks it. Put its images there, as "
            f"{TEST_SET}_Images.zip or {TEST_SET}_Input.zip, and its table, as {' or '.join(TEST_TABLES)}, from "
            "doi:10.7910/DVN/DBW86T or challenge.isic-archive.com/data; or set test_fraction to a fraction, for instance 0.2."
        )
    place, content = str(table), table.read_bytes()
    if table.suffix == ".zip":
        tables = {name: read for name, read in members(table, stack).items() if name.endswith(f"{TEST_SET}_GroundTruth.csv")}
        if len(tables) != 1:
            raise PrunescopeError(f"found {len(tables)} tables in {table}, wanted {TEST_SET}_GroundTruth.csv.")
        place, content = f"{next(iter(tables))} in {table}", next(iter(tables.values()))()
    if b"image_id" in content.splitlines()[:1][0]:
        diagnoses = read_diagnoses(place, content, delimiter="\t" if table.suffix == ".tab" else ",")
    else:
        diagnoses = read_challenge(place, content)
    found = images_in([images], stack)
    check_counterparts(diagnoses, found, place)
    return _Part(diagnoses, found, [record(file) for file in (images, table) if file.is_file()])
