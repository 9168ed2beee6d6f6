"""A study pushed to a remote: who clones the repository pulls all of it, and nothing runs again."""

import subprocess

from clone import ALL, Clone


def test_a_fresh_clone_pulls_all_and_runs_nothing(tmp_path):
    clone = Clone(tmp_path)
    assert clone.executed("dvc", "repro") == ALL
    clone.run("dvc", "remote", "add", "-d", "shelf", str(tmp_path / "shelf"))
    clone.commit()
    clone.run("dvc", "push")
    there = clone.folder
    clone.folder = tmp_path / "fresh"
    subprocess.run(["git", "clone", "-q", there, clone.folder], check=True)
    clone.run("dvc", "pull")  # asserts exit code 0
    assert clone.executed("dvc", "repro") == {}
    for made in ("prepared", "checkpoints", "metrics", "report"):
        found = sorted(path.relative_to(there) for path in (there / made).rglob("*") if path.is_file())
        assert found and found == sorted(
            path.relative_to(clone.folder) for path in (clone.folder / made).rglob("*") if path.is_file()
        )
