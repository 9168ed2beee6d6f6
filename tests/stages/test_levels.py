"""Levels are a factor of their own: layer by layer to those that one ranking, or the Erdős–Rényi kernel, gives the base.

And when iterative pruning ends, and what evaluate keeps of every network of the same tiny study.
"""

import contextlib
import copy
import json
import shlex
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
import yaml

from graph import items
from prunescope.networks import checkpoint
from tiny import load_stage, tiny_params


def kept(path: Path) -> dict[str, int]:
    return {name: int(torch.count_nonzero(mask)) for name, mask in checkpoint.read(path).masks.items()}


@pytest.fixture
def pruned(study, tmp_path):
    """Run the prune stage of the tiny study's base with a row of its own; returns how many weights each layer keeps."""
    folder, _ = study
    name = "prune-other@lottery-vgg11_bn-digits-0.8-0"

    def run(**row: object) -> dict[str, int]:
        content = copy.deepcopy(tiny_params())
        stage = items(content)[name]["cmd"]
        content["prune"]["lottery"] = content["prune"]["layerwise"] | row
        for file in (tmp_path / "params.yaml",):
            file.write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")
        for link in ("prepared", "checkpoints/base"):
            (tmp_path / link).parent.mkdir(parents=True, exist_ok=True)
            if not (tmp_path / link).exists():
                (tmp_path / link).symlink_to(folder / link)
        _, path, *arguments = shlex.split(stage)
        with contextlib.chdir(tmp_path), pytest.MonkeyPatch.context() as patch:
            patch.setattr(sys, "argv", [path, *arguments])
            load_stage("prune").recipe()
        return kept(tmp_path / "checkpoints/pruned/vgg11_bn-digits-0.8-0/lottery.safetensors")

    return run


@pytest.mark.parametrize("order", ["forward", "backward"])
@pytest.mark.parametrize("score", ["magnitude", "gradient_times_weight"])
def test_layer_by_layer_reaches_the_levels_of_one_ranking(pruned, order, score):
    found = pruned(scope="global", order=order, score=score)
    once = pruned(plan="oneshot", scope="global", score=score)
    assert found == once and len({*found.values()}) > 2


def test_layer_by_layer_reaches_the_levels_of_the_kernel_and_its_own(pruned):
    assert (
        pruned(scope="erk")
        == pruned(plan="oneshot", scope="erk")
        != pruned(scope="layer")
        == pruned(plan="oneshot", scope="layer")
    )


def test_sensitivity_measures_as_recovery_does(study):
    """The first layer alone at the level is the layerwise plan's first round."""
    folder, _ = study
    rows = pd.read_csv(folder / "metrics/prune/vgg11_bn-digits-0.8-0/layerwise.csv")
    tried = pd.read_csv(folder / "metrics/sensitivity/vgg11_bn-digits-0.csv")
    assert len(tried) == 1 + 11 * 2 and tried["layer"].isna().tolist() == [True] + [False] * 22
    assert tried["level"][1] == 0.8 and tried["accuracy"][1] == rows[rows["event"] == "reestimated"]["accuracy"].iloc[0]


def test_every_network_has_curves_of_every_class(study):
    folder, _ = study
    networks = sorted(path for path in (folder / "metrics/evaluate").glob("*/*-classes.csv"))
    assert networks
    for path in networks:
        name = path.name.removesuffix("-classes.csv")
        curves, of_class = (pd.read_csv(of).set_index("class") for of in (path.with_name(f"{name}-roc.csv"), path))
        assert set(curves.index) == set(of_class.index) and len(of_class) == 10
        for digit, auc in of_class["auc"].items():
            rows = curves.loc[[digit]]
            area = np.trapezoid(rows["sensitivity"].to_numpy(), rows["specificity"].to_numpy())
            assert area == pytest.approx(auc, abs=0.03), "the grid is coarse, and a tie counts as a miss"


def test_the_last_pruning_comes_before_the_rate_falls(study, tmp_path, monkeypatch, capsys):
    folder, _ = study
    content = tiny_params()
    content["study"] |= {"methods": ["oneshot", "layerwise", "iterative"], "other_methods": []}
    content["prune"]["iterative"]["step"] = 0.3  # 0.3, 0.6, 0.8: two pauses, of 12 steps
    content["data"]["digits"] |= {"epochs_per_round": 1.25}
    content["data"]["digits"]["finetune"] |= {"schedule": "hold"}
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(content), encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    cell = ("--method", "iterative", "--model", "vgg11_bn", "--dataset", "digits", "--sparsity", "0.8", "--seed", "0")
    read = ("--store", f"{folder}/prepared/digits", "--base", f"{folder}/checkpoints/base/vgg11_bn-digits-0.safetensors")
    where = ("--checkpoint", "c", "--metrics", "m.json", "--history", "h.csv")
    monkeypatch.setattr(sys, "argv", ["prune", *cell, *read, *where])
    load_stage("prune").recipe()
    assert json.loads(Path("m.json").read_text())["steps"] == 8, "0.7 of 12"
    assert "warning: iterative vgg11_bn: 2 pauses of 5 steps would go on while the learning rate falls, so they have 8" in (
        capsys.readouterr().out
    )
