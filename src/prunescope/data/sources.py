"""Where images come from, and the one call that turns a source into a prepared store."""

import concurrent.futures
import contextlib
import csv
import hashlib
import io
import os
import pickle
import tarfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from PIL import Image, ImageOps

from prunescope.data import store
from prunescope.data.fetch import digests, fetch, members, progress, record, record_all
from prunescope.data.splits import SPLITS, check_test_fraction, complete, counts
from prunescope.errors import PrunescopeError

CHUNK = 128  # images a worker decodes in one go
# Named, as Pillow would start foreign programs for some other formats (PostScript).
FORMATS = ("BMP", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP")
# The triangle filter, which Pillow widens to the scale (a weighted area mean): unlike LANCZOS it cannot ring, unlike
# BOX it shifts no edges at uneven scales, and torchvision's transforms, with which ImageNet weights were made, use it.
RESIZED = "shorter side to image_size by Pillow's antialiased bilinear filter, centre square; right sizes are untouched"

CIFAR = {  # name: (official address, bytes, md5)
    "cifar-100-python.tar.gz": (
        "https://www.cs.toronto.edu/~kriz/cifar-100-python.tar.gz",
        169_001_437,
        "eb9058c3a382ffc7106e4002c42a8d85",
    )
}
DATAVERSE = "https://dataverse.harvard.edu/api/access/datafile"  # doi:10.7910/DVN/DBW86T
HAM = {  # without format=original the metadata comes as a re-exported table
    "HAM10000_images_part_1.zip": (f"{DATAVERSE}/3172585", 1_366_522_108, "4639bfa73ab251610530a97c898e6e46"),
    "HAM10000_images_part_2.zip": (f"{DATAVERSE}/3172584", 1_403_566_547, "da43d6cc50f6613013be07e8986b384b"),
    "HAM10000_metadata.csv": (f"{DATAVERSE}/4338392?format=original", 690_218, "8f85fb1aa29d80a2797247e434deb79d"),
}
HAM_CLASSES = ("akiec", "bcc", "bkl", "df", "mel", "nv", "vasc")
CIFAR_HINT = (
    "Without a network, put cifar-100-python.tar.gz, or cifar100.zip with train/<class>/<image> and "
    "test/<class>/<image>, into a folder and set PRUNESCOPE_MIRROR to it."
)
HAM_HINT = (
    f"Without a network, put {', '.join(HAM)} into a folder ham10000 and set PRUNESCOPE_MIRROR to the folder above it."
)


@dataclass(frozen=True)
class Place:
    """Where a source may look: a mirror folder or None, the folder for downloads, the user's own folder or None."""

    mirror: Path | None
    cache: Path
    path: Path | None
    stack: contextlib.ExitStack  # closes archives once the images are read


@dataclass(frozen=True)
class Listing:
    """What a source holds before a pixel is decoded; one entry per image, in an order that only the names decide."""

    names: list[str]
    labels: list[int]
    classes: list[str]
    files: list[dict[str, Any]]  # provenance, see fetch.record
    load: Callable[[int], Image.Image]  # row -> image of any size and mode; called from many threads
    places: list[str] | None = None  # how errors name the image, where its name is not enough
    groups: list[str] | None = None  # None: each image is its own
    given: list[int] | None = None  # split codes where the source has splits


@dataclass(frozen=True)
class Source:
    """How to list a source and what must be said of it; `official_test` None: that depends on the folder."""

    find: Callable[[Place], Listing]
    official_test: bool | None
    licence: str
    citation: str
    resized: str = RESIZED


def prepare(
    source: str,
    out: Path,
    *,
    image_size: int,
    val_fraction: float,
    test_fraction: float | None,
    split_seed: int,
    mirror: Path | None,
    cache: Path,
    path: str | None = None,
    workers: int | None = None,
) -> dict[str, Any]:
    """Write the prepared store of `source` to the folder `out`, whole or not at all, and return its `splits.counts`.

    `image_size` in pixels; fractions are of images (see `splits.complete`), `test_fraction` None keeps the official
    test split. Files are looked up in `mirror`, else downloaded into `cache`; `path` is the folder of source "folder".
    `workers` threads decode (None: one per core); their number changes no byte. PrunescopeError says what is missing or
    broken.
    """
    if source not in SOURCES:
        raise PrunescopeError(f"found source {source!r}, wanted one of {', '.join(SOURCES)}.")
    about = SOURCES[source]
    if (path is not None) != (source == "folder"):
        raise PrunescopeError(f'source {source}: found path {path!r}; source "folder" needs one, the others take none.')
    if about.official_test is not None:  # said before gigabytes are downloaded
        check_test_fraction(about.official_test, test_fraction)
    with contextlib.ExitStack() as stack:
        listing = about.find(Place(mirror, cache, Path(path) if path is not None else None, stack))
        labels = np.array(listing.labels, dtype=np.int64)
        groups = np.array(listing.groups or listing.names, dtype=np.str_)
        given = None if listing.given is None else np.array(listing.given, dtype=np.uint8)
        shares = {"val_fraction": val_fraction, "test_fraction": test_fraction}
        codes = complete(labels, groups, given, **shares, seed=split_seed, classes=listing.classes)
        store.write(
            out,
            images=lambda array: fill_(array, listing, workers=workers or _cores(), title=source),
            labels=labels,
            splits=codes,
            names=listing.names,
            groups=groups.tolist(),
            classes=listing.classes,
            source=source,
            image_size=image_size,
            provenance={
                "files": listing.files,
                "licence": about.licence,
                "citation": about.citation,
                "resized": about.resized,
                "split_seed": split_seed,
                **shares,
            },
        )
    return counts(labels, groups, codes, listing.classes)


def fill_(array: np.ndarray, listing: Listing, *, workers: int, title: str) -> None:
    """Decode all images of `listing` into `array`, (N, size, size, 3) uint8, in place and in parallel."""

    def work(start: int) -> int:
        rows = range(start, min(start + CHUNK, len(array)))
        for row in rows:
            try:
                array[row] = fit(listing.load(row), array.shape[1])
            except Exception as error:  # decoders raise whatever they like on broken bytes
                place = (listing.places or listing.names)[row]
                raise PrunescopeError(f"cannot read the image {place}: {error}. Replace it or remove it.") from error
        return len(rows)

    Image.init()  # loads Pillow's plugins here and not in many threads at once
    # Threads suffice: decoding, resizing and unzipping release the interpreter's lock, and nothing has to be sent.
    with concurrent.futures.ThreadPoolExecutor(workers) as pool, progress(title, len(array), "images") as advance:
        for done in pool.map(work, range(0, len(array), CHUNK)):
            advance(done)


def fit(image: Image.Image, size: int) -> np.ndarray:
    """Return the centre square of an image, upright, as RGB on white, at `size` pixels: (size, size, 3) uint8."""
    if image.width * image.height > (Image.MAX_IMAGE_PIXELS or 1 << 27):
        raise ValueError(f"{image.width} x {image.height} pixels are too many")
    ImageOps.exif_transpose(image, in_place=True)
    if image.mode.startswith("I"):  # 16-bit grey: Pillow's own conversion would clip it at 255
        image = Image.fromarray((np.clip(np.asarray(image).astype(np.int64), 0, 65535) // 257).astype(np.uint8))
    elif image.mode == "F":
        raise ValueError("its pixels are floating point numbers of unknown range")
    elif image.has_transparency_data:
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image.convert("RGBA"))
    image = image.convert("RGB")
    if image.size != (size, size):
        side = min(image.size)
        left, top = (image.width - side) // 2, (image.height - side) // 2
        image = image.resize((size, size), Image.Resampling.BILINEAR, box=(left, top, left + side, top + side))
    return np.asarray(image)


def _open(content: Callable[[], bytes]) -> Image.Image:
    return Image.open(io.BytesIO(content()), formats=FORMATS)


def _mirror(place: Place) -> Path | None:
    if place.mirror is not None and not place.mirror.is_dir():
        raise PrunescopeError(f"PRUNESCOPE_MIRROR: found no folder {place.mirror}. Correct or unset it.")
    return place.mirror


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _find_digits(place: Place) -> Listing:
    # scikit-learn takes a second to import, and no other source needs it
    from sklearn.datasets import load_digits

    pixels, labels = load_digits(return_X_y=True)
    sixteenths = np.asarray(pixels).astype(np.uint8).reshape(-1, 8, 8)
    grey = np.rint(sixteenths * (255 / 16)).astype(np.uint8)
    sha256 = hashlib.sha256(sixteenths.tobytes()).hexdigest()
    return Listing(
        names=[f"digit-{row:04}" for row in range(len(grey))],
        labels=np.asarray(labels).tolist(),
        classes=[str(digit) for digit in range(10)],
        files=[{"name": "sklearn.datasets.load_digits", "bytes": grey.size, "sha256": sha256, "official": True}],
        load=lambda row: Image.fromarray(grey[row]),
    )


def _find_cifar100(place: Place) -> Listing:
    [(name, (url, size, md5))] = CIFAR.items()
    if mirror := _mirror(place):
        archive = mirror / name
        if archive.is_file():
            if (found := digests(archive)[1]) != md5:
                raise PrunescopeError(f"{archive} has md5 {found}, wanted {md5}. Copy it again. {CIFAR_HINT}")
            return _cifar_archive(archive, md5)
        for folders in (mirror / "cifar100.zip", mirror / "cifar100"):
            if folders.exists():
                # Named as in the official archive, but for the suffix: both forms give the same rows.
                return _class_folders(folders, place, name=folders.name, suffix=False)
    return _cifar_archive(fetch(url, place.cache / name, size=size, md5=md5, hint=CIFAR_HINT), md5)


def _cifar_archive(path: Path, md5: str) -> Listing:
    try:
        with tarfile.open(path) as tar:
            meta, train, test = (_unpickle(tar, f"cifar-100-python/{part}") for part in ("meta", "train", "test"))
        classes = [str(name) for name in meta["fine_label_names"]]
        pixels = np.concatenate([train["data"], test["data"]])
        rows = [
            (f"{split}/{classes[label]}/{PurePosixPath(file).stem}", label, SPLITS.index(split))
            for split, part in (("train", train), ("test", test))
            for file, label in zip(part["filenames"], part["fine_labels"], strict=True)
        ]
        if pixels.dtype != np.uint8 or pixels.shape != (len(rows), 3 * 32 * 32):
            raise ValueError(f"found {len(rows)} names and pixels {pixels.shape} {pixels.dtype}")
    except (tarfile.TarError, pickle.UnpicklingError, OSError, EOFError, LookupError, TypeError, ValueError) as error:
        raise PrunescopeError(f"{path} is not CIFAR-100's archive ({type(error).__name__}: {error}).") from error
    order = sorted(range(len(rows)), key=rows.__getitem__)
    names, labels, given = zip(*(rows[row] for row in order), strict=True)
    return Listing(
        names=list(names),
        labels=list(labels),
        classes=classes,
        files=[record(path, md5=md5)],
        load=lambda row: Image.fromarray(
            np.ascontiguousarray(pixels[order[row]].reshape(3, 32, 32).transpose(1, 2, 0))
        ),
        given=list(given),
    )


def _unpickle(tar: tarfile.TarFile, name: str) -> dict[str, Any]:
    file = tar.extractfile(name)
    if file is None:
        raise tarfile.TarError(f"{name} is no file")
    with file:
        return _Plain(file, encoding="latin1").load()  # written by Python 2


class _Plain(pickle.Unpickler):
    """Unpickles numbers, text, containers and numpy arrays of them, and refuses every name that could do more."""

    # numpy's own helper without its private path, which moved in numpy 2
    _rebuild: Any = np.empty(0).__reduce__()[0]
    _admitted: Mapping[tuple[str, str], Any] = {
        ("numpy", "ndarray"): np.ndarray,
        ("numpy", "dtype"): np.dtype,
        ("numpy.core.multiarray", "_reconstruct"): _rebuild,
        ("numpy._core.multiarray", "_reconstruct"): _rebuild,
    }

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in self._admitted:
            raise pickle.UnpicklingError(f"refused to load {module}.{name}, which no CIFAR-100 file needs")
        return self._admitted[module, name]


def _find_ham10000(place: Place) -> Listing:
    mirror = _mirror(place)
    if mirror is not None and (mirror / "ham10000").is_dir():
        mirror = mirror / "ham10000"

    def locate(name: str) -> Path:
        if mirror is not None and (mirror / name).is_file():
            return mirror / name
        url, size, md5 = HAM[name]
        return fetch(url, place.cache / name, size=size, md5=md5, hint=HAM_HINT)

    *archives, table = HAM
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
            else record(holder, md5=HAM[holder.name][2])
            for holder in [*holders, metadata]
        ],
        load=lambda row: _open(images[names[row]][1]),
        places=[images[name][0] for name in names],
        groups=[diagnoses[name][0] for name in names],
    )


