"""Architectures that params.yaml may name become ONNX, pruned, as fp32 and as INT8, but for those that the docs name.

The smallest of each family; all of them with PRUNESCOPE_EVERY=1 (half an hour).
"""

import re
from functools import cache

import numpy as np
import psutil
import pytest
import torch
from deploy_networks import INPUTS

from graph import ROOT
from prunescope.deploy import exporting
from prunescope.deploy.loading import load
from prunescope.errors import PrunescopeError
from prunescope.networks import checkpoint
from prunescope.networks.architectures import Architecture, build
from prunescope.networks.inputs import Inputs
from prunescope.networks.masks import apply_, ones, prunable
from prunescope.pruning.selection import keep_top
from variants import TRIED, head, image_size

pytest.importorskip("onnx", reason="onnx is not installed: pip install 'prunescope[deploy]'")
TAKES = 12  # copies of the weights in memory: torch's, the graph's, its bytes, the runtime's, and those of INT8
NAMED = set(
    re.findall(r"`(\w+)`", re.findall(r"## ONNX\n(.*?)\n## ", (ROOT / "docs/architectures.md").read_text(), re.DOTALL)[0])
)


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("name", TRIED)
def test_export(name, tmp_path, monkeypatch):
    monkeypatch.setattr(exporting, "float_graph", cache(exporting.float_graph))  # of both formats
    size = image_size(name)
    architecture = Architecture(name, 3, head=head(name))
    network = build(architecture).eval()
    parameters = sum(parameter.numel() for parameter in network.parameters())
    if psutil.virtual_memory().available < TAKES * 4 * parameters:
        pytest.skip(f"{TAKES} times {name}'s {parameters / 1e6:,.0f} M parameters do not fit into the memory at hand")
    weights, masks = prunable(network), {}
    for layer, weight in weights.items():
        masks |= keep_top({layer: weight.detach()}, ones({layer: weight}), max(1, weight.numel() // 5))
    apply_(weights, masks)
    made = checkpoint.Checkpoint(
        "pruned", architecture, network.state_dict(), checkpoint.Bits(masks),
        inputs=Inputs("skin", INPUTS.classes, INPUTS.mean, INPUTS.std, size),
    )  # fmt: skip
    checkpoint.write(tmp_path / "a.safetensors", made)
    squares = np.random.default_rng(0).integers(0, 256, (8, size, size, 3), dtype=np.uint8)
    ready, images = load(tmp_path / "a.safetensors"), exporting.Squares(squares)
    with torch.no_grad():
        assert torch.isfinite(ready(ready.preprocess.of_squares(squares))).all()
    if name in NAMED:
        with pytest.raises(PrunescopeError):
            exporting.export(ready, tmp_path / "a.onnx", images)
        return
    exporting.export(ready, tmp_path / "a.onnx", images)
    exporting.require_alike, kept = lambda *_, **__: None, exporting.require_alike  # random weights: ties of three classes
    try:
        exporting.export(ready, tmp_path / "b.onnx", images, form="int8", calibration=squares)
    finally:
        exporting.require_alike = kept
