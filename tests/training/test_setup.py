"""What a training stage sets up: the loss that a recipe asks for, and batches by seed and stream."""

import sys
from argparse import Namespace
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from prunescope.training import setup as module
from prunescope.training.loop import Log
from prunescope.training.losses import class_weights
from prunescope.training.setup import STREAMS, open_training

RUN_ON = SimpleNamespace(processes=1, device="cpu", threads=1, precision="fp32", compile=False)
SETTINGS = {"batch_size": 5, "crop_padding": 0, "flip": "none", "imbalance": "none", "label_smoothing": 0.0}


class Settings(SimpleNamespace):
    """Stands for a table of params.yaml."""

    def model_dump(self) -> dict:
        return vars(self)


@pytest.fixture
def opened(make_store, monkeypatch):
    """opened(seed=0, stream="budget", **settings): the set-up on a store whose third class is rare."""
    store = make_store(train=20)
    train = store.indices("train")
    store.labels[train] = torch.tensor([0, 1] * 8 + [2] * 4).numpy()
    monkeypatch.setattr(module.stores, "read", lambda path: store)

    def make(seed: int = 0, stream: str = "budget", **settings):
        args = SimpleNamespace(store="a store", seed=seed)
        return open_training(args, Settings(**(SETTINGS | settings)), stream=stream, run_on=RUN_ON)  # type: ignore[arg-type]

    return make


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
@pytest.mark.parametrize("imbalance", ["none", "class_weights"])
def test_the_loss_is_the_recipes(opened, imbalance, smoothing):
    made = opened(imbalance=imbalance, label_smoothing=smoothing)
    logits, labels = torch.randn(7, 3), torch.tensor([0, 1, 2, 2, 1, 0, 2])
    value, _, _ = made.task(nn.Identity(), logits, labels)
    weights = torch.tensor([20 / 24, 20 / 24, 20 / 12]) if imbalance == "class_weights" else None
    torch.testing.assert_close(value, F.cross_entropy(logits, labels, weights, label_smoothing=smoothing))
    if weights is not None:
        torch.testing.assert_close(class_weights(made.batches.labels, 3), weights)


def test_balanced_sampling_shows_rare_classes_as_often(opened):
    for imbalance, wanted in (("none", [4, 8, 8]), ("balanced_sampling", [6, 7, 7])):
        made = opened(imbalance=imbalance, batch_size=20)
        assert sorted(torch.bincount(made.batches.at(0)[1], minlength=3).tolist()) == wanted


def test_every_seed_and_stream_draws_batches_of_its_own(opened):
    drawn = {
        (seed, stream): opened(seed=seed, stream=stream, batch_size=20).batches.at(0)[1].tolist()
        for seed in range(3)
        for stream in STREAMS
    }
    assert len({tuple(labels) for labels in drawn.values()}) == len(drawn) == 9
    assert opened(batch_size=20).batches.at(0)[1].tolist() == drawn[0, "budget"]


def test_what_differs_from_a_saved_state_is_named(opened, make_network, tmp_path, monkeypatch, capsys):
    """Where it runs, the settings, the inputs and the code; not where the results go."""
    (tmp_path / "store").write_text("images")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["stages/pretrain.py"])
    shared = {"optimizer": "sgd", "momentum": 0.9, "weight_decay": 0.0}
    budget = {"epochs": 2, "learning_rate": 0.1}

    def progress(*, threads: int = 1, precision: torch.dtype = torch.float32, budget: dict = budget, **settings: float):
        made, network = opened(**(shared | settings)), make_network()
        torch.set_num_threads(threads)
        args = Namespace(store=Path("store"), seed=0, checkpoint=Path("a/b.safetensors"), metrics=Path(f"{threads}.json"))
        made = replace(made, args=args, precision=precision, run_on=SimpleNamespace(compile=False, save_seconds=60))
        found = made.progress(network, made.optimizer(network), Log(), pretrain=budget)
        found.resume._lock.release()
        return found

    first = progress()
    first.log.steps = 1200
    first.save(torch.zeros(5))
    assert progress().resumed and capsys.readouterr().err == ""
    cases: list[tuple[dict[str, Any], str]] = [
        ({"threads": 2}, "threads 1 (now 2);"),
        ({"precision": torch.bfloat16}, "precision fp32 (now bf16);"),
        ({"momentum": 0.8}, "training.momentum 0.9 (now 0.8);"),
        ({"budget": budget | {"epochs": 3}}, "pretrain.epochs 2 (now 3);"),
    ]
    for changes, said in cases:
        assert not progress(**changes).resumed
        assert f"found a state saved after 1,200 steps with {said} training starts anew" in capsys.readouterr().err
        assert progress().resumed, "back to its settings"
    (tmp_path / "store").write_text("others")
    assert not progress().resumed and "another store;" in capsys.readouterr().err
    monkeypatch.setattr(
        module.sys, "modules", sys.modules | {"prunescope.new": SimpleNamespace(__file__=str(tmp_path / "store"))}
    )
    progress().save(torch.zeros(5))
    (tmp_path / "store").write_text("code")
    assert not progress().resumed and "another store, another code of prunescope.new;" in capsys.readouterr().err
