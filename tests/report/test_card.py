"""`prunescope card`: every number of a card is one of a file; what no file says is unknown; strange files are refused."""

import json
import re
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from graph import ROOT
from kept_fakes import keep
from prunescope import __main__ as module
from prunescope.errors import PrunescopeError
from prunescope.report.carded import arm_of
from prunescope.sources.prepare import SOURCES
from report_fakes import make_study, plant, plant_predictions

CELL = "vgg16_bn-digits-0.8-0"
PATH = Path(f"checkpoints/finished/{CELL}/iterative.safetensors")
PARENTS = {"base": "ab" * 32, "start": "cd" * 32}
KEPT = ROOT / "results/decisive"


def card(monkeypatch, *words: str) -> tuple[dict, str]:
    """(front matter, the rest without escapes) of the card that the command writes."""
    monkeypatch.setattr(sys, "argv", ["prunescope", "card", *words])
    assert module.main() == 0
    _, front, text = Path("MODEL_CARD.md").read_text(encoding="utf-8").split("---\n", 2)
    return yaml.safe_load(front), re.sub(r"\\(.)", r"\1", text)


def listed(text: str) -> dict[str, str]:
    """The rows of all tables of two columns."""
    return dict(re.findall(r"^\| ([^|]+) \| ([^|]+) \|$", text, re.MULTILINE))


@pytest.fixture
def study(tmp_path, monkeypatch) -> Path:
    """A work tree in which a study of the digits ran, a checkpoint among it."""
    from prunescope.networks import checkpoint
    from prunescope.networks.architectures import Architecture, build

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("report_fakes.accuracy_of", lambda model, method, seed, sparsity=0.8: 0.75 if method == "dense" else 0.5)
    grid = make_study(models=("vgg16_bn",))
    plant(tmp_path / "metrics", grid, {"vgg16_bn": 3}, cka=False)
    plant_predictions(tmp_path / "metrics", grid)
    shutil.copy(ROOT / "params.yaml", tmp_path)
    architecture = Architecture("vgg16_bn", 10, width=0.0625)
    made = checkpoint.Checkpoint("finetuned", architecture, build(architecture).state_dict(), parents=PARENTS)
    checkpoint.write(PATH, made)
    return tmp_path


def evaluated(study: Path) -> dict:
    return json.loads((study / f"metrics/evaluate/{CELL}/iterative.json").read_text())


def test_numbers_are_those_of_the_files(study, monkeypatch):
    path = study / f"metrics/evaluate/{CELL}/iterative.json"
    path.write_text(json.dumps(evaluated(study) | {"accuracy": 0.4444, "accuracy_low": 0.3111, "accuracy_high": 0.5222}))
    front, text = card(monkeypatch, str(PATH))
    from prunescope.networks.checkpoint import sha256

    rows = listed(text)
    assert "| accuracy % | 44.4 | [31.1, 52.2] | 75.0 |" in text, "beside the dense control's"
    assert "| balanced accuracy % | 49.5 | unknown | 74.5 |" in text, "this record has no interval"
    assert rows["achieved sparsity %"] == "80.0" and rows["MB, dense"] == "4.000" and rows["architecture: width"] == "0.0625"
    assert rows["ms for 32 images"] == "64.00 [60.80, 67.20]" and rows["prune.iterative.plan"] == "iterative"
    assert rows["train images"] == "1,077" and rows["processor"] == "Example CPU"
    assert rows["checkpoint, sha256"] == sha256(PATH)
    assert {rows[f"parent: {role}, sha256"] for role in PARENTS} == set(PARENTS.values())
    assert rows["commit"] == "unknown" and rows["groups in two splits"] == "unknown"
    assert f"prunescope.load('{PATH}', store='prepared/digits')" in text, "the file does not say its classes"
    assert front["license"] == "cc-by-4.0" and front["datasets"] == ["digits"] and "iterative" in front["tags"]
    assert front["metrics"] == ["accuracy", "f1", "brier_score"], "no AUC was measured"
    sections = ["What it is", "Intended use and limits", "Training data", "Training procedure", "Evaluation", "Critical classes"]
    assert re.findall(r"^## (.*)$", text, re.MULTILINE) == [*sections, "Size and latency", "How to load it", "Provenance"]


def test_formats_of_deployment_stand_beside_the_network(study, monkeypatch):
    folder = study / f"metrics/deploy/int8-{CELL}"
    folder.mkdir(parents=True)
    change = {"change_accuracy": -0.011, "change_accuracy_low": -0.02, "change_accuracy_high": 0.0}
    record = {"accuracy": 0.4333, "balanced_accuracy": 0.4, "size_bytes": 2_500_000, "size_zstd_bytes": 700_000} | change
    record |= {"batch_1_ms": 0.25, "batch_32_ms": 7.0, "runtime": "onnxruntime 1.0", "processor": "Example CPU", "threads": 1}
    (folder / "iterative.json").write_text(json.dumps(record))
    _, text = card(monkeypatch, str(PATH))
    assert "| int8 | 2.500 | 0.700 | 43.3 (change -1.1 [-2.0, 0.0]) | 40.0 (change unknown unknown) | 0.25 | 7.0 |" in text
    assert "onnxruntime 1.0, Example CPU, 1 thread(s)" in text


