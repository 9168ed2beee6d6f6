"""The stage `weights`, and after it training without a network: the start's origin in checkpoints, students, real `dvc repro`."""

import re
import shutil
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from clone import Clone
from graph import ROOT
from prunescope.data import store as stores
from prunescope.errors import PrunescopeError
from prunescope.networks import checkpoint
from prunescope.networks.architectures import Architecture, build
from prunescope.networks.start import load_
from prunescope.pretrained import published
from tiny import load_stage, tiny_params

TINY = "squeezenet1_1"
HEAD = ["classifier.1.bias", "classifier.1.weight"]
CELL = ("--dataset", "digits", "--seed", "0", "--store", "store")


def params(init: str) -> dict[str, Any]:
    """A study of the digits of one network of full width, without a step of training."""
    content = tiny_params()
    content["study"] |= {"models": [TINY], "narrow": [], "channels": [], "taught": []}
    content["sensitivity"]["models"] = []
    content["prune"]["layerwise"]["recovery_share"] = 0.9  # of 12 steps, for 26 layers
    content["distill"] |= {"teachers": [TINY], "student": TINY}
    content["prune"]["random"]["exclude"] = []
    recipe = content["data"]["digits"]
    recipe["network"] |= {"width": 1.0, "init": init}
    recipe["prepare"]["image_size"] = 32
    for budget in ("pretrain", "distill"):
        recipe[budget]["epochs"] = 0
    content["prune"]["lottery"]["recovery"] = "labels"  # such a base teaches nobody
    return content


