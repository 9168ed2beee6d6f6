"""What lies in folders and zips, their checksums, and the progress that is shown."""

import contextlib
import hashlib
import io
import sys
import zipfile

import pytest

from prunescope.errors import PrunescopeError
from prunescope.sources.archives import members
from prunescope.sources.bar import progress
from prunescope.sources.checksums import Official, digests, record, record_all


@pytest.mark.parametrize("terminal", [False, True])
def test_progress_is_a_bar_on_a_terminal_and_ten_lines_elsewhere(monkeypatch, terminal):
    class Screen(io.StringIO):
        def isatty(self) -> bool:
            return terminal

    screen = Screen()
    monkeypatch.setattr(sys, "stderr", screen)
    with progress("cats", 1000, "images") as advance:
        for _ in range(1000):
            advance(1)
    lines = screen.getvalue().splitlines()
    if terminal:
        assert "cats: 100%" in screen.getvalue() and "\r" in screen.getvalue()
    else:
        assert len(lines) == 10 and lines[-1] == "cats: 1,000 of 1,000 images (100 %)"


def test_digests_and_records(tmp_path):
    (tmp_path / "abc").write_bytes(b"abc")
    # RFC 1321 and FIPS 180-2
    sha256 = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert digests(tmp_path / "abc") == (3, "900150983cd24fb0d6963f7d28e17f72", sha256)
    about = {"name": "abc", "bytes": 3, "sha256": sha256}
    assert record(tmp_path / "abc") == about | {"official": False}
    official = {md5: Official("https://abc", 3, md5) for md5 in ("900150983cd24fb0d6963f7d28e17f72", "0" * 32)}
    found = [record(tmp_path / "abc", of) for of in official.values()]
    assert found == [about | {"official": True, "address": "https://abc"}, about | {"official": False}]
    empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    several = record_all("two", [("b", 0, empty), ("a", 3, sha256)])
    listed = hashlib.sha256(f"{sha256}  a\n{empty}  b\n".encode()).hexdigest()
    assert several == {"name": "two", "files": 2, "bytes": 3, "sha256": listed, "official": False}


def test_members_of_a_folder_and_of_a_zip_read_alike(tmp_path):
    (tmp_path / "tree" / "sub").mkdir(parents=True)
    (tmp_path / "tree" / "a.txt").write_bytes(b"1")
    (tmp_path / "tree" / "sub" / "b.txt").write_bytes(b"2")
    with zipfile.ZipFile(tmp_path / "tree.zip", "w") as archive:
        archive.mkdir("sub")
        archive.writestr("a.txt", b"1")
        archive.writestr("sub/b.txt", b"2")
    with contextlib.ExitStack() as stack:
        for path in (tmp_path / "tree", tmp_path / "tree.zip"):
            found = {name: content() for name, content in members(path, stack).items()}
            assert found == {"a.txt": b"1", "sub/b.txt": b"2"}
        (tmp_path / "no.zip").write_bytes(b"PK but not really")
        with pytest.raises(PrunescopeError, match=r"no\.zip is not a whole zip archive"):
            members(tmp_path / "no.zip", stack)