def _read_metadata(path: Path) -> dict[str, tuple[str, str]]:
    """Return image id -> (lesion id, diagnosis) of HAM10000's table, whose other columns differ between copies."""
    with path.open(newline="", encoding="utf-8-sig") as file:
        reader = csv.DictReader(file)
        if missing := {"lesion_id", "image_id", "dx"} - set(reader.fieldnames or ()):
            raise PrunescopeError(
                f"{path}: found columns {reader.fieldnames}, wanted also {', '.join(sorted(missing))}."
            )
        found: dict[str, tuple[str, str]] = {}
        for row in reader:
            image, lesion, diagnosis = row["image_id"], row["lesion_id"], row["dx"]
            if not image or not lesion or diagnosis not in HAM_CLASSES or image in found:
                raise PrunescopeError(
                    f"{path}, line {reader.line_num}: found image {image!r}, lesion {lesion!r}, dx {diagnosis!r}; "
                    f"wanted each image once, its lesion, and one of {', '.join(HAM_CLASSES)}."
                )
            found[image] = (lesion, diagnosis)
    return found


def _find_folder(place: Place) -> Listing:
    assert place.path is not None
    if not place.path.is_dir():
        raise PrunescopeError(f"found no folder {place.path}, wanted one with a folder of images per class.")
    return _class_folders(place.path, place, name="class folders", suffix=True)


