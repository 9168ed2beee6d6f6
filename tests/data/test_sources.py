"""Sources: small fakes of every form a dataset may come in; with the mirror, the facts of the real ones."""

import hashlib
import io
import json
import os
import pickle
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from prunescope.data import fetch, sources, store
from prunescope.data.sources import fit, prepare
from prunescope.errors import PrunescopeError

CLASSES = ("apple", "bear", "cloud")


def picture(seed: int, size: tuple[int, int] = (32, 32)) -> Image.Image:
    pixels = np.random.default_rng(seed).integers(0, 256, (size[1] // 4, size[0] // 4, 3), dtype=np.uint8)
    return Image.fromarray(pixels).resize(size, Image.Resampling.NEAREST)


def encoded(image: Image.Image, form: str, **options: Any) -> bytes:
    data = io.BytesIO()
    image.save(data, form, **options)
    return data.getvalue()


def run(source: str, out: Path, **changes: Any) -> dict[str, Any]:
    settings = {
        "image_size": 32,
        "val_fraction": 0.2,
        "test_fraction": 0.25,
        "split_seed": 0,
        "mirror": None,
        "cache": out.parent / "cache",
    }
    return prepare(source, out, **(settings | changes))


def cifar_rows(count: int = 6) -> list[tuple[str, str, str, Image.Image]]:
    """(split, class, stem, image) of a tiny CIFAR, not in any order of names."""
    rows = [
        (split, name, f"{name}_s_{(7 * number) % 11:06}", picture(100 * of + number + 50 * (split == "test")))
        for split in ("train", "test")
        for of, name in enumerate(CLASSES)
        for number in range(count if split == "train" else 2)
    ]
    return [rows[row] for row in np.random.default_rng(0).permutation(len(rows))]


def cifar_tree() -> dict[str, bytes]:
    return {
        f"{split}/{name}/{stem}.webp": encoded(image, "WEBP", lossless=True)
        for split, name, stem, image in cifar_rows()
    }


def write_zip(path: Path, files: dict[str, bytes]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)


def write_tree(folder: Path, files: dict[str, bytes]) -> None:
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)


def write_cifar_archive(path: Path, monkeypatch: pytest.MonkeyPatch, **replaced: bytes) -> None:
    """Write the official layout and make its md5 the one that is wanted."""
    parts: dict[str, bytes] = {"meta": pickle.dumps({"fine_label_names": list(CLASSES)}, protocol=2)}
    for part in ("train", "test"):
        rows = [row for row in cifar_rows() if row[0] == part]
        parts[part] = pickle.dumps(
            {
                "filenames": [f"{stem}.png" for _, _, stem, _ in rows],
                "fine_labels": [CLASSES.index(name) for _, name, _, _ in rows],
                "data": np.stack([np.asarray(image).transpose(2, 0, 1).reshape(-1) for *_, image in rows]),
            },
            protocol=4,
        )
    with tarfile.open(path, "w:gz") as archive:
        for name, content in (parts | replaced).items():
            about = tarfile.TarInfo(f"cifar-100-python/{name}")
            about.size = len(content)
            archive.addfile(about, io.BytesIO(content))
    name, (url, _, _) = next(iter(sources.CIFAR.items()))
    content = path.read_bytes()
    md5 = hashlib.md5(content, usedforsecurity=False).hexdigest()
    monkeypatch.setattr(sources, "CIFAR", {name: (url, len(content), md5)})


def test_digits_come_with_the_package(tmp_path):
    found = run("digits", tmp_path / "a", test_fraction=0.2, val_fraction=0.1)
    assert found["train_images"] + found["val_images"] + found["test_images"] == 1797 == found["groups"]
    assert (found["classes"], found["groups_in_two_splits"], found["random_split_leak"]) == (10, 0, None)
    kept = store.read(tmp_path / "a")
    assert kept.images.shape == (1797, 32, 32, 3) and (kept.images == kept.images[..., :1]).all()
    per_class = np.bincount(kept.labels)
    assert per_class.tolist() == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]  # UCI's test set
    for split, share in (("train", 0.7), ("val", 0.1), ("test", 0.2)):
        assert list(found["images_per_class"][split].values()) == pytest.approx(share * per_class, abs=1)
    assert kept.provenance["files"][0]["name"] == "sklearn.datasets.load_digits"
    run("digits", tmp_path / "b", image_size=8)
    small = store.read(tmp_path / "b")
    # The first digit's first rows as scikit-learn's documentation prints them, in sixteenths.
    wanted = np.rint(np.array([[0, 0, 5, 13, 9, 1, 0, 0], [0, 0, 13, 15, 10, 15, 5, 0]]) * 255 / 16)
    assert small.images[0, :2, :, 0].tolist() == wanted.tolist()


