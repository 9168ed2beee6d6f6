"""Files appear whole or not at all."""

import csv
import json
import os
from pathlib import Path

import pytest

from prunescope.errors import PrunescopeError
from prunescope.files import replacing, write_bytes, write_csv, write_json, write_text


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_what_is_written_is_there_and_nothing_else(tmp_path) -> None:
    write_bytes(tmp_path / "new" / "folder" / "a.bin", b"\x00\xff\r\n")
    assert (tmp_path / "new" / "folder" / "a.bin").read_bytes() == b"\x00\xff\r\n"
    write_text(tmp_path / "new" / "folder" / "b.txt", "ü\n")
    assert (tmp_path / "new" / "folder" / "b.txt").read_bytes() == b"\xc3\xbc\n"
    assert names(tmp_path / "new" / "folder") == ["a.bin", "b.txt"]


@pytest.mark.parametrize("error, seen", [(ValueError, ValueError), (KeyboardInterrupt,) * 2, (OSError, PrunescopeError)])
def test_a_write_that_fails_leaves_the_old_file_and_no_other(tmp_path, error, seen) -> None:
    write_text(tmp_path / "a.txt", "old")
    with pytest.raises(seen), replacing(tmp_path / "a.txt") as temporary:
        assert temporary.parent == tmp_path, "a rename is only whole within one file system"
        temporary.write_text("half")
        raise error
    assert names(tmp_path) == ["a.txt"] and (tmp_path / "a.txt").read_text() == "old"
    with pytest.raises(seen), replacing(tmp_path / "b.txt") as temporary:
        temporary.write_text("half")
        raise error
    assert names(tmp_path) == ["a.txt"]


def test_the_content_is_on_the_disk_before_the_name(tmp_path, monkeypatch) -> None:
    events = []
    sync = os.fsync
    monkeypatch.setattr(os, "fsync", lambda number: (events.append(os.fstat(number).st_size), sync(number))[1])
    with replacing(tmp_path / "a.txt") as temporary:
        temporary.write_text("12345")
        assert not (tmp_path / "a.txt").exists()
    assert events == [5]
    assert (tmp_path / "a.txt").read_text() == "12345"


def test_a_full_disk_keeps_the_old_file(tmp_path, monkeypatch) -> None:
    def full(number: int) -> None:
        raise OSError(28, "No space left on device")

    write_text(tmp_path / "a.txt", "old")
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(PrunescopeError, match=r"cannot write .*a\.txt: No space left"):
        write_text(tmp_path / "a.txt", "new")
    assert names(tmp_path) == ["a.txt"] and (tmp_path / "a.txt").read_text() == "old"


def test_json_is_read_back_and_has_no_nan(tmp_path) -> None:
    content = {"accuracy": 0.1 + 0.2, "auc": None, "classes": {"a": 1}}
    write_json(tmp_path / "a.json", content)
    text = (tmp_path / "a.json").read_text()
    assert json.loads(text) == content and text.endswith("}\n")
    for bad in (float("nan"), float("inf")):
        with pytest.raises(ValueError):
            write_json(tmp_path / "a.json", {"accuracy": bad})
    assert (tmp_path / "a.json").read_text() == text


def test_csv_keeps_floats_exactly_and_empty_cells(tmp_path) -> None:
    rows = [["a, b", 0.1 + 0.2, None], ['"', 1e-300, 3]]
    write_csv(tmp_path / "a.csv", ["name", "x", "y"], iter(rows))
    data = (tmp_path / "a.csv").read_bytes()
    assert b"\r" not in data
    header, *found = csv.reader(data.decode().splitlines())
    assert header == ["name", "x", "y"]
    assert [(name, float(x), y) for name, x, y in found] == [("a, b", 0.1 + 0.2, ""), ('"', 1e-300, "3")]
