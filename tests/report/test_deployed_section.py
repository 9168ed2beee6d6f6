"""The page's section on deployment: what was measured, and a format called good only where every network's interval says so."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from prunescope.evidence import deployed, plotted
from prunescope.figures import levels
from prunescope.report import deployed as section
from prunescope.report.blocks import Table, Text
from prunescope.results.grid import Grid
from prunescope.study.params import load
from report_fakes import opened, row


def record(change: float, low: float, high: float, **further) -> dict:
    measure = "balanced_accuracy"
    found = {measure: 0.7 + change, f"change_{measure}": change, f"change_{measure}_low": low, f"change_{measure}_high": high}
    found |= {"agreement": 0.98, "size_bytes": 2_000_000, "size_zstd_bytes": 500_000, "batch_1_ms": 0.5, "batch_32_ms": 9.0}
    found |= {"batch_1_to_dense": 0.4, "batch_32_to_dense": 0.5, "runtime": "onnxruntime 1", "processor": "X", "threads": 1}
    return found | further


@pytest.fixture
def study(tree) -> tuple[Path, Grid]:
    metrics, study = tree(models=("vgg16",), seeds=(0, 1))
    return metrics, replace(study, formats=("fp32", "int8"))


def plant(metrics: Path, form: str, network: str, *records: dict) -> None:
    for seed, found in enumerate(records):
        path = metrics / f"deploy/{form}-vgg16-digits-0.8-{seed}/{network}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(found))


def test_a_format_is_good_only_where_every_interval_is(study):
    metrics, grid = study
    plant(metrics, "fp32", "dense", record(0, 0, 0), record(0, 0, 0))
    plant(metrics, "int8", "dense", record(-0.002, -0.006, 0.001), record(-0.004, -0.0099, 0.0))
    plant(metrics, "int8", "oneshot", record(-0.002, -0.006, 0.001), record(-0.006, -0.0101, 0.0))
    plant(metrics, "int8", "layerwise", record(0.0, -0.001, 0.001), record(-0.05, -0.07, -0.02))
    table = deployed.table(opened(metrics, grid))
    verdicts = {(one["network"], one["format"]): one["verdict"] for _, one in table.iterrows()}
    assert verdicts == {
        ("dense", "fp32"): deployed.GOOD,
        ("dense", "int8"): deployed.GOOD,
        ("oneshot", "int8"): deployed.OPEN,
        ("layerwise", "int8"): deployed.LOSES,
    }
    assert row(table, network="dense", format="int8")["change, points"] == "−0.3 [−1.0, +0.1]"
    said = deployed.sentence(opened(metrics, grid))
    assert said == (
        "fp32: within the margin in 1 of 1 networks; time for 1 image, of the dense network's in fp32: vgg16 0.40 to 0.40. "
        "int8: within the margin in 1 of 3 networks, loses more in 1; time for 1 image, of the dense network's in fp32: vgg16 "
        "0.40 to 0.40."
    )


def test_the_dense_network_counts_once_whatever_the_levels(study):
    metrics, grid = study
    for level in ("0.8", "0.5"):
        for network in ("dense", "oneshot"):
            path = metrics / f"deploy/int8-vgg16-digits-{level}-0/{network}.json"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(record(0, 0, 0)))
    assert "in 3 of 3 networks" in deployed.sentence(opened(metrics, replace(grid, sparsities=(0.8, 0.5))))


def test_critical_classes_have_their_change(study):
    metrics, grid = study
    ends = {"change_recall_mel": -0.1, "change_recall_mel_low": -0.2, "change_recall_mel_high": -0.01}
    plant(metrics, "int8", "dense", record(0, 0, 0, recall_mel=0.25, **ends))
    assert deployed.table(opened(metrics, grid)).iloc[0]["change of mel, points"] == "−10.0 [−20.0, −1.0]"


def test_the_section_has_what_ran_alone(study):
    metrics, grid = study
    assert not list(section.blocks(opened(metrics, grid)))
    plant(metrics, "int8", "dense", record(0, 0, 0, recall_mel=0.25))
    [text, table] = section.blocks(opened(metrics, grid))
    assert isinstance(text, Text) and isinstance(table, Table) and len(table.frame) == 1
    shown = table.frame.iloc[0]
    assert (shown["n"], shown["MB"], shown["MB, zstd"], shown["recall of mel %"]) == ("1", "2.00", "0.50", "25.0")
    assert "onnxruntime 1, X, 1 thread." in table.caption
    assert not list(section.blocks(opened(metrics, replace(grid, formats=())))), "of an earlier run"


def test_formats_stand_in_the_trade_off(study):
    metrics, grid = study
    plant(metrics, "int8", "oneshot", record(-0.1, -0.2, 0.0))
    rows = plotted.costs(opened(metrics, grid))
    mine = rows[rows["format"] == "int8"].iloc[0]
    assert (mine["network"], mine["method"], mine["value"]) == ("oneshot 80 %, int8 ONNX", "oneshot", 60.0)
    assert (mine["megabytes"], mine["times"]) == (0.5, 0.4)
    [panel, *_] = levels.trade_off(rows, grid.methods, {"digits": "accuracy"}).specs()
    assert panel["layer"][1]["encoding"]["shape"]["scale"]["domain"] == ["torch, fp32", "int8"]


def test_formats_without_their_packages_are_refused_before_any_work(monkeypatch):
    from prunescope.errors import PrunescopeError
    from prunescope.study import contradictions

    monkeypatch.setattr(contradictions, "find_spec", lambda name: None if name == "onnxscript" else object())
    with pytest.raises(PrunescopeError, match=r"deploy\.formats: found int8, which onnxscript must be installed for"):
        load("params.yaml", ["deploy.formats=[int8]"])
    load("params.yaml")