def test_all_forms_of_cifar_give_the_same_images(tmp_path, monkeypatch):
    mirrors = {name: tmp_path / f"mirror-{name}" for name in ("archive", "zip", "folder")}
    for mirror in mirrors.values():
        mirror.mkdir()
    write_cifar_archive(mirrors["archive"] / "cifar-100-python.tar.gz", monkeypatch)
    write_zip(mirrors["zip"] / "cifar100.zip", cifar_tree())
    write_tree(mirrors["folder"] / "cifar100", cifar_tree())
    kept = {}
    for form, mirror in mirrors.items():
        found = run("cifar100", tmp_path / form, test_fraction=None, mirror=mirror)
        assert found["images_per_class"] == {
            "train": dict.fromkeys(CLASSES, 5),
            "val": dict.fromkeys(CLASSES, 1),
            "test": dict.fromkeys(CLASSES, 2),
        }
        names = ("images.npy", "labels.npy", "splits.npy", "index.csv")
        kept[form] = [(tmp_path / form / name).read_bytes() for name in names]
    assert kept["archive"] == kept["zip"] == kept["folder"]
    read = store.read(tmp_path / "zip")
    assert read.names[0] == "test/apple/apple_s_000000" and read.classes == CLASSES
    truth = {f"{split}/{name}/{stem}": np.asarray(image) for split, name, stem, image in cifar_rows()}
    assert len(truth) == len(read.names) == 24
    assert all(np.array_equal(read.images[row], truth[name]) for row, name in enumerate(read.names))
    official = {form: store.read(tmp_path / form).provenance["files"][0]["official"] for form in mirrors}
    assert official == {"archive": True, "zip": False, "folder": False}


class Malicious:
    def __init__(self, call: Any, *arguments: Any):
        self.call, self.arguments = call, arguments

    def __reduce__(self) -> tuple[Any, Any]:
        return self.call, self.arguments


