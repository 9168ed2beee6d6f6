"""The stage channels by itself: what it writes, that it repeats, resumes and refuses; without the rest of the study."""

import contextlib
import json
import shlex
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
import yaml
from reference import rest_of_training

from graph import items
from prunescope.errors import PrunescopeError
from prunescope.networks import checkpoint
from prunescope.networks.narrow import parameters
from prunescope.pruning.channels import thinned
from prunescope.training.progress import Progress
from tiny import load_stage, run_study, tiny_params

pytest.importorskip("torch_pruning", reason="needs torch-pruning: pip install 'prunescope[channels]'")

CELL = "vgg11_bn-digits-0.8-0"
BASE = "checkpoints/base/vgg11_bn-digits-0.safetensors"
WRITTEN = f"checkpoints/finished/{CELL}/channels.safetensors"


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Where the stage ran on the tiny study's base, and none but those that it needs."""
    folder = tmp_path_factory.mktemp("channels")
    content = tiny_params()
    content["study"]["narrow"] = content["distill"]["teachers"] = []
    content["runtime"]["save_seconds"] = 1e-6  # after every step
    assert run_study(folder, content, scripts=("download", "weights", "pretrain", "channels")) == 4
    return folder


def run(folder: Path, **changes: Any) -> None:
    """The stage once more, with other arguments where asked for."""
    _, path, *arguments = shlex.split(items(tiny_params())[f"finetune-channels@{CELL}"]["cmd"])
    for name, value in changes.items():
        arguments[arguments.index(f"--{name}") + 1] = str(value)
    with contextlib.chdir(folder), pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", [path, *arguments])
        load_stage("channels").recipe()


def test_a_smaller_dense_network_of_the_whole_budget(folder) -> None:
    record = json.loads((folder / f"metrics/finetune/{CELL}/channels.json").read_text())
    saved, start = checkpoint.read(folder / WRITTEN), checkpoint.read(folder / BASE)
    assert not saved.masks and saved.architecture.channels and start.architecture.channels is None
    assert parameters(saved.architecture) < 0.3 * parameters(start.architecture)
    assert all(bool((tensor != 0).all()) for name, tensor in saved.state.items() if name.endswith("0.weight"))
    assert (record["steps"], record["budget_steps"], saved.about["sparsity"]) == (12, 12, 0.8)
    assert record["base_sha256"] == saved.parents["base"] == checkpoint.sha256(folder / BASE)
    rows = pd.read_csv(folder / f"metrics/finetune/{CELL}/channels.csv")
    assert rows["event"].iloc[0] == "start" and rows["accuracy"].iloc[0] == record["val_accuracy_after_pruning"]


def test_it_is_trained_like_the_other_arms(folder) -> None:
    """The same images, rates and dropout at the same steps: here by torch.optim."""
    base = checkpoint.read(folder / BASE)
    about = {"steps": 0, "reestimated": False, "restarted": False, "teaching": {}}
    start = checkpoint.Checkpoint("pruned", *thinned(base.network(), base.architecture, 0.8), about=about)
    found = rest_of_training(start, folder / "prepared/digits", tiny_params()["data"]["digits"], total=12, base=base)
    saved = checkpoint.read(folder / WRITTEN)
    for name, tensor in found.items():
        torch.testing.assert_close(saved.state[name], tensor, rtol=1e-4, atol=1e-5, msg=name)


def test_repeated_it_gives_the_same_bytes_and_resumed_too(folder, monkeypatch, tmp_path, capsys) -> None:
    before = (folder / WRITTEN).read_bytes()
    other = tmp_path / CELL / "channels.safetensors"
    run(folder, checkpoint=other)
    assert other.read_bytes() == before
    write, steps = Progress._write, []

    def stopped(self: Progress, sums: torch.Tensor) -> None:
        write(self, sums)
        steps.append(self.log.steps)
        if len(steps) == 5:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Progress, "_write", stopped)
        with pytest.raises(KeyboardInterrupt):
            run(folder, checkpoint=other)
    other.unlink()
    capsys.readouterr()
    run(folder, checkpoint=other)
    assert 0 < steps[-1] < 12 and f"resumed after {steps[-1]} steps" in capsys.readouterr().out
    assert other.read_bytes() == before


def test_another_level_is_another_network(folder, tmp_path) -> None:
    run(folder, sparsity=0.5, checkpoint=tmp_path / "x" / "channels.safetensors")
    found = checkpoint.read(tmp_path / "x" / "channels.safetensors").architecture
    assert parameters(found) > 1.5 * parameters(checkpoint.read(folder / WRITTEN).architecture)


def test_a_base_of_another_family_is_refused_before_training(folder, tmp_path) -> None:
    from prunescope.networks.architectures import Architecture, build

    architecture = Architecture("squeezenet1_1", 10)
    made = checkpoint.Checkpoint("dense", architecture, build(architecture).state_dict())
    checkpoint.write(tmp_path / "base.safetensors", made)
    with pytest.raises(PrunescopeError, match="found squeezenet1_1, wanted VGG, DenseNet or ResNet"):
        run(folder, base=tmp_path / "base.safetensors", checkpoint=tmp_path / "c")
    assert not (tmp_path / "c").exists()


def test_without_torch_pruning_no_stage_begins(folder, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr("prunescope.study.contradictions.find_spec", lambda name: None)
    with pytest.raises(PrunescopeError, match=r"study\.channels: found vgg11_bn but no package torch_pruning"):
        run_study(tmp_path, tiny_params())
    assert [path.name for path in tmp_path.iterdir()] == ["params.yaml"]
    assert yaml.safe_load((tmp_path / "params.yaml").read_text())["study"]["channels"] == ["vgg11_bn"]
