"""Commands that write: none destroys what it reads, and what cannot be written is said before any work."""

import shutil

import numpy as np
import pytest
from deploy_networks import saved
from PIL import Image

from prunescope.__main__ import main


@pytest.fixture
def say(tmp_path, monkeypatch, capsys):
    """Give a command in a folder that has network.safetensors, network.packed and images/; its exit code and what it said."""
    shutil.move(saved(tmp_path), tmp_path / "network.safetensors")
    (tmp_path / "images").mkdir()
    for number in range(3):
        pixels = np.random.default_rng(number).integers(0, 256, (32, 32, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"images/{number}.png")
    monkeypatch.chdir(tmp_path)

    def given(*words: str) -> tuple[object, str]:
        monkeypatch.setattr("sys.argv", ["prunescope", *words])
        try:
            code = main()
        except SystemExit as stop:
            code = stop.code
        return code, "".join(capsys.readouterr())

    assert given("pack", "network.safetensors", "network.packed")[0] in (0, None)
    return given


NET = "network.safetensors"


@pytest.mark.parametrize(("words", "kept"), [
    (("predict", NET, "images", "--out", "images/1.png"), "images/1.png"),
    (("predict", NET, "images", "--out", "./network.safetensors"), NET),
    (("export", NET, "--weights", "images/../network.safetensors"), NET),
    (("export", NET, "--onnx", NET), NET),
    (("pack", NET, NET), NET),
    (("unpack", "network.packed", "network.packed"), "network.packed"),
])  # fmt: skip
def test_what_is_read_is_not_overwritten(say, tmp_path, words, kept):
    before = (tmp_path / kept).read_bytes()
    code, said = say(*words)
    assert code == 1 and "which is read here, wanted another name: it would be overwritten" in said
    assert (tmp_path / kept).read_bytes() == before


@pytest.mark.parametrize(("words", "message"), [
    (("export", NET, "--onnx", "images"), "--onnx: found images, which is a folder, wanted the name of a file"),
    (("predict", NET, "images", "--out", "network.packed/a.csv"), "wanted a place that can be written"),
    (("export", NET, "--onnx", "a.onnx", "--weights", "a.onnx"), "found a.onnx as --onnx and as --weights, wanted two names"),
    (("export", NET, "--onnx", "a.onnx", "--opset", "99"), "found opset 99, wanted one of 1 to "),
    (("export", NET, "--onnx", "other.onnx"), "found other.json, which is of no export"),
    (("predict", NET, "network.packed", "images"), "found network.packed among the images, wanted one network a call"),
    (("predict", NET, "images", "--device", "quatsch"), "found device quatsch, wanted auto, cpu, mps"),
    (("predict", "images/0.png", "images"), "images/0.png is not a whole safetensors file"),
    (("predict", "images", "images"), "images cannot be read: Is a directory; wanted a checkpoint"),
])  # fmt: skip
def test_what_cannot_be_is_said_before_any_work(say, tmp_path, monkeypatch, words, message):
    if "onnx" in " ".join(words):
        pytest.importorskip("onnx", reason="onnx is not installed: pip install 'prunescope[deploy]'")
    (tmp_path / "other.json").write_text('{"name": "of something else"}')
    monkeypatch.setattr("prunescope.deploy.graph.float_graph", lambda *_, **__: pytest.fail("it worked before it looked"))
    code, said = say(*words)
    assert code == 1 and message in said


def test_int8_of_few_images_is_refused(say):
    pytest.importorskip("onnx", reason="onnx is not installed: pip install 'prunescope[deploy]'")
    code, said = say("export", NET, "--onnx", "a.onnx", "--values", "int8", "--images", "images")
    assert code == 1 and "--images: found 3 images in images, wanted at least 16 for int8" in said


def test_a_packed_network_of_rounded_values_says_so(say):
    from prunescope.deploy.loading import load

    assert "values" not in load("network.packed").about
    say("pack", NET, "small.packed", "--values", "int8")
    say("unpack", "small.packed", "small.safetensors")
    assert load("small.packed").about["values"] == load("small.safetensors").about["values"] == "int8"
