"""The user's own class folders: what is read from them, and what is wrong with them."""

import pytest
from source_fakes import class_tree, encoded, picture, run, write_tree

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
