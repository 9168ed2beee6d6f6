"""A saved state of other settings is kept, and what differs is said."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from test_resume import Killed, training

from prunescope.training.resume import Resume, differences, parts


def saved(tmp_path: Path, steps: int, **made_of: str) -> Resume:
    """A stage that was stopped after so many steps; who took up a state goes on from it."""
    resume = Resume("a", made_of, every=60, folder=tmp_path)
    found = resume.load()
    resume.save({"x": torch.full((2,), float(steps))}, {"steps": steps, "before": found and found[1]["steps"]})
    resume._lock.release()
    return resume


def taken_up(tmp_path: Path, **made_of: str) -> int | None:
    resume = Resume("a", made_of, every=60, folder=tmp_path)
    found = resume.load()
    resume._lock.release()
    if found is None:
        return None
    assert found[0]["x"].tolist() == [found[1]["steps"]] * 2
    return found[1]["steps"]


def test_a_state_of_other_parts_is_not_used_but_kept_and_the_difference_is_said(tmp_path, capsys) -> None:
    saved(tmp_path, 1200, threads="2", store="a" * 64)
    assert taken_up(tmp_path, threads="2", store="a" * 64) == 1200
    assert capsys.readouterr().err == ""
    assert taken_up(tmp_path, threads="1", store="b" * 64) is None
    said = capsys.readouterr().err
    assert "found a state saved after 1,200 steps with threads 2 (now 1), another store; training starts anew" in said
    assert f"kept as {tmp_path / 'a.safetensors.before'} until this stage ends" in said
    saved(tmp_path, 30, threads="1", store="b" * 64)
    assert taken_up(tmp_path, threads="2", store="a" * 64) == 1200, "back to the earlier settings"
    assert taken_up(tmp_path, threads="1", store="b" * 64) == 30, "and forth"


def test_killed_between_any_two_renames_both_states_are_found_again(tmp_path, monkeypatch) -> None:
    saved(tmp_path, 1200, threads="2")
    saved(tmp_path, 30, threads="1")
    assert taken_up(tmp_path, threads="1") == 30
    rename, done = Path.replace, []

    def killed(self: Path, target: Path) -> Path:
        if self.suffix != ".part" and len(done) == survives:
            raise Killed
        done.extend([target] if self.suffix != ".part" else [])
        return rename(self, target)

    for survives in (0, 1, 2):
        done.clear()
        with monkeypatch.context() as patch:
            patch.setattr(Path, "replace", killed)
            resume = Resume("a", {"threads": "2"}, every=60, folder=tmp_path)
            with pytest.raises(Killed):
                resume.load()
            resume._lock.release()
        assert taken_up(tmp_path, threads="1") == 30, survives
        assert taken_up(tmp_path, threads="2") == 1200, survives
        assert taken_up(tmp_path, threads="1") == 30


def test_the_older_state_of_one_stage_is_not_the_state_of_another(tmp_path) -> None:
    saved(tmp_path, 1200, threads="2")
    saved(tmp_path, 30, threads="1")
    other = Resume("a.before", {"threads": "2"}, every=60, folder=tmp_path)
    assert other.load() is None, "a method may be called so"
    other.finish()
    assert taken_up(tmp_path, threads="2") == 1200


def test_of_two_older_states_the_longer_is_kept(tmp_path) -> None:
    saved(tmp_path, 1200, threads="1")
    saved(tmp_path, 30, threads="2")
    assert taken_up(tmp_path, threads="3") is None
    assert taken_up(tmp_path, threads="2") is None, "it was the shorter one"
    assert taken_up(tmp_path, threads="1") == 1200


def test_the_end_of_a_stage_removes_the_older_state_too(tmp_path) -> None:
    saved(tmp_path, 1200, threads="1")
    saved(tmp_path, 30, threads="2")
    assert sorted(path.name for path in tmp_path.glob("*.safetensors*")) == ["a.safetensors", "a.safetensors.before"]
    Resume("a", {"threads": "2"}, every=60, folder=tmp_path).finish()
    assert not list(tmp_path.glob("*.safetensors*"))


@pytest.mark.parametrize("header", [{"fingerprint": "0123", "state": {"steps": 3}}, [], {"parts": 1, "state": {}}])
@pytest.mark.parametrize("name", ["a.safetensors", "a.safetensors.before"])
def test_a_state_of_an_earlier_version_is_no_state_and_said(tmp_path, capsys, header, name) -> None:
    saved(tmp_path, 30, threads="2")
    save_file({"x": torch.ones(1)}, tmp_path / name, metadata={"prunescope": json.dumps(header)})
    assert taken_up(tmp_path, threads="1") is None
    assert f"{tmp_path / name} is damaged or of another version; it is removed" in capsys.readouterr().err
    left = ["a.safetensors.before"] if "before" in name else []
    assert [path.name for path in tmp_path.glob("*.safetensors*")] == left, "the state of two threads, where it is whole"


def test_an_older_state_taken_up_ends_as_the_uninterrupted_run(tmp_path, make_store, make_network, make_batches) -> None:
    batches = make_batches(make_store())
    whole = training(tmp_path / "whole", make_network, batches, "adamw")
    for threads, killed_at, began in (("2", 7, 0), ("1", 3, 0), ("2", 9, 7), ("1", 4, 3)):
        with pytest.raises(Killed, match=f"^began at {began}$"):
            training(tmp_path / "parts", make_network, batches, "adamw", killed_at=killed_at, threads=threads)
    parts = training(tmp_path / "parts", make_network, batches, "adamw", threads="2")
    for name, tensor in whole.network.state_dict().items():
        assert torch.equal(tensor, parts.network.state_dict()[name]), name
    assert parts.log.rows == whole.log.rows


def test_a_state_of_another_processor_says_which(tmp_path, capsys) -> None:
    """Names as long as they come, from a mixed cluster."""
    theirs, ours = "Intel(R) Xeon(R) Platinum 8481C CPU @ 2.70GHz", "AMD EPYC 7B13 64-Core Processor"
    saved(tmp_path, 1200, **parts({}, {"processor": theirs}))
    assert taken_up(tmp_path, **parts({}, {"processor": ours})) is None
    assert f"with processor {theirs} (now {ours}); training starts anew" in capsys.readouterr().err


def test_parts_are_of_files_folders_and_values_key_by_key(tmp_path) -> None:
    (tmp_path / "store").mkdir()
    (tmp_path / "store" / "a").write_text("1")
    (tmp_path / "file").write_text("2")
    files = {"store": tmp_path / "store", "base": tmp_path / "file"}
    first = parts(files, {"seed": 0, "training": {"momentum": 0.9, "optimizer": "sgd"}, "plan": ("round", "x" * 50)})
    assert {name: value for name, value in first.items() if len(value) < 64} == {
        "seed": "0", "training.momentum": "0.9", "training.optimizer": "sgd",
    }  # fmt: skip
    assert set(first) - {"seed", "training.momentum", "training.optimizer"} == {"store", "base", "plan"}
    (tmp_path / "store" / "a").write_text("3")
    again = parts(files, {"seed": 0, "training": {"momentum": 0.8, "optimizer": "sgd"}, "plan": ("round", "y" * 50)})
    assert differences(first, again) == "another store, training.momentum 0.9 (now 0.8), another plan"
    assert (
        differences(first, {})
        == "another store, another base, seed 0 (now nothing), training.momentum 0.9 (now nothing) and 2 more"
    )
