"""Two CPU processes on one batch against one process: same steps, same global batch, gradients and masks equal, one writer."""

import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pandas as pd
import pytest
import torch
import yaml
from torch import Tensor

from graph import ROOT, items
from prunescope.errors import PrunescopeError
from prunescope.networks import checkpoint
from prunescope.training import parallel
from prunescope.training.losses import class_weights, cross_entropy
from tiny import tiny_params

GRADIENTS = """
import sys, torch
import torch.nn.functional as F
from pathlib import Path
sys.path.insert(0, {tests!r})
from prunescope.training import parallel
from prunescope.training.losses import class_weights, cross_entropy, distillation
from torch import nn

parallel.join(torch.device("cpu"))
torch.set_num_threads(1)
torch.manual_seed(0)
def network():
    return nn.Sequential(nn.Conv2d(3, 6, 3), nn.BatchNorm2d(6), nn.ReLU(), nn.Conv2d(6, 4, 3), nn.BatchNorm2d(4), nn.ReLU(),
                         nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(16, 3))
student, teacher = network(), network()
images, labels = torch.randn(7, 3, 9, 9), torch.tensor([0, 1, 2, 2, 2, 0, 1])
task = cross_entropy(class_weights=class_weights(labels, 3), label_smoothing=0.1)
loss = distillation(teacher, task, temperature=3.0, soft_weight=0.4)
shared = parallel.shared(student)
mine = slice(0, 4) if parallel.rank() == 0 else slice(4, 7)
if parallel.count() == 1:
    value, *_ = loss(shared, images, labels)
else:
    value, *_ = loss(shared, images[mine], labels[mine], labels)
value.backward()
result = {{name: p.grad for name, p in student.named_parameters()}} | dict(student.named_buffers())
result["value"] = parallel.summed_(value.detach() / parallel.count())
torch.save(result, Path({folder!r}) / f"{{parallel.count()}}-{{parallel.rank()}}.pt")
"""


