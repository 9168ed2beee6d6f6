"""The prepared store: what is written is read, the same input gives the same bytes, nothing half-written is trusted."""

import errno
import json
import os
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from prunescope.data import store
from prunescope.errors import PrunescopeError


def parts(**changes: Any) -> dict[str, Any]:
    """A store of 12 images of two classes, each its own group, 4 pixels wide."""
    generator = np.random.default_rng(5)
    return {
        "images": generator.integers(0, 256, (12, 4, 4, 3), dtype=np.uint8),
        "labels": np.tile([0, 1], 6),
        "splits": np.repeat([0, 1, 2], [6, 2, 4]),
        "names": [f'image "{row}",\n' for row in range(12)],
        "groups": [f"group-{row}" for row in range(12)],
        "classes": ["cat", "dog"],
        "source": "test",
        "image_size": 4,
        "provenance": {"files": [], "licence": "none"},
    } | changes


def content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_what_is_written_is_read(tmp_path):
    given = parts()
    store.write(tmp_path / "a", **given)
    found = store.read(tmp_path / "a")
    assert isinstance(found.images, np.memmap) and np.array_equal(found.images, given["images"])
    assert found.labels.dtype == np.int64 and found.labels.tolist() == given["labels"].tolist()
    assert found.splits.dtype == np.uint8 and found.splits.tolist() == given["splits"].tolist()
    assert found.names.tolist() == given["names"] and found.groups.tolist() == given["groups"]
    assert (found.classes, found.image_size) == (("cat", "dog"), 4)
    assert found.provenance == given["provenance"] and found.columns == {}
    rows = {split: found.indices(split) for split in store.SPLITS}
    assert {split: row.tolist() for split, row in rows.items()} == {
        "train": [0, 1, 2, 3, 4, 5],
        "val": [6, 7],
        "test": [8, 9, 10, 11],
    }
    assert rows["val"].dtype == np.int64
    with pytest.raises(PrunescopeError, match="found split 'valid', wanted one of train, val, test"):
        found.indices("valid")


def test_further_columns_are_kept_under_any_name(tmp_path):
    """Also those called like a column of the index, or with all that CSV needs quotes for."""
    given = {"age, in years": [f"{row}\n" for row in range(12)], "name": ["", '"'] * 6, "group": ["ä"] * 12}
    store.write(tmp_path / "a", **parts(columns=given))
    found = store.read(tmp_path / "a")
    assert {name: cells.tolist() for name, cells in found.columns.items()} == given
    assert found.names.tolist() == parts()["names"] and found.groups.tolist() == parts()["groups"]
    store.write(tmp_path / "without", **parts())
    others = [{name: data for name, data in content(tmp_path / of).items() if name != "index.csv"} for of in ("a", "without")]
    assert others[0] == others[1], "what training reads stays the same"


def test_same_input_same_bytes_however_it_is_filled(tmp_path):
    given = parts()

    def fill(put: store.Put) -> dict[str, Any]:
        for row in reversed(range(0, 12, 2)):
            put(row, given["images"][row : row + 2])
        return {"files": []}

    store.write(tmp_path / "a", **given)
    store.write(tmp_path / "elsewhere" / "b", **parts(images=fill, provenance={"files": ["later"], "licence": "none"}))
    assert content(tmp_path / "a") == content(tmp_path / "elsewhere" / "b")
    assert sorted(content(tmp_path / "a")) == ["images.npy", "index.csv", "labels.npy", "splits.npy", "store.json"]


def test_statistics_by_hand_and_by_numpy(tmp_path, monkeypatch):
    images = np.zeros((3, 1, 2, 3), dtype=np.uint8)
    images[0, 0, :, 0] = [0, 255]  # the row that is left out must not count
    images[1:, 0, :, 0] = [[51, 102], [51, 102]]
    images[1:, 0, :, 1] = 255
    np.save(tmp_path / "few.npy", images)
    mean, std = store.channel_statistics(tmp_path / "few.npy", np.array([1, 2]))
    assert mean == pytest.approx((0.3, 1.0, 0.0)) and std == pytest.approx((0.1, 1 / 255, 1 / 255))
    many = np.random.default_rng(0).integers(0, 256, (50, 5, 5, 3), dtype=np.uint8)
    np.save(tmp_path / "many.npy", many)
    rows = np.arange(0, 50, 2)
    found = store.channel_statistics(tmp_path / "many.npy", rows)
    pixels = many[rows].reshape(-1, 3) / 255
    assert found[0] == pytest.approx(pixels.mean(0)) and found[1] == pytest.approx(pixels.std(0))
    monkeypatch.setattr(store, "BLOCK", 1)
    assert store.channel_statistics(tmp_path / "many.npy", rows[::-1]) == found  # to the last digit


def test_statistics_are_of_train_alone(tmp_path):
    given = parts()
    store.write(tmp_path / "a", **given)
    given["images"][6:] = 0
    store.write(tmp_path / "b", **given)
    assert store.read(tmp_path / "a").mean == store.read(tmp_path / "b").mean
    assert store.read(tmp_path / "a").mean == pytest.approx(given["images"][:6].reshape(-1, 3).mean(0) / 255)


