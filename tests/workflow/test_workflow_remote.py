"""A study pushed to a remote by the commands of docs/machines.md: a clone pulls all of it, and nothing runs again."""

import subprocess

import pytest

from clone import ALL, Clone
from pages import COMMANDS

TYPED = [command for page, command in COMMANDS if page == "docs/machines.md" and command.startswith("dvc ")]


def test_a_fresh_clone_pulls_all_and_runs_nothing(tmp_path):
    clone = Clone(tmp_path)
    (clone.folder / "weights" / "mine.pth").write_bytes(b"weights")
    counts = [clone.executed(*command.replace("/path/to/a/folder", str(tmp_path / "shelf")).split()) for command in TYPED]
    assert counts == [{}, ALL, {}, {}], "add, repro, remote add, push"
    clone.commit()
    there = clone.folder
    clone.folder = tmp_path / "fresh"
    subprocess.run(["git", "clone", "-q", there, clone.folder], check=True)
    clone.run("dvc", "pull")  # asserts exit code 0
    assert clone.executed("dvc", "repro") == {}
    for made in ("prepared", "checkpoints", "metrics", "report", "weights"):
        found = sorted(path.relative_to(there) for path in (there / made).rglob("*") if path.is_file())
        assert found and found == sorted(
            path.relative_to(clone.folder) for path in (clone.folder / made).rglob("*") if path.is_file()
        )


@pytest.mark.slow
def test_what_a_colleague_has_tried_is_restored_from_the_shared_run_cache(tmp_path):
    clone = Clone(tmp_path)
    clone.run("dvc", "remote", "add", "-d", "shelf", str(tmp_path / "shelf"))
    clone.executed("dvc", "repro")
    clone.run("dvc", "push")
    clone.commit()
    tried = ("dvc", "exp", "run", "--pull", "-S", "sparsity=0.5")
    assert clone.executed(*tried).keys() >= {"prune-iterative", "finetune", "evaluate"}
    clone.run("dvc", "push", "--run-cache")
    there = clone.folder
    clone.folder = tmp_path / "fresh"
    subprocess.run(["git", "clone", "-q", there, clone.folder], check=True)
    clone.run("dvc", "pull", "--run-cache")
    assert clone.executed(*tried) == {"selected": 1}, "whose output is in git, not in the cache"
