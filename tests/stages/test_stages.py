"""Every stage's own main on tiny data, in the order of the graph, and the params that each reads against those it declares."""

import contextlib
import json
import shlex
import shutil
import sys
from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pytest
import torch
import yaml
from reference import rest_of_training

from graph import ROOT, items
from prunescope.__main__ import main
from prunescope.data import store as stores
from prunescope.errors import PrunescopeError
from prunescope.networks import checkpoint
from tiny import load_stage, tiny_params

FREE = {
    "runtime.device",
    "runtime.threads",
    "runtime.processes",
    "runtime.save_seconds",
}  # where it runs: reading these is no dependency


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
    assert arms["steps"].tolist() == [12] * 9 + [24, 12]  # base, controls, methods; narrow from its own base, channels
    assert summary[summary["kind"] == "student"]["steps"].nunique() == 1
    bases, rates = set(), {}
    for record in (folder / "metrics" / "finetune").rglob("*.json"):
        if record.stem == "narrow":
            continue
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
    other = json.loads((folder / "metrics/evaluate/vgg11_bn-digits-0.8-0/oneshot.json").read_text())
    for one in (tested, other):  # training goes on from the new statistics in one alone
        assert one["accuracy_after_pruning"] is not None and one["accuracy_after_reestimation"] is not None
    base = checkpoint.read(folder / "checkpoints/base/vgg11_bn-digits-0.safetensors")
    kept = checkpoint.read(folder / "checkpoints/pruned/vgg11_bn-digits-0.8-0/oneshot.safetensors")
    assert kept.reestimated and not kept.about["reestimated"] and saved.about["reestimated"]
    for name in kept.reestimated:
        assert torch.equal(kept.state[name], base.state[name]), "measuring touches nothing"


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
    assert page.count('<figure class="plot" role="group" aria-label="') == page.count('<figure class="plot"') >= 6


def test_the_gallery_is_a_page_of_the_images_that_are_lost(study, monkeypatch, tmp_path, capsys):
    folder, _ = study
    shutil.copytree(folder, tmp_path / "copy")
    monkeypatch.chdir(tmp_path / "copy")
    for words, code, message in (
        ((), 0, "gallery/digits.html: for this machine alone"),
        (("cifar10",), 1, "found data set cifar10, wanted one of study.datasets: digits"),
    ):
        monkeypatch.setattr(sys, "argv", ["prunescope", "gallery", *words])
        printed = capsys.readouterr() if main() == code else None
        assert printed and message in printed.out + printed.err
    assert "Images that are lost in at least one seed" in Path("gallery/digits.html").read_text(encoding="utf-8")
    shutil.rmtree("prepared")
    monkeypatch.setattr(sys, "argv", ["prunescope", "gallery"])
    assert main() == 1 and "found no prepared/digits, wanted the prepared data set; make it" in capsys.readouterr().err


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
    cell += ("--start", str(folder / "checkpoints/start/vgg11_bn-digits.safetensors"))
    monkeypatch.setattr(sys, "argv", ["pretrain", *cell, *where])
    with pytest.raises(PrunescopeError, match="layerwise: recovery_share"):
        load_stage("pretrain").recipe()
    assert not (tmp_path / "c").exists()


@pytest.mark.parametrize("method", ["oneshot", "layerwise", "iterative", "lottery", "erk-cubic"])
def test_finetune_is_the_rest_of_one_training(study, method):
    """Momentum, re-estimated statistics, masks and a schedule that starts again are taken up: here trained by torch.optim."""
    folder, _ = study
    start = checkpoint.read(folder / f"checkpoints/pruned/vgg11_bn-digits-0.8-0/{method}.safetensors")
    finished = checkpoint.read(folder / f"checkpoints/finished/vgg11_bn-digits-0.8-0/{method}.safetensors")
    base = checkpoint.read(folder / "checkpoints/base/vgg11_bn-digits-0.safetensors")
    found = rest_of_training(start, folder / "prepared/digits", tiny_params()["data"]["digits"], total=12, base=base)
    for name, tensor in found.items():
        torch.testing.assert_close(finished.state[name], tensor, rtol=1e-4, atol=1e-5, msg=f"{method}: {name}")


def test_pruning_and_the_control_see_the_same_images(monkeypatch):
    """The stages name the stream that their batches are drawn from."""

    class Seen(Exception):
        pass

    def note(*_, stream: str, **__) -> None:
        raise Seen(stream)

    streams = {}
    for script in ("pretrain", "prune", "finetune", "channels", "distill"):
        module = load_stage(script)
        monkeypatch.setattr(module, "open_training", note)
        monkeypatch.setattr(sys, "argv", ["stage", *(f"--{name}=0" for name in ("seed", "sparsity") if script != "pretrain")])
        monkeypatch.setattr(module, "arguments", lambda *_, **__: SimpleNamespace(dataset="digits", method="oneshot"))
        monkeypatch.chdir(ROOT)
        with pytest.raises(Seen) as seen:
            module.recipe()
        streams[script] = str(seen.value)
    assert streams == {
        "pretrain": "pretrain",
        "prune": "budget",
        "finetune": "budget",
        "channels": "budget",
        "distill": "distill",
    }


def test_the_probe_is_of_the_test_split(study):
    folder, _ = study
    store = stores.read(folder / "prepared/digits")
    probe = pd.read_csv(folder / "metrics/cka/vgg11_bn-digits-0.8-0/probe.csv")
    said = json.loads((folder / "metrics/cka/vgg11_bn-digits-0.8-0.json").read_text())["split"]
    assert len(probe) == 40 and said == "test"
    assert set(probe["name"]) <= set(store.names[store.indices(said)])


@pytest.mark.parametrize("script", ["pretrain", "distill", "prune"])
def test_seeds_start_apart(study, tmp_path, monkeypatch, script):
    """Of networks without a step of training, and of masks by a random score: the same seed gives the same, another another."""
    folder, _ = study
    content = tiny_params()
    for budget in ("pretrain", "distill"):
        content["data"]["digits"][budget]["epochs"] = 0
    content["study"]["taught"], content["prune"]["lottery"]["recovery"] = [], "labels"  # such a base teaches nobody
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(content), encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    base = folder / "checkpoints/base/vgg11_bn-digits-0.safetensors"
    start = folder / "checkpoints/start/vgg11_bn-digits.safetensors"
    method = {
        "pretrain": ("--model", "vgg11_bn", "--start", start),
        "distill": ("--method", "alone", "--start", start),
        "prune": ("--model", "vgg11_bn", "--method", "random", "--sparsity", "0.8", "--base", base),
    }[script]
    module, found = load_stage(script), []
    if script == "pretrain":
        monkeypatch.setattr(module, "require_study_fits", lambda *_, **__: None)
    for number, seed in enumerate((0, 1, 0)):
        cell = ("--dataset", "digits", "--seed", seed, "--store", folder / "prepared/digits")
        written = ("--checkpoint", f"{number}.safetensors", "--metrics", f"{number}.json", "--history", f"{number}.csv")
        monkeypatch.setattr(sys, "argv", [script, *map(str, (*method, *cell, *written))])
        module.recipe()
        saved = checkpoint.read(f"{number}.safetensors")
        found.append(saved.masks["features.4.weight"] if script == "prune" else saved.state["features.4.weight"])
    assert torch.equal(found[0], found[2])
    assert not torch.equal(found[0], found[1])
