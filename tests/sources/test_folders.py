"""The user's own images: class folders, a zip of them, a table."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from source_fakes import CLASSES, class_tree, encoded, picture, run, write_tree, write_zip

from prunescope.data import store
from prunescope.errors import PrunescopeError


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
    with pytest.raises(PrunescopeError, match="has a test split"):
        run("folder", tmp_path / "again", path=str(tmp_path / "mine"), test_fraction=0.2)
    write_tree(tmp_path / "mine", {f"val/{name}": data for name, data in class_tree(2).items()})
    found = run("folder", tmp_path / "out", path=str(tmp_path / "mine"), test_fraction=None)
    assert [found[f"{split}_images"] for split in store.SPLITS] == [12, 6, 18]


def content(folder: Path) -> list[bytes]:
    return [(folder / name).read_bytes() for name in ("images.npy", "labels.npy", "splits.npy", "index.csv")]


def test_folder_zip_links_and_table_give_the_same_store(tmp_path):
    write_tree(tmp_path / "mine", class_tree())
    write_zip(tmp_path / "plain.zip", class_tree())
    write_zip(tmp_path / "around.ZIP", {f"my images/2026/{name}": data for name, data in class_tree().items()})
    write_zip(tmp_path / "windows.zip", {name.replace("/", "\\"): data for name, data in class_tree().items()})
    (tmp_path / "linked").mkdir()
    for name in CLASSES:
        (tmp_path / "linked" / name).symlink_to(tmp_path / "mine" / name)
    rows = [f"{name},{name.split('/')[0]},any" for name in reversed(list(class_tree()))]
    (tmp_path / "mine" / "table.csv").write_text("\ufefffile,label,age\r\n" + "\r\n".join(rows) + "\r\n\r\n", encoding="utf-8")
    ways = ("plain.zip", "around.ZIP", "windows.zip", "linked", "mine/table.csv")
    for number, way in enumerate(ways):
        run("folder", tmp_path / f"{number}", path=str(tmp_path / way))
    (tmp_path / "mine" / "table.csv").unlink()
    run("folder", tmp_path / "folder", path=str(tmp_path / "mine"))
    index = tmp_path / "4" / "index.csv"
    assert set(store.read(tmp_path / "4").columns["age"]) == {"any"}
    index.write_text(index.read_text().replace("group,age", "group").replace(",any\n", "\n"))
    assert all(content(tmp_path / f"{number}") == content(tmp_path / "folder") for number in range(len(ways)))
    files = store.read(tmp_path / "4").provenance["files"]
    assert [(file["name"], file.get("files")) for file in files] == [("table.csv", None), ("images of the table", 24)]


def test_further_columns_of_a_table_are_kept(tmp_path):
    write_tree(tmp_path / "mine", class_tree())
    table, names = tmp_path / "mine" / "table.csv", list(class_tree())
    rows = "".join(f'{name},{name[:4]},p{n},{n},,"two\nlines\u200b"\n' for n, name in enumerate(names))
    table.write_text("file,label,group,age,,Name of clinic\n" + rows, encoding="utf-8")
    found = run("folder", tmp_path / "out", path=str(table))
    read = store.read(tmp_path / "out")
    assert found["columns"] == {"age": 24, "Name of clinic": 1} and list(read.columns) == ["age", "Name of clinic"]
    assert [f"p{age}" for age in read.columns["age"]] == read.groups.tolist()
    assert set(read.columns["Name of clinic"]) == {"two lines"}


def test_groups_and_splits_of_a_table_are_honoured(tmp_path, capsys):
    write_tree(tmp_path / "mine", class_tree(12))
    table = tmp_path / "mine" / "table.csv"
    names = [name for name in class_tree(12) if not name.endswith("/11.png")]
    table.write_text("file,label,group\n" + "".join(f"{n},{n.split('/')[0]},p{int(n[-5]) // 2}{n[:5]}\n" for n in names))
    found = run("folder", tmp_path / "a", path=str(table))
    assert (found["groups"], found["groups_in_two_splits"]) == (15, 0) and found["random_split_leak"] > 0.3
    assert "3 images beside" in capsys.readouterr().err
    splits = ["train"] * 6 + ["val"] * 2 + ["test"] * 3
    table.write_text("file,label,split\n" + "".join(f"{n},{n[:4]},{splits[i % 11]}\n" for i, n in enumerate(names)))
    found = run("folder", tmp_path / "b", path=str(table), test_fraction=None)
    assert [found[f"{split}_images"] for split in store.SPLITS] == [18, 6, 9]
    assert [name.split("/")[1] for name in store.read(tmp_path / "b").names[store.read(tmp_path / "b").indices("val")]] == (
        ["6.png", "7.png"] * 3
    )


def test_what_is_unusual_is_converted_and_counted(tmp_path, capsys):
    exif = Image.Exif()
    exif[0x0112] = 3
    plain = picture(1)
    unusual = {
        "apple/grey.png": encoded(plain.convert("L"), "PNG"),
        "apple/one-bit.png": encoded(plain.convert("1"), "PNG"),
        "apple/palette.gif": encoded(plain.convert("P"), "GIF"),
        "bear/alpha.png": encoded(plain.convert("RGBA"), "PNG"),
        "bear/cmyk.jpg": encoded(plain.convert("CMYK"), "JPEG"),
        "bear/deep.png": encoded(Image.fromarray(np.full((4, 4), 0x8080, dtype=np.uint16)), "PNG"),
        "cloud/turned.jpg": encoded(plain, "JPEG", exif=exif),
        "cloud/plain.JPEG": encoded(plain, "JPEG"),
    }
    write_tree(tmp_path / "mine", class_tree() | unusual)
    found = run("folder", tmp_path / "out", path=str(tmp_path / "mine"))
    wanted = {"16 bit": 1, "CMYK": 1, "grayscale": 3, "palette": 1, "transparency": 1, "turned by EXIF": 1}
    assert found["converted_images"] == wanted
    assert "converted to upright RGB of 8 bits: 1 16 bit, 1 CMYK, 3 grayscale, 1 palette" in capsys.readouterr().err


def test_equal_pixels_in_two_splits_or_classes_are_counted(tmp_path, capsys):
    tree = {f"{split}/{name}": data for split in ("train", "val", "test") for name, data in class_tree(4).items()}
    tree = {name: encoded(picture(number), "PNG") for number, name in enumerate(tree)}
    pairs = {
        "test/apple/0.png": "train/apple/0.png",
        "test/apple/1.png": "test/apple/2.png",
        "val/bear/1.png": "train/cloud/1.png",
    }
    write_tree(tmp_path / "mine", tree | {copy: encoded(picture(list(tree).index(of)), "BMP") for copy, of in pairs.items()})
    found = run("folder", tmp_path / "out", path=str(tmp_path / "mine"), test_fraction=None)
    names = ("duplicate_images", "duplicates_across_splits", "duplicates_across_classes")
    assert [found[name] for name in names] == [3, 2, 2]
    said = capsys.readouterr().err
    assert "2 images of val and test have the same pixels as one of another split" in said
    assert "2 images have the same pixels as one of another class" in said