def test_the_snippet_loads_the_network(study, monkeypatch):
    from prunescope.networks import checkpoint
    from prunescope.networks.inputs import Inputs

    inputs = Inputs("digits", tuple("0123456789"), (0.3, 0.3, 0.3), (0.3, 0.3, 0.3), 32)
    checkpoint.write(PATH, replace(checkpoint.read(PATH), inputs=inputs))
    _, text = card(monkeypatch, str(PATH))
    space: dict = {}
    exec("\n".join(line.strip() for line in text.splitlines() if line.startswith("    ")), space)
    assert space["network"].classifier[-1].out_features == 10


def test_the_prepared_store_tells_its_licence_and_normalisation(study, monkeypatch):
    from prunescope.data import store

    several = {"images": np.zeros((12, 8, 8, 3), np.uint8), "labels": np.arange(12) % 2, "splits": np.arange(12) // 2 % 3}
    names = [f"{n}" for n in range(12)]
    told = {"licence": "CC BY-NC 4.0", "citation": "Somebody 2020"}
    store.write(
        study / "prepared/digits", **several, names=names, groups=names, classes=("a", "b"), source="digits", image_size=8,
        provenance=told,
    )  # fmt: skip
    front, text = card(monkeypatch, str(PATH))
    assert front["license"] == "cc-by-nc-4.0" and "not for commercial use" in text
    assert "Somebody 2020" in text and "(N, 3, 8, 8)" in text and "mean 0.0000, 0.0000, 0.0000; std 0.0039" in text


def test_a_kept_study_without_checkpoints(tmp_path, monkeypatch):
    """The kept HAM10000: the card's numbers against its own class file and summary."""
    monkeypatch.chdir(tmp_path)
    front, text = card(monkeypatch, "--study", str(KEPT), "vgg16_bn-ham10000-quarter-0.8-1/oneshot")
    summary = pd.read_csv(KEPT / "summary.csv").query("dataset == 'ham10000-quarter' and model == 'vgg16_bn' and seed == 1")
    mine, dense = (
        summary.query(f"method == '{name}' and sparsity == {level}").iloc[0] for name, level in (("oneshot", 0.8), ("dense", 0))
    )
    for measure, title in (("accuracy", "accuracy"), ("auc", "AUC")):
        [found] = re.findall(rf"^\| {title} % \| (\S+) \| \[(\S+), (\S+)\] \| (\S+) \|$", text, re.MULTILINE)
        assert (found[0], found[3]) == (f"{mine[measure] * 100:.1f}", f"{dense[measure] * 100:.1f}")
        assert float(found[1]) < float(found[0]) < float(found[2])
    assert front["license"] == "cc-by-nc-4.0" and "Trained on data under CC BY-NC 4.0: not for commercial use." in text
    rows = listed(text)
    assert rows["commit"].startswith("340a0e042163, ") and rows["checkpoint, sha256"].startswith("unknown")
    first = re.findall(r"^\| ([^|]+) \| (?:yes|no) \|", text, re.MULTILINE)
    assert first[0] == "mel (melanoma)" and len(first) == 7, "the critical class first"
    assert "mean unknown; std unknown" in text


@pytest.mark.parametrize(("name", "title", "inside"), [
    ("vgg16_bn-ham10000-quarter-2/dense", "vgg16_bn on ham10000-quarter: dense, seed 2", "not pruned, trained for as many"),
    ("vgg16_bn-ham10000-quarter-0.8-0/student-oneshot",
     "vgg16_bn on ham10000-quarter: student-oneshot at 80 %, seed 0",
     "a small student that learnt from the network oneshot of vgg16_bn at 80 %."),
    ("vgg16_bn-cifar100-quarter-0.8-0/layerwise",
     "vgg16_bn on cifar100-quarter: layerwise, 80 % sparse, seed 0", "None of this data set's classes is named"),
])  # fmt: skip
def test_every_kind_of_network_has_a_card(tmp_path, monkeypatch, name, title, inside):
    monkeypatch.chdir(tmp_path)
    _, text = card(monkeypatch, "--study", str(KEPT), name)
    assert f"# {title}\n" in text and inside in text
    assert not re.search(r"\b(nan|None|inf)\b", text.replace("None of this", ""))


@pytest.mark.parametrize(("licence", "front"), [
    ("none stated", {"license": "unknown"}),
    ("as the owner says", {"license": "other", "license_name": "as the owner says"}),
])  # fmt: skip
def test_licences_that_are_none_of_the_hubs(study, monkeypatch, licence, front):
    monkeypatch.setitem(SOURCES, "digits", SOURCES["digits"].__class__(find=SOURCES["digits"].find, licence=licence, citation=""))
    found, text = card(monkeypatch, str(PATH))
    assert {key: value for key, value in found.items() if key.startswith("license")} == front
    assert ("what it may be used for is unknown" in text) is (licence == "none stated")


def test_where_nothing_else_is_known(study, monkeypatch):
    (study / "params.yaml").unlink()
    for folder in ("download", "finetune", "prune", "pretrain"):
        shutil.rmtree(study / "metrics" / folder)
    for file in (study / "metrics/evaluate").rglob("*-*"):
        if file.is_file():
            file.unlink()
    front, text = card(monkeypatch, str(PATH))
    assert front["license"] == "unknown" and front["datasets"] == ["digits"]
    assert listed(text)["licence"] == listed(text)["train images"] == listed(text)["torch"] == "unknown"
    assert "Settings: unknown" in text and "Classes in this order: unknown." in text and not re.search(r"\b(nan|None)\b", text)


def test_metrics_of_another_network_are_refused(study, monkeypatch, capsys):
    path = study / f"metrics/finetune/{CELL}/iterative.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"base_sha256": "ef" * 32}))
    monkeypatch.setattr(sys, "argv", ["prunescope", "card", str(PATH)])
    assert module.main() == 1 and not Path("MODEL_CARD.md").exists()
    assert "found the base abababababab among its parents, but efefefefefef in the metrics" in capsys.readouterr().err


@pytest.mark.parametrize(("words", "line"), [
    (["network.safetensors"], "found network.safetensors, wanted checkpoints/finished/<cell>/<method>.safetensors"),
    (["checkpoints/finished/vgg16_bn-digits-0.8-0/none.safetensors"], "no checkpoint at"),
    (["checkpoints/finished/vgg16_bn/iterative.safetensors"], "found the network vgg16_bn/iterative, wanted <cell>/<method>"),
    (["--study", "metrics", f"{CELL}/iterative"], "metrics: found no provenance.json and no metrics.tar.xz"),
])  # fmt: skip
def test_what_is_no_finished_network_is_refused(study, monkeypatch, capsys, words, line):
    monkeypatch.setattr(sys, "argv", ["prunescope", "card", *words])
    assert module.main() == 1
    assert capsys.readouterr().err.startswith(f"error: {line}")


def test_a_network_that_was_not_evaluated(study, monkeypatch, capsys):
    folder = keep(study / "metrics", make_study(models=("vgg16_bn",)), study / "results/toy")
    monkeypatch.setattr(sys, "argv", ["prunescope", "card", "--study", str(folder), "vgg16_bn-digits-0.8-7/iterative"])
    assert module.main() == 1
    assert "evaluate/vgg16_bn-digits-0.8-7/iterative.json, wanted the test metrics of this network" in capsys.readouterr().err


@pytest.mark.parametrize(("cell", "method", "wanted"), [
    ("vgg16-a-b-0.8-3", "one", ("pruned", "a-b", 0.8, 3, ("prune/vgg16-a-b-0.8-3/one", "finetune/vgg16-a-b-0.8-3/one"))),
    ("vgg16-a-0.8-0", "dense", ("dense", "a-0.8", 0.0, 0, ("finetune/vgg16-a-0.8-0/dense",))),
    ("vgg16-a-0.5-0", "student-oneshot", ("student", "a", 0.5, 0, ("distill/vgg16-a-0.5-0/oneshot",))),
    ("vgg16-a-0.5-0", "narrow", ("narrow", "a", 0.5, 0, ("pretrain/narrow-vgg16-a-0.5-0", "finetune/vgg16-a-0.5-0/narrow"))),
    ("vgg16-a-0.5-0", "channels", ("channels", "a", 0.5, 0, ("finetune/vgg16-a-0.5-0/channels",))),
    ("vgg16-a-1", "student-alone", ("student", "a", 0.0, 1, ("distill/vgg16-a-1/alone",))),
])  # fmt: skip
def test_the_arm_of_a_path(cell, method, wanted):
    arm = arm_of(cell, method)
    assert (arm.kind, arm.dataset, arm.sparsity, arm.seed, arm.training) == wanted


@pytest.mark.parametrize(("cell", "method"), [("vgg16-a-0.8-x", "oneshot"), ("vgg16-0", "oneshot"), ("vgg16-a-80%-0", "oneshot")])
def test_names_that_are_no_cell(cell, method):
    with pytest.raises(PrunescopeError, match="wanted <cell>/<method>"):
        arm_of(cell, method)