@pytest.fixture
def folder(tmp_path, monkeypatch, make_store) -> Path:
    """Where weights/ has torchvision's file for ImageNet (made up), and nothing can reach a network."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("PRUNESCOPE_MIRROR", raising=False)

    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError("a stage asked the network")

    monkeypatch.setattr(socket, "socket", refuse)
    monkeypatch.setattr(socket, "create_connection", refuse)
    made = vars(make_store(train=12, val=6, test=6, size=32))
    stores.write(Path("store"), source="test", **{name: made[name] for name in made if name not in ("mean", "std")})
    Path("weights").mkdir()
    torch.manual_seed(7)
    torch.save(build(Architecture(TINY, 1000)).state_dict(), Path("weights", published.published(TINY).url.rsplit("/", 1)[-1]))
    return tmp_path


def run(script: str, *arguments: str) -> None:
    module = load_stage(script)
    with pytest.MonkeyPatch.context() as patch:
        if script == "pretrain":
            patch.setattr(module, "require_study_fits", lambda *_, **__: None)  # refuses only, tested by itself
        patch.setattr(sys, "argv", [f"stages/{script}.py", *arguments])
        module.recipe()


def weights(init: str, *model: str, start: str = "start") -> None:
    Path("params.yaml").write_text(yaml.safe_dump(params(init)), encoding="utf-8")
    run("weights", *model, "--dataset", "digits", "--store", "store", "--weights", "weights", "--start", start)


def pretrain(name: str) -> checkpoint.Checkpoint:
    written = ("--checkpoint", f"{name}.safetensors", "--metrics", f"{name}.json", "--history", f"{name}.csv")
    run("pretrain", "--model", TINY, *CELL, "--start", "start", *written)
    return checkpoint.read(f"{name}.safetensors")


def test_training_needs_neither_network_nor_file(folder):
    weights("imagenet", "--model", TINY)
    first = Path("start").read_bytes()
    weights("imagenet", "--model", TINY)
    assert Path("start").read_bytes() == first
    [file] = Path("weights").iterdir()
    source = torch.load(file)
    shutil.rmtree("weights")
    made = pretrain("base")
    assert made.parents == {"start": checkpoint.sha256(Path("start"))}
    assert made.about == {"stage": "pretrain", "seed": 0, "init": "imagenet", "untaught": HEAD}
    assert all(torch.equal(made.state[name], source[name]) for name in source if name not in HEAD)

    student = ("--checkpoint", "student.safetensors", "--metrics", "student.json", "--history", "student.csv")
    run("distill", "--method", "alone", *CELL, "--start", "start", *student)
    taught = checkpoint.read("student.safetensors")
    assert taught.parents == made.parents and all(torch.equal(taught.state[n], source[n]) for n in source if n not in HEAD)


def test_a_random_start_is_what_torch_makes_of_the_seed(folder):
    weights("random", "--model", TINY)
    made = pretrain("base")
    assert (made.parents, made.about["untaught"]) == ({}, [])
    from prunescope.runtime import seed_everything

    seed_everything(0)
    wanted = build(Architecture(TINY, 3)).state_dict()
    assert all(torch.equal(made.state[name], wanted[name]) for name in wanted)


def test_a_random_start_imports_no_torch(tmp_path):
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(params("random")), encoding="utf-8")
    words = ("--model", TINY, "--dataset", "digits", "--store", "none", "--weights", "none", "--start", "start")
    command = [sys.executable, "-X", "importtime", ROOT / "stages" / "weights.py", *words]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    imported = re.findall(r"\| +([\w.]+)$", done.stderr, re.MULTILINE)
    assert "prunescope.networks.start" in imported and "torch" not in imported
    assert (tmp_path / "start").is_file()


def test_the_teachers_file_leaves_the_student_at_random(folder):
    torch.save(build(Architecture(TINY, 3)).state_dict(), "weights/own.pth")
    weights("own.pth", "--model", TINY)
    weights("own.pth", start="student")
    weights("random", start="random")
    assert Path("student").read_bytes() == Path("random").read_bytes() != Path("start").read_bytes()
    weights("imagenet", start="student")
    assert pretrain("base").about["untaught"] == [] and len(Path("student").read_bytes()) > 1_000_000


def test_a_models_own_file_goes_before_that_of_all(folder):
    """weights/<model>/own.pth and weights/own.pth, which is of another model."""
    Path("weights", TINY).mkdir()
    torch.save(build(Architecture("resnet18", 3)).state_dict(), "weights/own.pth")
    network = build(Architecture(TINY, 3))
    torch.save(network.state_dict(), f"weights/{TINY}/own.pth")
    weights("own.pth", "--model", TINY)
    started = build(Architecture(TINY, 3))
    load_(Path("start"), started)
    assert all(torch.equal(tensor, network.state_dict()[name]) for name, tensor in started.state_dict().items())


def test_a_file_that_does_not_fit_leaves_no_start(folder):
    torch.save(build(Architecture("resnet18", 3)).state_dict(), "weights/other.pth")
    with pytest.raises(PrunescopeError, match=r"init weights/other\.pth does not fit squeezenet1_1"):
        weights("other.pth", "--model", TINY)
    assert not Path("start").exists()


def ran(clone: Clone) -> list[str]:
    printed = clone.run("dvc", "repro", f"pretrain@{TINY}-digits-0")
    return re.findall(r"Running stage '([\w-]+)@", printed)


@pytest.mark.slow
def test_overwriting_the_file_reruns_what_follows_from_it(tmp_path):
    """Real stages under the real `dvc repro`: DVC sees the folder weights/, and pretrain what comes of it."""
    clone = Clone(tmp_path)
    shutil.copytree(ROOT / "stages", clone.folder / "stages", dirs_exist_ok=True)
    content = params("own.pth")
    content["data"] = {"digits": content["data"]["digits"]}
    (clone.folder / "params.yaml").write_text(yaml.safe_dump(content), encoding="utf-8")
    outside, inside = tmp_path / "elsewhere.pth", clone.folder / "weights" / "own.pth"
    torch.save(build(Architecture(TINY, 10)).state_dict(), outside)
    inside.symlink_to(outside)
    assert ran(clone) == ["download", "weights", "pretrain"]
    assert ran(clone) == []
    torch.save(build(Architecture(TINY, 10)).state_dict(), outside)
    assert ran(clone) == ["weights", "pretrain"]
    (clone.folder / "weights" / "another.pth").touch()
    assert ran(clone) == ["weights"], "the same bytes come of it"
    base = checkpoint.read(clone.folder / f"checkpoints/base/{TINY}-digits-0.safetensors")
    found = checkpoint.sha256(clone.folder / f"checkpoints/start/{TINY}-digits.safetensors")
    assert base.parents == {"start": found}