@pytest.mark.parametrize(
    "call",
    [(os.mkdir, "PWNED"), (eval, "__import__('os').mkdir('PWNED')"), (getattr, "text", "format")],
    ids=["os", "eval", "getattr"],
)
def test_a_pickle_that_would_run_something_is_refused(tmp_path, monkeypatch, call):
    monkeypatch.chdir(tmp_path)
    evil = pickle.dumps({"fine_label_names": Malicious(*call)})
    write_cifar_archive(tmp_path / "cifar-100-python.tar.gz", monkeypatch, meta=evil)
    with pytest.raises(PrunescopeError, match=r"is not CIFAR-100's archive .*refused to load (posix|nt|builtins)\."):
        run("cifar100", tmp_path / "out", test_fraction=None, mirror=tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["cifar-100-python.tar.gz"]


def test_arrays_pickled_by_python_2_are_read():
    # What Python 2 with numpy 1.x writes (protocol 2) for {"data": np.arange(3, dtype="u1")}, assembled by hand.
    text = b"}U\x04datacnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R(K\x01K\x03\x85"
    kind = b"cnumpy\ndtype\nU\x02u1K\x00K\x01\x87R(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
    python2 = b"\x80\x02" + text + kind + b"\x89U\x03\x00\x01\xfetbs."
    found = sources._Plain(io.BytesIO(python2), encoding="latin1").load()
    assert list(found) == ["data"] and found["data"].dtype == np.uint8 and found["data"].tolist() == [0, 1, 254]


def test_a_wrong_official_archive_is_refused(tmp_path):
    (tmp_path / "cifar-100-python.tar.gz").write_bytes(b"something else")
    with pytest.raises(PrunescopeError, match=r"has md5 \w+, wanted eb9058c3a382ffc7106e4002c42a8d85"):
        run("cifar100", tmp_path / "out", test_fraction=None, mirror=tmp_path)


@pytest.mark.parametrize("replaced", [{"meta": pickle.dumps({})}, {"train": b"no pickle"}, {"train": pickle.dumps([])}])
def test_an_archive_of_something_else_is_refused(tmp_path, monkeypatch, replaced):
    write_cifar_archive(tmp_path / "cifar-100-python.tar.gz", monkeypatch, **replaced)
    with pytest.raises(PrunescopeError, match="is not CIFAR-100's archive"):
        run("cifar100", tmp_path / "out", test_fraction=None, mirror=tmp_path)


def ham(columns: int = 7) -> tuple[dict[str, bytes], str]:
    """JPEGs and table of 24 lesions of two diagnoses, every fourth with three images."""
    header = ["lesion_id", "image_id", "dx", "dx_type", "age", "sex", "localization", "dataset"][:columns]
    lines, images = [",".join(header)], {}
    for lesion in range(24):
        for _ in range(3 if lesion % 4 == 0 else 1):
            name = f"ISIC_{len(images):07}"
            images[name + ".jpg"] = encoded(picture(len(images), (40, 32)), "JPEG")
            row = [f"HAM_{lesion:03}", name, "nv" if lesion < 16 else "mel", "histo", "", "male", "back", "vidir"]
            lines.append(",".join(row[:columns]))
    return images, "\n".join([lines[0], *reversed(lines[1:])]) + "\n"


def write_ham(folder: Path, images: dict[str, bytes], table: str) -> None:
    half = len(images) // 2
    write_zip(folder / "HAM10000_images_part_1.zip", dict(list(images.items())[:half]))
    write_zip(folder / "HAM10000_images_part_2.zip", dict(list(images.items())[half:]))
    (folder / "HAM10000_metadata.csv").write_text(table, encoding="utf-8")


def test_all_forms_of_ham_give_the_same_images_and_no_lesion_leaks(tmp_path):
    images, table = ham()
    write_ham(tmp_path / "zips" / "ham10000", images, table)
    write_ham(tmp_path / "bare", images, "\ufeff" + ham(columns=8)[1])
    twice = {f"{part}/{name}": data for part in ("HAM10000_images_part_1", "ham10000_images_part_1") for name, data in
             images.items()}  # fmt: skip
    write_tree(tmp_path / "files" / "ham10000", twice | {"HAM10000_metadata.csv": table.encode()})
    kept = []
    for mirror in ("zips", "bare", "files"):
        found = run("ham10000", tmp_path / f"out-{mirror}", mirror=tmp_path / mirror)
        assert (found["classes"], found["groups"], found["groups_in_two_splits"]) == (2, 24, 0)
        assert found["train_images"] + found["val_images"] + found["test_images"] == 36
        assert 0.3 < found["random_split_leak"] < 0.6
        kept.append([(tmp_path / f"out-{mirror}" / name).read_bytes() for name in ("images.npy", "index.csv")])
    assert kept[0] == kept[1] == kept[2]
    read = store.read(tmp_path / "out-zips")
    assert read.classes == ("mel", "nv") and read.names.tolist() == sorted(name[:-4] for name in images)
    assert [read.groups[0], read.groups[2], read.groups[3]] == ["HAM_000", "HAM_000", "HAM_001"]
    # 40 x 32 to 32 x 32: the centre is cut out and not resized
    first = Image.open(io.BytesIO(images["ISIC_0000000.jpg"])).convert("RGB").crop((4, 0, 36, 32))
    assert np.array_equal(read.images[0], np.asarray(first))
    assert [file["official"] for file in read.provenance["files"]] == [False] * 3


def broken_ham(images: dict[str, bytes], table: str) -> dict[str, tuple[dict[str, bytes], str, str]]:
    lines = table.splitlines(keepends=True)
    few = "".join(line if line[:7] in ("HAM_022", "HAM_023") else line.replace(",mel,", ",nv,") for line in lines)
    cut = {"ISIC_0000005.jpg": images["ISIC_0000005.jpg"][:300]}
    return {
        "no lesions": (images, table.replace("lesion_id", "lesion"), r"wanted also lesion_id"),
        "another delimiter": (images, table.replace(",", ";"), r"wanted also dx, image_id, lesion_id"),
        "unknown diagnosis": (images, table.replace(",mel,", ",MEL,", 1), r"dx 'MEL'; wanted"),
        "an image twice": (images, table + lines[1], r"line 38: found image 'ISIC_"),
        "an empty lesion": (images, table.replace("HAM_003", ""), r"lesion ''"),
        "more rows than images": (dict(list(images.items())[1:]), table, r"found 35 images and 36 rows .*ISIC_0000000"),
        "more images than rows": (images, "".join(lines[:-1]), r"found 36 images and 35 rows .*ISIC_0000000"),
        "a cut image": (images | cut, table, r"cannot read the image ISIC_0000005\.jpg in .*part_1\.zip"),
        "text for an image": (images | {"ISIC_0000005.jpg": b"hello"}, table, r"image ISIC_0000005\.jpg in .*identify"),
        "two lesions of a class": (images, few, r"class 'mel' has too few images to split: found 2 groups"),
    }


@pytest.mark.parametrize("case", broken_ham(*ham()))
def test_what_is_wrong_with_ham_is_named(tmp_path, case):
    images, table, message = broken_ham(*ham())[case]
    write_ham(tmp_path / "mirror", images, table)
    with pytest.raises(PrunescopeError, match=message):
        run("ham10000", tmp_path / "out", mirror=tmp_path / "mirror")
    assert [path.name for path in tmp_path.iterdir()] == ["mirror"]


@pytest.mark.parametrize(
    ("source", "fraction", "files"), [("cifar100", None, sources.CIFAR), ("ham10000", 0.2, sources.HAM)]
)
def test_without_files_and_network_all_wanted_files_are_named(tmp_path, monkeypatch, source, fraction, files):
    def offline(url: str, **_: Any) -> None:
        raise fetch.requests.ConnectionError("offline")

    monkeypatch.setattr(fetch.requests, "get", offline)
    monkeypatch.setattr(fetch.time, "sleep", lambda seconds: None)
    (tmp_path / "empty").mkdir()
    for mirror in (None, tmp_path / "empty"):
        with pytest.raises(PrunescopeError) as caught:
            run(source, tmp_path / "out", mirror=mirror, test_fraction=fraction)
        assert "PRUNESCOPE_MIRROR" in str(caught.value)
        assert [name for name in files if name not in str(caught.value)] == []
    with pytest.raises(PrunescopeError, match=r"PRUNESCOPE_MIRROR: found no folder"):
        run(source, tmp_path / "out", mirror=tmp_path / "none", test_fraction=fraction)


def class_tree(per_class: int = 8, form: str = "PNG") -> dict[str, bytes]:
    return {
        f"{name}/{number}.{form.lower()}": encoded(picture(10 * of + number, (48, 36)), form)
        for of, name in enumerate(CLASSES)
        for number in range(per_class)
    }


def test_own_class_folders(tmp_path):
    clutter = {".DS_Store": b"", "apple/.hidden": b"", "bear/Thumbs.db": b"", "__MACOSX/apple/0.png": b""}
    write_tree(tmp_path / "mine", class_tree() | clutter)
    found = run("folder", tmp_path / "out", path=str(tmp_path / "mine"), image_size=16)
    assert [found[f"{split}_images"] for split in store.SPLITS] == [12, 6, 6]
    read = store.read(tmp_path / "out")
    assert read.names.tolist() == sorted(class_tree()) and read.images.shape == (24, 16, 16, 3)
    assert read.labels.tolist() == [0] * 8 + [1] * 8 + [2] * 8
    assert str(tmp_path) not in (tmp_path / "out" / "store.json").read_text()


def test_own_folders_with_splits_are_kept(tmp_path):
    sizes = {"train": 4, "test": 6}
    tree = {f"{split}/{name}": data for split in sizes for name, data in class_tree(sizes[split]).items()}
    write_tree(tmp_path / "mine", tree)
    found = run("folder", tmp_path / "out", path=str(tmp_path / "mine"), test_fraction=None)
    assert [found[f"{split}_images"] for split in store.SPLITS] == [9, 3, 18]
    with pytest.raises(PrunescopeError, match="has an official test split"):
        run("folder", tmp_path / "again", path=str(tmp_path / "mine"), test_fraction=0.2)
    write_tree(tmp_path / "mine", {f"val/{name}": data for name, data in class_tree(2).items()})
    found = run("folder", tmp_path / "out", path=str(tmp_path / "mine"), test_fraction=None)
    assert [found[f"{split}_images"] for split in store.SPLITS] == [12, 6, 18]


BROKEN_FOLDERS: dict[str, tuple[dict[str, bytes], str]] = {
    "nothing in it": ({".keep": b""}, "found 0 images of 0 classes"),
    "one class": ({f"apple/{n}.png": encoded(picture(n), "PNG") for n in range(5)}, "found 5 images of 1 classes"),
    "an image beside the classes": (class_tree() | {"x.png": b""}, r"found 'x\.png' in"),
    "a folder in a class": (class_tree() | {"apple/more/x.png": b""}, r"found 'apple/more/x\.png' in"),
    "a line break in a name": (class_tree() | {"apple/a\nb.png": b""}, r"printable"),
    "text named as an image": (class_tree() | {"apple/x.png": b"hello"}, r"the image apple/x\.png in .*identify"),
    "an empty image": (class_tree() | {"bear/x.png": b""}, r"the image bear/x\.png in"),
    "a cut image": (class_tree() | {"bear/x.png": class_tree()["bear/0.png"][:80]}, r"the image bear/x\.png in"),
    "a program for an image": (
        class_tree() | {"bear/x.png": encoded(picture(0), "EPS")},
        r"the image bear/x\.png in .*identify",  # and not: cannot start Ghostscript
    ),
    "a rare class": (class_tree() | {"rare/x.png": class_tree()["bear/0.png"]}, r"class 'rare' has too few"),
}


@pytest.mark.parametrize("case", BROKEN_FOLDERS)
def test_what_is_wrong_with_a_folder_is_named(tmp_path, case):
    files, message = BROKEN_FOLDERS[case]
    write_tree(tmp_path / "mine", files)
    with pytest.raises(PrunescopeError, match=message):
        run("folder", tmp_path / "out", path=str(tmp_path / "mine"))
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


@pytest.mark.parametrize("member", ["../apple/0.png", "/train/apple/0.png", "train/../0.png"])
def test_a_zip_that_reaches_out_is_refused(tmp_path, member):
    write_zip(tmp_path / "cifar100.zip", cifar_tree() | {member: b""})
    with pytest.raises(PrunescopeError, match="wanted only images"):
        run("cifar100", tmp_path / "out", test_fraction=None, mirror=tmp_path)


def test_a_zip_with_wrong_bytes_names_archive_and_member(tmp_path):
    write_zip(tmp_path / "cifar100.zip", cifar_tree())
    data = bytearray((tmp_path / "cifar100.zip").read_bytes())
    data[data.index(b"WEBP") + 30] ^= 1
    (tmp_path / "cifar100.zip").write_bytes(data)
    with pytest.raises(PrunescopeError, match=r"image \w+/\w+/\w+\.webp in .*cifar100\.zip: Bad CRC-32"):
        run("cifar100", tmp_path / "out", test_fraction=None, mirror=tmp_path)


def test_the_number_of_workers_changes_no_byte(tmp_path, monkeypatch):
    monkeypatch.setattr(sources, "CHUNK", 3)
    write_tree(tmp_path / "mine", class_tree(form="JPEG"))
    kept = []
    for workers in (1, 2, 5):
        run("folder", tmp_path / f"{workers}", path=str(tmp_path / "mine"), workers=workers)
        kept.append({path.name: path.read_bytes() for path in (tmp_path / f"{workers}").iterdir()})
    assert kept[0] == kept[1] == kept[2] and len(kept[0]) == 5


def test_what_cannot_be_asked_is_said_first(tmp_path):
    for source, fraction, message in (
        ("digits", None, "this source has none"),
        ("ham10000", None, "this source has none"),
        ("cifar100", 0.2, "has an official test split"),
        ("mnist", 0.2, "found source 'mnist', wanted one of digits, cifar100, ham10000, folder"),
        ("folder", 0.2, 'source "folder" needs one'),
    ):
        with pytest.raises(PrunescopeError, match=message):
            run(source, tmp_path / "out", test_fraction=fraction)
    with pytest.raises(PrunescopeError, match="the others take none"):
        run("digits", tmp_path / "out", path="somewhere")
    with pytest.raises(PrunescopeError, match="found no folder"):
        run("folder", tmp_path / "out", path=str(tmp_path / "none"))
    assert list(tmp_path.iterdir()) == []


def test_right_sizes_are_untouched_and_others_cut_then_averaged():
    image = picture(1)
    assert np.array_equal(fit(image, 32), np.asarray(image))
    for size, smaller, box in (((60, 20), (30, 10), (10, 0, 20, 10)), ((20, 60), (10, 30), (0, 10, 10, 20))):
        whole = picture(2, size)
        assert np.array_equal(fit(whole, 10), np.asarray(whole.resize(smaller, Image.Resampling.BILINEAR).crop(box)))
    checkers = np.indices((64, 64)).sum(0) % 2 * 255  # without a filter as wide as the scale this would alias
    grey = fit(Image.fromarray(checkers.astype(np.uint8)), 8)
    assert np.abs(grey.astype(int) - 127).max() <= 2


def test_every_kind_of_image_becomes_rgb():
    red = np.full((4, 4, 3), (255, 0, 0), dtype=np.uint8)
    clear = Image.fromarray(np.dstack([red, np.repeat([[0, 255]], 4, axis=0).repeat(2, axis=1).astype(np.uint8)]))
    assert fit(clear, 4)[0].tolist() == [[255, 255, 255]] * 2 + [[255, 0, 0]] * 2  # transparent is white
    for mode in ("P", "CMYK", "L", "1", "LA"):
        assert fit(Image.fromarray(red).convert(mode), 4).shape == (4, 4, 3)
    assert fit(Image.fromarray(red).convert("P"), 4)[0, 0].tolist() == [255, 0, 0]
    deep = Image.open(io.BytesIO(encoded(Image.fromarray(np.full((4, 4), 0x8080, dtype=np.uint16)), "PNG")))
    assert (fit(deep, 4) == 0x80).all()
    with pytest.raises(ValueError, match="floating point"):
        fit(Image.fromarray(np.zeros((4, 4), dtype=np.float32)), 4)


def test_a_turned_photograph_is_set_upright():
    image = picture(3)
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 90 degrees clockwise
    turned = Image.open(io.BytesIO(encoded(image, "PNG", exif=exif)))
    assert np.array_equal(fit(turned, 32), np.rot90(np.asarray(image), -1))


def test_too_many_pixels_are_refused(monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    with pytest.raises(ValueError, match="32 x 32 pixels are too many"):
        fit(picture(0), 32)


def test_preparing_imports_neither_torch_nor_pandas_nor_sklearn():
    code = "import sys, prunescope.data.sources; print(sorted({'torch', 'pandas', 'sklearn'} & set(sys.modules)))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


@pytest.fixture(scope="module")
def mirror() -> Path:
    folder = os.environ.get("PRUNESCOPE_MIRROR")
    if not folder:
        pytest.skip("PRUNESCOPE_MIRROR is not set: no real datasets here")
    return Path(folder)


@pytest.mark.mirror
def test_the_real_ham10000(tmp_path, mirror):
    found = run("ham10000", tmp_path / "a", mirror=mirror, val_fraction=0.1, test_fraction=0.2)
    read = store.read(tmp_path / "a")
    assert (len(read.names), found["groups"], found["groups_in_two_splits"]) == (10015, 7470, 0)
    counts = dict(zip(read.classes, np.bincount(read.labels).tolist(), strict=True))
    assert counts == {"nv": 6705, "mel": 1113, "bkl": 1099, "bcc": 514, "akiec": 327, "vasc": 142, "df": 115}
    _, images = np.unique(read.groups, return_counts=True)
    assert (images > 1).sum() == 1956 and images.max() == 6
    splits = [set(read.groups[read.indices(split)].tolist()) for split in store.SPLITS]
    assert [len(a & b) for a, b in ((splits[0], splits[1]), (splits[0], splits[2]), (splits[1], splits[2]))] == [
        0,
        0,
        0,
    ]
    assert found["random_split_leak"] == pytest.approx(0.386, abs=0.002)
    for name, images_of_class in counts.items():
        for split, share in (("train", 0.7), ("val", 0.1), ("test", 0.2)):
            assert abs(found["images_per_class"][split][name] - share * images_of_class) <= 6


@pytest.mark.mirror
def test_the_real_cifar100(tmp_path, mirror):
    found = run("cifar100", tmp_path / "a", mirror=mirror, val_fraction=0.1, test_fraction=None)
    read = store.read(tmp_path / "a")
    assert read.images.shape == (60000, 32, 32, 3) and len(read.classes) == 100 and read.classes[0] == "apple"
    for split, images in (("train", 450), ("val", 50), ("test", 100)):
        assert set(found["images_per_class"][split].values()) == {images}
    assert sum(name.startswith("train/") for name in read.names) == 50000
    # CIFAR-100's published channel means of the 50,000 training images, of which 45,000 are used here
    assert read.mean == pytest.approx((0.5071, 0.4865, 0.4409), abs=0.002)
    assert read.std == pytest.approx((0.2673, 0.2564, 0.2762), abs=0.002)
    about = json.loads((tmp_path / "a" / "store.json").read_text())
    assert about["provenance"]["licence"] == "none stated"