def torchrun(count: int, *command: str, cwd: Path, check: bool = True) -> subprocess.CompletedProcess:
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    for name in ("RANK", "WORLD_SIZE"):
        environment.pop(name, None)
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={count}"]
    done = subprocess.run([*launcher, *command], cwd=cwd, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0 or not check, done.stderr[-3000:]
    return done


def test_gradients_and_statistics_equal_one_processs(tmp_path) -> None:
    """Uneven parts, class weights, label smoothing, a teacher, batch normalisation: all in one."""
    script = tmp_path / "script.py"
    script.write_text(textwrap.dedent(GRADIENTS.format(tests=str(ROOT / "tests"), folder=str(tmp_path))))
    for count in (1, 2):
        torchrun(count, str(script), cwd=tmp_path)
    one, first, second = (torch.load(tmp_path / f"{name}.pt", weights_only=True) for name in ("1-0", "2-0", "2-1"))
    assert len(one) == 17
    for name, tensor in one.items():
        assert torch.equal(first[name], second[name]), f"{name} differs between the processes"
        torch.testing.assert_close(first[name], tensor, rtol=1e-4, atol=2e-6, msg=lambda text, name=name: f"{name}: {text}")


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_stages_under_two_processes(tmp_path) -> None:
    """pretrain and prune-iterative of a tiny study with `runtime.processes: 2`, started as dvc.yaml starts them."""
    results = {}
    for count in (1, 2):
        folder = tmp_path / str(count)
        folder.mkdir()
        content = tiny_params()
        content["runtime"]["processes"] = count
        content["study"] |= {"methods": ["oneshot", "layerwise", "iterative"], "other_methods": []}
        content["study"] |= {
            "models": ["densenet121"],
            "narrow": [],
            "channels": [],
            "taught": [],
        }  # no dropout: each process draws its own noise
        content["sensitivity"]["models"] = []
        content["distill"]["teachers"] = []
        content["prune"]["layerwise"]["recovery_share"] = 0.0
        content["data"]["digits"]["pretrain"]["epochs"] = 1
        (folder / "params.yaml").write_text(yaml.safe_dump(content), encoding="utf-8")
        todo = items(content)
        names = ("download@digits", "weights@densenet121-digits", "pretrain@densenet121-digits-0")
        for name in (*names, "prune-iterative@densenet121-digits-0.8-0"):
            command = todo[name]["cmd"].replace("python stages/", f"{sys.executable} {ROOT}/stages/")
            done = subprocess.run(command, shell=True, cwd=folder, capture_output=True, text=True, check=False)
            assert done.returncode == 0, done.stderr[-3000:]
            assert done.stdout.count("epoch 1.00") <= 1, "more than one process prints"
        results[count] = folder
    records = {count: json.loads((folder / "metrics/prune/densenet121-digits-0.8-0/iterative.json").read_text())
               for count, folder in results.items()}  # fmt: skip
    assert [records[count]["processes"] for count in (1, 2)] == [1, 2]
    assert records[1]["steps"] == records[2]["steps"] > 0
    assert records[1]["achieved_sparsity"] == records[2]["achieved_sparsity"]
    base = [checkpoint.read(folder / "checkpoints/base/densenet121-digits-0.safetensors") for folder in results.values()]
    squares = [sum(float((tensor - other * base[1].state[name]).double().square().sum()) for name, tensor in base[0].state.items()
                   if tensor.is_floating_point()) for other in (1, 0)]  # fmt: skip
    assert squares[0] < 1e-3 * squares[1], "five steps of rounding apart, which batch norm over one position blows up"
    pruned = [checkpoint.read(f / "checkpoints/pruned/densenet121-digits-0.8-0/iterative.safetensors") for f in results.values()]
    same = sum(int((mask == pruned[1].masks[name]).sum()) for name, mask in pruned[0].masks.items())
    assert same / sum(mask.numel() for mask in pruned[0].masks.values()) > 0.98
    rows = [pd.read_csv(folder / "metrics/pretrain/densenet121-digits-0.csv") for folder in results.values()]
    assert rows[0]["step"].tolist() == rows[1]["step"].tolist()
    assert rows[0]["loss"].iloc[0] == pytest.approx(rows[1]["loss"].iloc[0], rel=1e-5), "both start from the same weights"
    assert rows[0]["loss"].iloc[1] == pytest.approx(rows[1]["loss"].iloc[1], rel=1e-2), "the mean over the same images"


def test_a_share_of_a_mean_is_its_part_of_it() -> None:
    labels, logits = torch.tensor([0, 1, 1, 2, 0]), torch.randn(5, 3)
    weights = class_weights(labels, 3)

    def table(rows: slice):
        return lambda _: logits[rows]

    for kind in (None, weights):
        loss = cross_entropy(class_weights=kind, label_smoothing=0.2)
        whole, *_ = loss(table(slice(None)), None, labels)
        parts: list[Tensor] = [loss(table(rows), None, labels[rows], labels)[0] for rows in (slice(0, 3), slice(3, 5))]
        assert float(sum(parts)) == pytest.approx(float(whole), rel=1e-5)


def test_more_processes_than_gpus_are_refused(monkeypatch) -> None:
    monkeypatch.delenv("RANK", raising=False)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    with pytest.raises(PrunescopeError, match="found 4, wanted at most 2"):
        parallel.launch(4, "cuda")


@pytest.mark.parametrize("wanted, device, gpus, started", [
    ("auto", "cpu", 4, 1), ("auto", "auto", 0, 1), ("auto", "auto", 3, 3), ("auto", "cuda", 1, 1), (2, "cpu", 0, 2),
    (1, "auto", 4, 1),
])  # fmt: skip
def test_how_many_processes_are_started(monkeypatch, wanted, device, gpus, started) -> None:
    calls = []
    monkeypatch.delenv("RANK", raising=False)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: gpus)
    monkeypatch.setattr(os, "execv", lambda path, command: calls.append(command))
    parallel.launch(wanted, device)
    assert [command[4] for command in calls] == ([f"--nproc-per-node={started}"] if started > 1 else [])


def test_inside_torchrun_nothing_is_started_again(monkeypatch) -> None:
    monkeypatch.setenv("RANK", "1")
    monkeypatch.setattr(os, "execv", lambda *_: pytest.fail("started again"))
    parallel.launch(2, "cpu")
