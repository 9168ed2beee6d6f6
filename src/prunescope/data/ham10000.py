"""HAM10000: its images as zips or as files, and the table of lesions and diagnoses."""

import csv
from collections.abc import Callable
from pathlib import Path, PurePosixPath

from prunescope.data.fetch import fetch, members, record, record_all
from prunescope.data.images import open_image
from prunescope.data.listing import Listing, Place, checked_mirror
from prunescope.errors import PrunescopeError

DATAVERSE = "https://dataverse.harvard.edu/api/access/datafile"  # doi:10.7910/DVN/DBW86T
OFFICIAL = {  # name: (address, bytes, md5); without format=original the metadata comes as a re-exported table
    "HAM10000_images_part_1.zip": (f"{DATAVERSE}/3172585", 1_366_522_108, "4639bfa73ab251610530a97c898e6e46"),
    "HAM10000_images_part_2.zip": (f"{DATAVERSE}/3172584", 1_403_566_547, "da43d6cc50f6613013be07e8986b384b"),
    "HAM10000_metadata.csv": (f"{DATAVERSE}/4338392?format=original", 690_218, "8f85fb1aa29d80a2797247e434deb79d"),
}
CLASSES = ("akiec", "bcc", "bkl", "df", "mel", "nv", "vasc")
HINT = f"Without a network, put {', '.join(OFFICIAL)} into a folder ham10000 and set PRUNESCOPE_MIRROR to the folder above it."


def find(place: Place) -> Listing:
    """List HAM10000 as the mirror holds it, else from the download; PrunescopeError says what is missing or broken."""
    mirror = checked_mirror(place)
    if mirror is not None and (mirror / "ham10000").is_dir():
        mirror = mirror / "ham10000"

    def locate(name: str) -> Path:
        if mirror is not None and (mirror / name).is_file():
            return mirror / name
        url, size, md5 = OFFICIAL[name]
        return fetch(url, place.cache / name, size=size, md5=md5, hint=HINT)

    *archives, table = OFFICIAL
    metadata = locate(table)
    diagnoses = _read_metadata(metadata)
    extracted = mirror is not None and not any((mirror / name).is_file() for name in archives)
    if mirror is not None and extracted and next(mirror.rglob("ISIC_*.jpg"), None) is not None:
        holders = [mirror]
    else:
        holders = [locate(name) for name in archives]
    images: dict[str, tuple[str, Callable[[], bytes]]] = {}
    for holder in holders:
        for name, content in sorted(members(holder, place.stack).items()):
            stem = PurePosixPath(name).stem
            if stem.startswith("ISIC_") and name.endswith(".jpg"):
                # By id and not by count: some copies hold the same folders twice.
                images.setdefault(stem, (f"{name} in {holder}", content))
    if missing := sorted(set(diagnoses) ^ set(images)):
        raise PrunescopeError(
            f"found {len(images)} images and {len(diagnoses)} rows in {metadata}; {len(missing)} have no counterpart, "
            f"the first is {missing[0]}. Wanted one row per image: copy or download the files again."
        )
    names = sorted(diagnoses)
    classes = sorted({diagnosis for _, diagnosis in diagnoses.values()})
    return Listing(
        names=names,
        labels=[classes.index(diagnoses[name][1]) for name in names],
        classes=classes,
        files=[
            record_all("JPEG files", {name: images[name][1] for name in names})
            if holder.is_dir()
            else record(holder, md5=OFFICIAL[holder.name][2])
            for holder in [*holders, metadata]
        ],
        load=lambda row: open_image(images[names[row]][1]),
        places=[images[name][0] for name in names],
        groups=[diagnoses[name][0] for name in names],
    )


def _read_metadata(path: Path) -> dict[str, tuple[str, str]]:
    """Return image id -> (lesion id, diagnosis) of HAM10000's table, whose other columns differ between copies."""
    with path.open(newline="", encoding="utf-8-sig") as file:
        reader = csv.DictReader(file)
        if missing := {"lesion_id", "image_id", "dx"} - set(reader.fieldnames or ()):
            raise PrunescopeError(f"{path}: found columns {reader.fieldnames}, wanted also {', '.join(sorted(missing))}.")
        found: dict[str, tuple[str, str]] = {}
        for row in reader:
            image, lesion, diagnosis = row["image_id"], row["lesion_id"], row["dx"]
            if not image or not lesion or diagnosis not in CLASSES or image in found:
                raise PrunescopeError(
                    f"{path}, line {reader.line_num}: found image {image!r}, lesion {lesion!r}, dx {diagnosis!r}; "
                    f"wanted each image once, its lesion, and one of {', '.join(CLASSES)}."
                )
            found[image] = (lesion, diagnosis)
    return found
