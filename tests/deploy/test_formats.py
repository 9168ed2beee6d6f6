"""What a format is worth: changes are paired and their intervals are those of resampled groups."""

import numpy as np
import pytest
import torch
from deploy_networks import saved

from prunescope.data.store import read as read_store
from prunescope.deploy.formats import Beside, changes, measured
from prunescope.deploy.graph import float_graph
from prunescope.deploy.loading import load
from prunescope.evaluation.metrics import Predictions, metrics
from prunescope.networks.architectures import Architecture
from prunescope.networks.inputs import Inputs

CLASSES = ("mel", "nv", "bkl")


def two(change: int, count: int = 300) -> tuple[Predictions, Predictions]:
    """(after, before): before all images are right, after the first `change` of class mel are not; groups of two."""
    labels = torch.arange(count) % 3
    before = torch.nn.functional.one_hot(labels, 3).float() * 4
    after = before.clone()
    after[(labels == 0).nonzero()[:change, 0]] = torch.tensor([0.0, 4.0, 0.0])
    groups = np.arange(count) // 2
    return Predictions(after, labels, groups), Predictions(before, labels, groups)


def test_nothing_changed_is_exactly_nothing():
    after, _ = two(0)
    found = changes(after, after, CLASSES, ["mel"], draws=50)
    assert {value for name, value in found.items() if name.startswith("change")} == {0.0} and found["recall_mel"] == 1


def test_no_changed_decision_is_no_proof():
    """150 groups without a change leave open what the exact bound says; the same function has nothing to be open."""
    after, before = two(0)
    rounded = Predictions(after.logits * 1.5, after.labels, after.groups)
    found = changes(rounded, before, CLASSES, ["mel"], draws=50)
    assert found["change_accuracy"] == 0
    assert found["change_accuracy_low"] == -found["change_accuracy_high"] == pytest.approx(0.05 ** (1 / 150) - 1)
    groups = len(np.unique(after.groups[after.labels.numpy() == 0]))
    assert found["change_recall_mel_low"] == pytest.approx(0.05 ** (1 / groups) - 1)
    closer = Predictions(before.logits + 1e-4, before.labels, before.groups)
    assert changes(closer, before, CLASSES, ["mel"], draws=50)["change_accuracy_low"] == 0


def test_changes_are_differences_of_the_metrics():
    after, before = two(20)
    found = changes(after, before, CLASSES, ["mel", "bcc"], draws=400)
    mine, its = (metrics(one, ece_bins=5, draws=10) for one in (after, before))  # none is unknown here
    for name in ("accuracy", "balanced_accuracy", "auc", "nll"):
        assert found[f"change_{name}"] == pytest.approx(mine[name] - its[name])  # pyright: ignore[reportOperatorIssue]
    assert found["change_recall_mel"] == pytest.approx(-0.2) and found["recall_mel"] == pytest.approx(0.8)
    assert not any("bcc" in name for name in found), "a class that this data set has not"
    low, high = found["change_accuracy_low"], found["change_accuracy_high"]
    assert low < -20 / 300 < high < 0
    assert high - low == pytest.approx(2 * 1.96 * np.sqrt(20 / 300 * (1 - 20 / 300) / 300), rel=0.35)


def test_a_network_in_each_format(tmp_path, digits_store):
    pytest.importorskip("onnxruntime", reason="onnxruntime is not installed: pip install 'prunescope[deploy]'")
    pytest.importorskip("onnxscript", reason="onnxscript is not installed: pip install 'prunescope[deploy]'")
    store = read_store(digits_store)
    architecture = Architecture("vgg11_bn", 10, 0.0625, "cifar", "compact")
    network = load(saved(tmp_path, architecture=architecture, inputs=Inputs.of(store, "digits")))
    dense = float_graph(network).SerializeToString()
    calibration = store.images[store.indices("train")[:32]]
    beside = Beside(store, dense, calibration, draws=20, seconds=0.01, ece_bins=5, critical=["3"], threads=1)
    found = {form: measured(network, form, beside) for form in ("fp32", "bf16", "int8")}
    assert found["fp32"]["change_accuracy"] == 0 and found["fp32"]["agreement"] == 1
    assert found["int8"]["size_bytes"] < found["bf16"]["size_bytes"] < found["fp32"]["size_bytes"]
    for record in found.values():
        assert record["size_zstd_bytes"] < record["size_bytes"] and record["batch_1_ms"] > 0 and record["batch_32_to_dense"] > 0
        assert record["test_images"] == len(store.indices("test")) and "recall_3" in record
        assert str(record["runtime"]).startswith("onnxruntime ")
