"""ONNX: the same numbers as torch's, removed weights zero in every format, and nothing written that is another network."""

import argparse
import json

import numpy as np
import pytest
import torch
from deploy_networks import VGG, saved

from prunescope.__main__ import main
from prunescope.deploy import commands, exporting, graph
from prunescope.deploy.loading import load
from prunescope.deploy.quantising import require_zeros
from prunescope.errors import PrunescopeError
from prunescope.networks.architectures import Architecture

onnx = pytest.importorskip("onnx", reason="onnx is not installed: pip install 'prunescope[deploy]'")
pytest.importorskip("onnxruntime", reason="onnxruntime is not installed: pip install 'prunescope[deploy]'")
pytest.importorskip("onnxscript", reason="onnxscript is not installed: pip install 'prunescope[deploy]'")
from onnx import numpy_helper  # noqa: E402 - where it is installed

SQUARES = np.random.default_rng(0).integers(0, 256, (48, 32, 32, 3), dtype=np.uint8)
IMAGES = exporting.Squares(SQUARES, np.arange(48) % 3)


@pytest.fixture(scope="module")
def network(tmp_path_factory):
    return load(saved(tmp_path_factory.mktemp("network")))


@pytest.mark.parametrize("inside", [False, True])
def test_a_graph_does_what_torch_does(tmp_path, network, inside):
    path = tmp_path / "a.onnx"
    found = exporting.export(network, path, IMAGES, inside=inside)
    assert found.agreement == 1 and found.difference < 1e-4
    running = graph.session(path.read_bytes())
    batch = network.preprocess.of_squares(SQUARES)
    with torch.no_grad():
        wanted = network(batch)
    for count in (1, 5, 48):  # any batch, whatever the example was
        given = SQUARES[:count] if inside else np.ascontiguousarray(batch[:count].numpy())
        np.testing.assert_allclose(running.run(None, {"images": given})[0], wanted[:count].numpy(), atol=1e-4)
    said = exporting.metadata(path)
    assert said["classes"] == ["mel", "nv", "bkl"] and said["about"]["method"] == "oneshot" and said["image_size"] == 32
    beside = path.with_suffix(".json")
    assert beside.is_file() != inside
    if not inside:
        assert json.loads(beside.read_text())["mean"] == [0.7, 0.5, 0.4]


def test_what_says_how_to_normalise_goes_with_the_graph_that_wants_it(tmp_path, network):
    path, beside = tmp_path / "a.onnx", tmp_path / "a.json"
    exporting.export(network, path, IMAGES)
    assert beside.is_file()
    exporting.export(network, path, IMAGES, inside=True)
    assert not beside.exists()
    beside.write_text('{"mean": "of a user"}')
    exporting.export(network, path, IMAGES, inside=True)
    assert beside.read_text() == '{"mean": "of a user"}'


DENSENET = Architecture("densenet121", 3, 0.125, "cifar")


@pytest.mark.parametrize(
    "architecture",
    [VGG, *(pytest.param(of, marks=pytest.mark.slow) for of in (Architecture("resnet18", 3, stem="cifar"), DENSENET))],
)
def test_zeros_stay_zeros_in_every_format(tmp_path, architecture):
    network = load(saved(tmp_path, architecture=architecture))
    names = dict(network.masks)
    sizes = {}
    for form in exporting.FORMATS:
        path = tmp_path / f"{form}.onnx"
        exporting.export(network, path, IMAGES, form=form, calibration=SQUARES)
        sizes[form] = path.stat().st_size
        weights = {tensor.name: tensor for tensor in onnx.load(path).graph.initializer}
        end = {"fp32": "", "bf16": graph.ROUNDED, "int8": "_quantized"}[form]
        for name, mask in names.items():
            stored = weights[name + end]
            assert tuple(stored.dims) == mask.shape
            values = numpy_helper.to_array(stored).astype(np.float32)
            assert not values[~mask.numpy()].any() and values.any(), name
        assert exporting.metadata(path)["values"] == form
    assert sizes["int8"] < sizes["bf16"] < sizes["fp32"]
    assert sizes["bf16"] < 0.75 * sizes["fp32"] or architecture == DENSENET  # whose graph is longer than its weights


