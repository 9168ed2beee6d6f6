"""A remembered hash is the one that DVC computes, whatever happened to the files in between."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from dvc.output import Output
from dvc.repo import Repo
from dvc.stage import PipelineStage, create_stage

from prunescope.runner import hashes


def rewritten(folder: Path) -> None:
    """As many bytes, with the time of the old ones."""
    found = (folder / "a").stat()
    (folder / "a").write_text("2")
    os.utime(folder / "a", ns=(found.st_atime_ns, found.st_mtime_ns + 1_000_000))


CHANGES: dict[str, Callable[[Path], object]] = {
    "rewritten": rewritten,
    "grown": lambda folder: (folder / "a").write_text("12"),
    "replaced": lambda folder: (folder / "new").rename(folder / "a"),
    "added": lambda folder: (folder / "inner" / "c").write_text("3"),
    "removed": lambda folder: (folder / "inner" / "b").unlink(),
    "renamed": lambda folder: (folder / "inner").rename(folder / "outer"),
    "a link": lambda folder: (folder / "outer" / "d").symlink_to(folder / "a"),
    "behind a link": lambda folder: (folder / "a").write_text("123"),
}


@pytest.fixture
def outs(tmp_path, monkeypatch):
    """(folder, file) as DVC's outputs."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "room" / "inner").mkdir(parents=True)
    for name in ("a", "new", "inner/b"):
        (tmp_path / "room" / name).write_text(name[-1])
    with Repo.init(no_scm=True) as repo:
        given = {"repo": repo, "path": "dvc.yaml", "wdir": str(tmp_path), "cmd": "x"}
        yield [create_stage(PipelineStage, **given, outs=[name]).outs[0] for name in ("room", "room/a")]


def test_no_change_is_missed(outs, tmp_path):
    asked = []
    real = Output.get_hash
    remembered = hashes.once(lambda out: asked.append(out) or real(out))
    for name, change in {"nothing": lambda folder: None, **CHANGES}.items():
        change(tmp_path / "room")
        assert [remembered(out) for out in outs] == [real(out) for out in outs], name


def test_dvc_is_asked_once_for_each_version(outs, tmp_path):
    asked = []
    remembered = hashes.once(lambda out: asked.append(Path(out.fs_path).name) or len(asked))
    for _ in range(3):
        assert [remembered(out) for out in outs] == [1, 2]
    (tmp_path / "room" / "inner" / "c").touch()
    assert [remembered(out) for out in outs] == [3, 2] and asked == ["room", "a", "room"]
    (tmp_path / "room" / "a").unlink()
    (tmp_path / "room" / "a").symlink_to(tmp_path / "room" / "new")
    assert [remembered(out) for out in outs + outs] == [4, 5, 6, 7], "links are DVC's"
