"""What docs/using.md shows: an exported file in a program of its own."""

import numpy as np
import pytest
import torch
from deploy_networks import INPUTS, saved
from PIL import Image

from pages import blocks
from prunescope.deploy.exporting import Squares, export
from prunescope.deploy.loading import load

pytest.importorskip("onnx", reason="onnx is not installed: pip install 'prunescope[deploy]'")
[CODE] = [code for _, code in blocks("python") if "onnxruntime" in code]


@pytest.mark.parametrize("size", [(32, 32), (50, 41), (40, 129)])
def test_the_program_says_what_torch_says(tmp_path, monkeypatch, capsys, size):
    monkeypatch.chdir(tmp_path)
    network, random = load(saved(tmp_path)), np.random.default_rng(0)
    export(network, tmp_path / "network.onnx", Squares(random.integers(0, 256, (4, 32, 32, 3), dtype=np.uint8)))
    image = Image.fromarray(random.integers(0, 256, (size[1], size[0], 3), dtype=np.uint8))
    image.save("image.png")
    names: dict = {}
    exec(CODE, names)
    with torch.no_grad():
        wanted = network(network.preprocess(image))[0].numpy()
    np.testing.assert_allclose(names["logits"][0], wanted, atol=1e-4)
    assert capsys.readouterr().out.strip() == INPUTS.classes[int(wanted.argmax())]