@pytest.mark.parametrize("error", [PrunescopeError("no image"), KeyboardInterrupt()])
def test_a_failed_write_leaves_the_old_store_and_nothing_else(tmp_path, error):
    store.write(tmp_path / "a", **parts())
    before = content(tmp_path / "a")

    def fail(put: store.Put) -> None:
        put(0, np.ones((1, 4, 4, 3), dtype=np.uint8))
        raise error

    for name in ("a", "new"):
        with pytest.raises(type(error)):
            store.write(tmp_path / name, **parts(images=fail))
    assert content(tmp_path / "a") == before
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_a_store_is_replaced_as_a_whole(tmp_path):
    store.write(tmp_path / "a", **parts())
    (tmp_path / "a" / "left.txt").write_text("from before")
    store.write(tmp_path / "a", **parts(classes=["hen", "cow"]))
    assert store.read(tmp_path / "a").classes == ("hen", "cow")
    assert "left.txt" not in content(tmp_path / "a") and [path.name for path in tmp_path.iterdir()] == ["a"]


def test_what_killed_runs_left_is_removed_and_what_runs_is_not(tmp_path):
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    for process in (ended.pid, os.getppid()):
        (tmp_path / f".a.{process}.part").mkdir()
    store.write(tmp_path / "a", **parts())
    assert sorted(path.name for path in tmp_path.iterdir()) == [f".a.{os.getppid()}.part", "a"]


@pytest.mark.skipif(not hasattr(os, "posix_fallocate"), reason="this system cannot reserve disk space")
def test_a_full_disk_is_said_before_anything_is_decoded(tmp_path, monkeypatch):
    def full(*_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(PrunescopeError, match=r"could not write .*No space left"):
        store.write(tmp_path / "a", **parts(images=lambda put: pytest.fail("decoded")))
    assert list(tmp_path.iterdir()) == []


WRONG_PARTS = {
    "as many of each": {"names": ["one"]},
    "two or more, each once": {"classes": ["cat", "cat"]},
    "each of the 3 classes": {"classes": ["cat", "dog", "hen"]},
    "found split codes": {"splits": np.repeat([0, 1, 3], [6, 2, 4])},
    "found no images in val of 'cat', 'dog'": {"splits": np.repeat([0, 2], [6, 6])},
    "in two splits": {"groups": ["one"] * 12},
    "wanted (12, 4, 4, 3) uint8": {"images": np.zeros((12, 4, 4, 3))},
}


@pytest.mark.parametrize("message", WRONG_PARTS)
def test_parts_that_do_not_fit_are_refused(tmp_path, message):
    with pytest.raises(PrunescopeError) as caught:
        store.write(tmp_path / "a", **parts(**WRONG_PARTS[message]))
    assert message in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def resave(name: str, array: np.ndarray):
    return lambda folder: np.save(folder / name, array)


def edit(key: str, value: Any):
    def change(folder: Path) -> None:
        about = json.loads((folder / "store.json").read_text())
        (folder / "store.json").write_text(json.dumps(about | {key: value}))

    return change


def cut(name: str):
    return lambda folder: (folder / name).write_bytes((folder / name).read_bytes()[:-20])


def one_group(folder: Path) -> None:
    (folder / "index.csv").write_text("name,group\n" + "a,one\n" * 12)


BROKEN = {
    **{f"without {name}": lambda folder, name=name: (folder / name).unlink() for name in sorted(
        ["images.npy", "labels.npy", "splits.npy", "index.csv", "store.json"]
    )},
    **{f"cut {name}": cut(name) for name in ("images.npy", "labels.npy", "index.csv", "store.json")},
    "another format": edit("format", "prunescope store 0"),
    "no classes": edit("classes", []),
    "another size": edit("image_size", 8),
    "mean of two": edit("mean", [0.5, 0.5]),
    "labels beyond the classes": resave("labels.npy", np.tile([0, 2], 6)),
    "labels that are fractions": resave("labels.npy", np.tile([0.0, 1.0], 6)),
    "fewer labels": resave("labels.npy", np.tile([0, 1], 5)),
    "split code 3": resave("splits.npy", np.repeat([0, 1, 3], [6, 2, 4]).astype(np.uint8)),
    "an empty split": resave("splits.npy", np.repeat([0, 2], [6, 6]).astype(np.uint8)),
    "images that are fractions": resave("images.npy", np.zeros((12, 4, 4, 3))),
    "pickled labels": lambda folder: (folder / "labels.npy").write_bytes(pickle.dumps([0, 1] * 6)),
    "a lesion in two splits": one_group,
}  # fmt: skip


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_store_is_refused(tmp_path, case):
    store.write(tmp_path / "a", **parts())
    store.read(tmp_path / "a")
    BROKEN[case](tmp_path / "a")
    with pytest.raises(PrunescopeError):
        store.read(tmp_path / "a")


def test_no_store_says_what_to_do(tmp_path):
    with pytest.raises(PrunescopeError, match=r"is not a whole prepared store .*Prepare the data again"):
        store.read(tmp_path / "nothing")
