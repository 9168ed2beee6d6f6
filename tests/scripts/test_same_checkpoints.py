"""Two clones' checkpoints: the same, with another weight, another header, a file too few, another model's name."""

import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

import same_checkpoints


def write(clone: Path, name: str, value: float = 1.0, about: str = "seed 0") -> None:
    path = clone / "checkpoints" / f"{name}.safetensors"
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file({"weight": torch.full((2, 3), value)}, path, {"about": about})


@pytest.fixture
def clones(tmp_path) -> tuple[Path, Path]:
    for clone in ("before", "after"):
        for name in ("base/vgg16-digits-0", "base/vgg11-digits-0", "pruned/vgg16-digits-0.8-0/oneshot"):
            write(tmp_path / clone, name)
    return tmp_path / "before", tmp_path / "after"


def run(monkeypatch, capsys, *arguments: object) -> tuple[int, list[str]]:
    monkeypatch.setattr(sys, "argv", ["same_checkpoints.py", *map(str, arguments)])
    code = same_checkpoints.main()
    return code, capsys.readouterr().out.splitlines()


def test_the_same_bytes_are_no_difference(clones, monkeypatch, capsys):
    assert run(monkeypatch, capsys, *clones) == (0, ["3 checkpoints before, 3 after, 0 differences"])


def test_every_difference_is_a_line(clones, monkeypatch, capsys):
    before, after = clones
    write(after, "base/vgg16-digits-0", value=1.0000001)
    write(after, "base/vgg11-digits-0", about="seed 1")
    (after / "checkpoints/pruned/vgg16-digits-0.8-0/oneshot.safetensors").unlink()
    write(after, "new")
    code, lines = run(monkeypatch, capsys, before, after)
    assert code == 1
    assert lines == [
        "base/vgg11-digits-0.safetensors: the same tensors under another header",
        "base/vgg16-digits-0.safetensors: other tensors",
        "new.safetensors: only after",
        "pruned/vgg16-digits-0.8-0/oneshot.safetensors: only before",
        "3 checkpoints before, 3 after, 4 differences",
    ]


def test_a_model_may_have_another_name_after(clones, monkeypatch, capsys):
    before, after = clones
    for path in [*after.rglob("vgg16-*")]:
        path.rename(path.with_name(path.name.replace("vgg16", "vgg16_bn")))
    assert run(monkeypatch, capsys, before, after)[0] == 1
    assert run(monkeypatch, capsys, before, after, "--rename", "vgg16=vgg16_bn")[0] == 0
    assert same_checkpoints.renamed("a/vgg16/vgg16-x/vgg161-x", {"vgg16": "new"}) == "a/new/new-x/vgg161-x"


def test_nothing_to_compare_is_no_success(tmp_path, monkeypatch, capsys):
    assert run(monkeypatch, capsys, tmp_path, tmp_path) == (1, ["0 checkpoints before, 0 after, 0 differences"])