def _class_folders(path: Path, place: Place, *, name: str, suffix: bool) -> Listing:
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
        load=lambda row: _open(contents[found[row]]),
        places=[f"{file} in {path}" for file in found],
        given=[SPLITS.index(file.parts[0]) for file in found] if with_splits else None,
    )


def _is_clutter(part: str) -> bool:
    """Whether a part of a name is hidden or what file managers leave behind."""
    return (part.startswith(".") and part != "..") or part in ("__MACOSX", "Thumbs.db", "desktop.ini")


SOURCES: dict[str, Source] = {
    "digits": Source(
        find=_find_digits,
        official_test=False,
        licence="CC BY 4.0 (UCI Machine Learning Repository), distributed within scikit-learn",
        citation="Alpaydin, Kaynak, Optical Recognition of Handwritten Digits, UCI Machine Learning Repository, 1998",
        resized="8x8 grey 0..16 scaled to 0..255, rounded, three equal channels, enlarged by Pillow's bilinear filter",
    ),
    "cifar100": Source(
        find=_find_cifar100,
        official_test=True,
        licence="none stated",
        citation="Krizhevsky, Learning multiple layers of features from tiny images, 2009",
    ),
    "ham10000": Source(
        find=_find_ham10000,
        official_test=False,
        licence="CC BY-NC 4.0",
        citation="Tschandl, Rosendahl, Kittler, The HAM10000 dataset, Sci. Data 5:180161, 2018",
    ),
    "folder": Source(find=_find_folder, official_test=None, licence="as the owner says", citation=""),
}