def test_a_weight_that_comes_back_is_an_error(network):
    model = exporting.converted(graph.float_graph(network), "int8", network, SQUARES)
    require_zeros(model, network.masks)
    name, mask = next(iter(network.masks.items()))
    tensor = next(one for one in model.graph.initializer if one.name == f"{name}_quantized")
    values = numpy_helper.to_array(tensor).copy()
    values[~mask.numpy()] = 1
    tensor.CopyFrom(numpy_helper.from_array(values, tensor.name))
    with pytest.raises(PrunescopeError, match=f"removed weights of {name} are not zero in the graph"):
        require_zeros(model, network.masks)
    tensor.name = "renamed"
    with pytest.raises(PrunescopeError, match=f"removed weights of {name} are not zero in the graph"):
        require_zeros(model, network.masks)


@pytest.mark.parametrize("form", ["fp32", "bf16"])
def test_zeros_are_checked_in_every_format(network, form):
    model = graph.float_graph(network)
    name = next(iter(network.masks))
    tensor = next(one for one in model.graph.initializer if one.name == name)
    tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor) + np.float32(1), name))
    with pytest.raises(PrunescopeError, match=f"removed weights of {name} are not zero in the graph"):
        exporting.converted(model, form, network, None)


def test_normalisation_is_not_rounded_with_the_weights(network):
    """bf16 of a graph that normalises inside gives what it gives beside."""
    logits = []
    for inside in (False, True):
        model = exporting.converted(graph.float_graph(network, inside=inside), "bf16", network, None, inside=inside)
        given = torch.from_numpy(SQUARES) if inside else network.preprocess.of_squares(SQUARES)
        logits.append(graph.logits_of(graph.session(model.SerializeToString()), [given]))
    assert (logits[0] - logits[1]).abs().max() < 1e-4 * logits[0].abs().max()


@pytest.mark.parametrize("opset", [17, 99])
def test_an_opset_that_is_not_reached_is_said(network, opset, caplog):
    """torch tries to convert, and keeps its own where that fails."""
    with pytest.raises(PrunescopeError, match=rf"found opset 18 in what torch .* wanted {opset}, which it cannot make"):
        graph.float_graph(network, opset=opset)
    assert not [one for one in caplog.records if one.levelname != "DEBUG"]


def test_what_is_too_large_for_one_file_is_said_before_any_work(network, monkeypatch):
    monkeypatch.setattr(graph, "MOST", 1000)
    monkeypatch.setattr(torch.onnx, "export", lambda *_, **__: pytest.fail("it was exported"))
    with pytest.raises(PrunescopeError, match=r"found a network of .* GB, wanted at most 0\.00"):
        graph.float_graph(network)


def test_a_session_has_the_threads_that_the_record_tells(network):
    data = graph.float_graph(network).SerializeToString()
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(3)
        assert graph.session(data).get_session_options().intra_op_num_threads == 3
        assert graph.session(data, threads=1).get_session_options().intra_op_num_threads == 1
    finally:
        torch.set_num_threads(before)


def test_sessions_in_turn_leave_each_other_the_cores(network):
    options = graph.session(graph.float_graph(network).SerializeToString(), threads=2).get_session_options()
    assert options.get_session_config_entry("session.force_spinning_stop") == "1"


