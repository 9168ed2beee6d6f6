"""Every stage's own main on tiny data, in the order of the graph, and the params that each reads against those it declares."""

import contextlib
import importlib.util
import json
import os
import shlex
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
import yaml
from pydantic import BaseModel

from graph import ROOT, items, outs
from prunescope.errors import PrunescopeError
from prunescope.networks import checkpoint
from prunescope.study import params
from tiny import tiny_params

ORDER = ("download", "pretrain", "prune", "finetune", "distill", "evaluate", "cka", "selected", "report", "gallery")
FREE = {
    "runtime.device",
    "runtime.threads",
    "runtime.processes",
    "runtime.save_seconds",
}  # where it runs: reading these is no dependency


def load_stage(script: str) -> Any:
    spec = importlib.util.spec_from_file_location(f"stage_{script}", ROOT / "stages" / f"{script}.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Spy:
    """A params object that notes the path of every plain value read through it."""

    def __init__(self, value: Any, path: str, seen: set[str]):
        self._value, self._path, self._seen = value, path, seen

    def _child(self, value: Any, path: str) -> Any:
        if isinstance(value, dict | BaseModel):
            return Spy(value, path, self._seen)
        if not callable(value):
            self._seen.add(path)
        return value

    def __getattr__(self, name: str) -> Any:
        if name == "grid":  # computed from what the report stages declare
            self._seen.update(("study", "sparsity", "compare_sparsity", "distill.teachers"))
        elif name == "sparsities":
            self._seen.update(("sparsity", "compare_sparsity"))
        else:
            return self._child(getattr(self._value, name), f"{self._path}{name}")
        return getattr(self._value, name)

    def __repr__(self) -> str:  # what a fingerprint sees
        return repr(self._value)

    def __getitem__(self, name: str) -> Any:
        return Spy(self._value[name], f"{self._path}{name}", self._seen)


class _Dotted(Spy):
    def _child(self, value: Any, path: str) -> Any:
        child = super()._child(value, path)
        return _Dotted(value, f"{path}.", self._seen) if isinstance(child, Spy) else child

    def __getitem__(self, name: str) -> Any:
        return _Dotted(self._value[name], f"{self._path}{name}.", self._seen)


@pytest.fixture(scope="module")
def study(tmp_path_factory) -> tuple[Path, dict[str, set[str]]]:
    """A folder where every stage of the tiny study has run, and the params that each stage read."""
    folder = tmp_path_factory.mktemp("study")
    content = tiny_params()
    (folder / "params.yaml").write_text(yaml.safe_dump(content), encoding="utf-8")
    reads: dict[str, set[str]] = {}
    with contextlib.chdir(folder), pytest.MonkeyPatch.context() as patch:
        patch.delenv("PRUNESCOPE_MIRROR", raising=False)
        patch.setitem(os.environ, "MPLBACKEND", "Agg")
        todo = items(content)
        for script in ORDER:
            module = load_stage(script)
            if script == "pretrain":
                patch.setattr(module, "require_plans_fit", lambda *_, **__: None)  # refuses only, tested by itself
            for name, stage in todo.items():
                _, path, *arguments = shlex.split(stage["cmd"])
                if Path(path).stem != script:
                    continue
                reads[name] = set()
                patch.setattr(module, "load", lambda name=name: _Dotted(params.load(), "", reads[name]))
                patch.setattr(sys, "argv", [path, *arguments])
                module.recipe()
                missing = [out for out in outs(stage) if not Path(out).exists()]
                assert not missing, f"{name} did not write {missing}"
    assert len(reads) == len(todo) == 29
    return folder, reads


def test_params_read_are_params_declared(study):
    """A stage that reads a param it does not declare would be stale after a change; one it never reads reruns for nothing."""
    _, reads = study
    for name, stage in items(tiny_params()).items():
        declared = set(stage.get("params", ()))
        read = reads[name] - FREE
        covered = {p for p in read if any(p == d or p.startswith(f"{d}.") for d in declared)}
        assert read == covered, f"{name} reads params it does not declare: {sorted(read - covered)}"
        read = set().union(*(seen for other, seen in reads.items() if other.split("@")[0] == name.split("@")[0]))
        idle = {d for d in declared if not any(p == d or p.startswith(f"{d}.") for p in read)}
        assert not idle, f"{name} declares params it never reads: {sorted(idle)}"


def test_achieved_sparsity_is_the_one_asked(study):
    folder, _ = study
    summary = pd.read_csv(folder / "metrics" / "summary.csv")
    pruned = summary[summary["kind"] == "pruned"]
    assert len(pruned) == 6
    saved = checkpoint.read(folder / "checkpoints/finished/vgg11_bn-digits-0.8-0/iterative.safetensors")
    size = sum(mask.numel() for mask in saved.masks.values())
    assert sum(int(mask.sum()) for mask in saved.masks.values()) == size - round(0.8 * size)
    assert (pruned["achieved_sparsity"] - pruned["target_sparsity"]).abs().max() < len(saved.masks) / size


def test_equal_budgets(study):
    """All methods and the control: the same steps after the same base, and one learning-rate function of the step."""
    folder, _ = study
    summary = pd.read_csv(folder / "metrics" / "summary.csv")
    arms = summary[summary["kind"] != "student"]
    assert arms["steps"].tolist() == [12] * 7
    assert summary[summary["kind"] == "student"]["steps"].nunique() == 1
    bases, rates = set(), {}
    for record in (folder / "metrics" / "finetune").rglob("*.json"):
        bases.add(json.loads(record.read_text())["base_sha256"])
    for history in [*(folder / "metrics").glob("prune/*/*.csv"), *(folder / "metrics").glob("finetune/*/*.csv")]:
        if history.stem in ("lottery", "erk-cubic"):  # rewinding starts the schedule again: that is its point
            continue
        rows = pd.read_csv(history)
        for step, rate in rows[rows["event"] == "trained"][["step", "learning_rate"]].itertuples(index=False):
            assert rates.setdefault(step, rate) == rate
    assert bases == {checkpoint.sha256(folder / "checkpoints/base/vgg11_bn-digits-0.safetensors")}
    assert len(rates) >= 3


def test_rewinding_starts_the_schedule_again(study):
    folder, _ = study
    rows = pd.read_csv(folder / "metrics/prune/vgg11_bn-digits-0.8-0/lottery.csv")
    assert rows["round"].max() == 4 and set(rows[rows["event"] == "trained"]["round"]) == {1, 2, 3}
    saved = checkpoint.read(folder / "checkpoints/pruned/vgg11_bn-digits-0.8-0/lottery.safetensors")
    base = checkpoint.read(folder / "checkpoints/base/vgg11_bn-digits-0.safetensors")
    assert saved.about["restarted"] and saved.optimizer == {}
    for name, tensor in saved.state.items():
        kept = saved.masks[name] if name in saved.masks else torch.ones_like(tensor, dtype=torch.bool)
        assert torch.equal(tensor, torch.where(kept, base.state[name], torch.zeros_like(tensor))), name


def test_statistics_are_reestimated_and_both_accuracies_recorded(study):
    folder, _ = study
    saved = checkpoint.read(folder / "checkpoints/pruned/vgg11_bn-digits-0.8-0/erk-cubic.safetensors")
    assert saved.reestimated and set(saved.reestimated) <= set(saved.state)
    assert any(not torch.equal(tensor, saved.state[name]) for name, tensor in saved.reestimated.items())
    record = json.loads((folder / "metrics/prune/vgg11_bn-digits-0.8-0/erk-cubic.json").read_text())
    tested = json.loads((folder / "metrics/evaluate/vgg11_bn-digits-0.8-0/erk-cubic.json").read_text())
    for found in (record["val_accuracy_after_pruning"], record["val_accuracy_after_reestimation"], record["val_accuracy"]):
        assert 0 <= found <= 1
    assert tested["accuracy_after_pruning"] is not None and tested["accuracy_after_reestimation"] is not None
    other = json.loads((folder / "metrics/evaluate/vgg11_bn-digits-0.8-0/oneshot.json").read_text())
    assert other["accuracy_after_reestimation"] is None


def test_layerwise_prunes_layer_after_layer(study):
    folder, _ = study
    rows = pd.read_csv(folder / "metrics/prune/vgg11_bn-digits-0.8-0/layerwise.csv")
    pruned = rows[rows["event"] == "pruned"]
    assert pruned["layers_pruned"].tolist() == list(range(1, 12))
    assert pruned["sparsity"].is_monotonic_increasing


def test_report_names_every_arm(study):
    folder, _ = study
    page = (folder / "report" / "report.html").read_text(encoding="utf-8")
    assert "not run" not in (folder / "report" / "report.md").read_text(encoding="utf-8")
    assert page.count("<img") == page.count('alt="') >= 6


def test_a_stage_repeated_gives_the_same_bytes(study):
    folder, _ = study
    name = "prune-iterative@vgg11_bn-digits-0.8-0"
    stage = items(tiny_params())[name]
    _, path, *arguments = shlex.split(stage["cmd"])
    target = folder / "checkpoints/pruned/vgg11_bn-digits-0.8-0/iterative.safetensors"
    before = target.read_bytes()
    module = load_stage("prune")
    with contextlib.chdir(folder), pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", [path, *arguments])
        target.unlink()
        module.recipe()
    assert target.read_bytes() == before


def test_plan_that_does_not_fit_stops_before_pretraining(study, tmp_path, monkeypatch):
    folder, _ = study
    content = tiny_params()
    content["data"]["digits"]["finetune"]["epochs"] = 0.5  # 2 steps for 10 pauses of layerwise
    content["data"]["digits"]["epochs_per_round"] = 0.01
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(content), encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    where = ("--checkpoint", "c", "--metrics", "m", "--history", "h")
    cell = ("--model", "vgg11_bn", "--dataset", "digits", "--seed", "0", "--store", str(folder / "prepared/digits"))
    monkeypatch.setattr(sys, "argv", ["pretrain", *cell, *where])
    with pytest.raises(PrunescopeError, match="layerwise: recovery_share"):
        load_stage("pretrain").recipe()
    assert not (tmp_path / "c").exists()