def test_another_network_is_not_written(tmp_path, network, monkeypatch):
    broken = graph.float_graph(network)
    last = [one for one in broken.graph.initializer if len(one.dims) == 2][-1]
    last.CopyFrom(numpy_helper.from_array(-numpy_helper.to_array(last), last.name))
    monkeypatch.setattr(exporting, "float_graph", lambda *_, **__: broken)
    for form in exporting.FORMATS:
        with pytest.raises(PrunescopeError, match="was not written"):
            exporting.export(network, tmp_path / "a.onnx", IMAGES, form=form, calibration=SQUARES)
    assert not list(tmp_path.iterdir())


def test_a_file_that_says_one_class_of_all_is_refused():
    """However often torch says that class too."""
    often = exporting.Compared(100, 0.5, 0.67, None, constant=True)
    with pytest.raises(PrunescopeError, match="the int8 file is another network"):
        exporting.require_alike(often, "int8", scale=1.0)
    exporting.require_alike(exporting.Compared(100, 0.5, 0.67, None), "int8", scale=1.0)


def test_formats_and_calibration_are_checked(network):
    with pytest.raises(PrunescopeError, match="found format 'int4', wanted one of fp32, bf16, int8"):
        exporting.converted(None, "int4", network, None)
    with pytest.raises(PrunescopeError, match="int8 needs training images"):
        exporting.converted(None, "int8", network, None)


def test_what_torch_cannot_export_is_said(network, monkeypatch):
    def fail(*_, **__):
        raise RuntimeError("no decomposition of aten::odd\nand more")

    monkeypatch.setattr(torch.onnx, "export", fail)
    with pytest.raises(PrunescopeError, match=r"cannot export this network to ONNX: no decomposition of aten::odd$"):
        graph.float_graph(network)


def test_images_of_a_folder_are_of_all_its_parts(tmp_path, network, monkeypatch):
    """Of a folder a class the first images are of one class alone."""
    from PIL import Image

    for name, level in (("a", 0), ("b", 255)):
        (tmp_path / name).mkdir()
        for number in range(6):
            Image.new("RGB", (32, 32), (level,) * 3).save(tmp_path / name / f"{number}.png")
    monkeypatch.setattr(commands, "CHECKED", 2)
    monkeypatch.setattr(commands, "CALIBRATED", 2)
    compared, calibration = commands._images(argparse.Namespace(images=tmp_path, store=None, values="fp32"), network)
    for squares in (compared.pixels, calibration):
        assert len(squares) == 2 and set(squares[:, 0, 0, 0].tolist()) == {0, 255}


def test_any_broken_image_is_named(tmp_path, network, monkeypatch):
    (tmp_path / "a.png").write_bytes(b"")
    monkeypatch.setattr("prunescope.deploy.pictures.square", lambda *_: (_ for _ in ()).throw(SyntaxError("broken PNG")))
    with pytest.raises(PrunescopeError, match=r"a\.png: broken PNG"):
        commands._images(argparse.Namespace(images=tmp_path, store=None), network)


def test_the_command(tmp_path, capsys, monkeypatch):
    path = saved(tmp_path)
    monkeypatch.chdir(tmp_path)

    def run(*arguments) -> int:
        monkeypatch.setattr("sys.argv", ["prunescope", "export", str(path), *map(str, arguments)])
        return main()

    assert run() == 1 and "found neither --onnx OUT nor --weights OUT" in capsys.readouterr().err
    assert run("--onnx", "a.onnx") == 1
    assert "found no prepared data set at prepared/skin" in capsys.readouterr().err
    from PIL import Image

    (tmp_path / "images").mkdir()
    for number, square in enumerate(SQUARES[:20]):
        Image.fromarray(square).save(tmp_path / "images" / f"{number}.png")
    assert run("--onnx", "a.onnx", "--values", "int8", "--images", "images", "--weights", "w.safetensors") == 0
    said = capsys.readouterr().out
    assert "calibrated on 10 images of images\na.onnx: int8" in said and "10 images: largest difference" in said
    from safetensors.torch import load_file

    state = load_file(tmp_path / "w.safetensors")
    assert state.keys() == load(path).state_dict().keys()
