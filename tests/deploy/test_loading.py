"""A finished network from its file: what it takes stands in it, and torchvision's own module takes its weights."""

import copy
import dataclasses
import json
import subprocess
import sys

import numpy as np
import pytest
import torch
from deploy_networks import INPUTS, VGG, pruned, saved
from PIL import Image
from safetensors.torch import load_file, save

import prunescope
from prunescope.data.batches import in_order
from prunescope.data.store import read as read_store
from prunescope.deploy.loading import load
from prunescope.errors import PrunescopeError
from prunescope.evaluation.packing import pack
from prunescope.networks import checkpoint
from prunescope.networks.architectures import Architecture, build
from prunescope.networks.inputs import Inputs
from prunescope.sources.images import fit


def picture(width: int = 50, height: int = 40, seed: int = 0) -> Image.Image:
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8))


def test_two_lines_give_a_network_that_is_ready(tmp_path):
    path = saved(tmp_path)
    for given in (path, str(path)):
        network = prunescope.load(given)
        assert not network.training and network.classes == ("mel", "nv", "bkl")
        assert network.about["sparsity"] == 0.8 and network.about["dataset"] == "skin"
        batch = network.preprocess(picture())
        with torch.no_grad():
            assert network(batch).shape == (1, 3)
        weights = dict(network.named_parameters())
        assert network.masks and all(not weights[name][~mask].any() for name, mask in network.masks.items())


def test_attributes_leave_the_module_as_it_is(tmp_path):
    """The state dict is torchvision's, and the network can be copied."""
    network = load(saved(tmp_path))
    assert network.state_dict().keys() == build(VGG).state_dict().keys()
    again = copy.deepcopy(network)
    assert again.classes == network.classes and torch.equal(again.preprocess(picture()), network.preprocess(picture()))


def test_preprocessing_is_that_of_training(digits_store, tmp_path):
    store = read_store(digits_store)
    network = load(
        saved(tmp_path, inputs=Inputs.of(store, "digits"), architecture=Architecture("vgg11_bn", 10, 0.125, "cifar", "compact"))
    )
    positions = store.indices("test")[:7]
    [(wanted, _)] = list(in_order(store, positions, batch_size=7, device=torch.device("cpu")))
    squares = store.images[positions]
    assert torch.equal(network.preprocess.of_squares(squares), wanted)
    assert torch.equal(network.preprocess([Image.fromarray(one) for one in squares]), wanted)
    planes = torch.from_numpy(squares.copy()).permute(0, 3, 1, 2)
    assert torch.equal(network.preprocess(planes), wanted)
    assert torch.allclose(network.preprocess(planes.float() / 255), wanted, atol=1e-5)


def test_other_sizes_are_fitted_as_by_the_download_stage(tmp_path):
    network, image = load(saved(tmp_path)), picture(90, 61)
    wanted = network.preprocess.of_squares(fit(image.copy(), 32)[0][None])
    assert torch.equal(network.preprocess(image), wanted)
    tensor = torch.from_numpy(np.asarray(image).copy()).permute(2, 0, 1)
    assert torch.equal(network.preprocess(tensor), wanted)
    apart = (network.preprocess(tensor.float() / 255) - wanted).abs().max()
    assert 0 < apart < 1.5 / 255 / min(INPUTS.std)  # rounded to 8 bits or not
    grey = network.preprocess(tensor[:1])
    assert grey.shape == (1, 3, 32, 32)


def test_a_turned_image_is_left_as_it_is(tmp_path):
    image = picture(40, 50)
    exif = image.getexif()
    exif[0x0112] = 6
    image.save(tmp_path / "turned.jpg", exif=exif)
    with Image.open(tmp_path / "turned.jpg") as opened:
        load(saved(tmp_path)).preprocess(opened)
        assert opened.getexif().get(0x0112) == 6


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (torch.zeros(2, 5, 8, 8), "found a tensor (2, 5, 8, 8) torch.float32, wanted (3, H, W) or (N, 3, H, W)"),
        (torch.zeros(3, 8, 8, dtype=torch.int64), "torch.int64, wanted"),
        (torch.full((3, 8, 8), 255.0), "found floats from 255 to 255, wanted 0 to 1"),
        (torch.full((3, 8, 8), torch.nan), "wanted 0 to 1: not normalised, not NaN"),
        ([], "found no image, wanted a PIL image"),
        (["a.png"], "found str, wanted a PIL image"),
    ],
)
def test_what_is_no_image_is_refused(tmp_path, given, message):
    with pytest.raises(PrunescopeError) as error:
        load(saved(tmp_path)).preprocess(given)
    assert message in str(error.value)


def test_plain_torchvision_takes_the_weights(tmp_path):
    """Of a network of full width: torchvision knows no other. The masks lie beside the weights under names of their own."""
    from torchvision.models import resnet18

    path = saved(tmp_path, architecture=Architecture("resnet18", 3))
    network = resnet18(num_classes=3)
    network.load_state_dict({name: tensor for name, tensor in load_file(path).items() if ":" not in name})
    batch = torch.randn(2, 3, 32, 32)
    with torch.no_grad():
        assert torch.equal(network.eval()(batch), load(path)(batch))


def test_packed_files_are_loaded_too(tmp_path):
    path = tmp_path / "small.packed"
    path.write_bytes(pack(pruned()))
    network, wanted = load(path), load(saved(tmp_path))
    assert network.classes == wanted.classes and network.about == wanted.about
    batch = torch.randn(2, 3, 32, 32)
    with torch.no_grad():
        assert torch.equal(network(batch), wanted(batch))


def test_a_file_of_before_takes_its_store(tmp_path, digits_store):
    architecture = Architecture("vgg11_bn", 10, 0.125, "cifar", "compact")
    path = saved(tmp_path, architecture=architecture, inputs=None)
    with pytest.raises(PrunescopeError, match="does not say which images it takes"):
        load(path)
    assert load(path, store=digits_store).classes == tuple("0123456789")


def test_another_data_set_is_refused(tmp_path, digits_store):
    with pytest.raises(PrunescopeError, match=r"has other classes or another image size than .* was trained on \(skin\)"):
        load(saved(tmp_path), store=digits_store)
    with pytest.raises(PrunescopeError, match=r"found 10 classes in .* and a network of 3 outputs"):
        load(saved(tmp_path, inputs=None), store=digits_store)


def test_what_is_no_network_is_refused(tmp_path):
    with pytest.raises(PrunescopeError, match="no checkpoint at"):
        load(tmp_path / "none.safetensors")
    (tmp_path / "broken.safetensors").write_bytes(b"broken")
    with pytest.raises(PrunescopeError, match="is not a whole safetensors file"):
        load(tmp_path / "broken.safetensors")


@pytest.mark.parametrize(("key", "value"), [("image_size", 1e999), ("image_size", "32"), ("mean", [0.5, 0.5, float("nan")])])
def test_what_it_takes_has_to_be_whole(tmp_path, key, value):
    path = tmp_path / "a.safetensors"
    made = {**INPUTS.as_dict(), key: value}
    header = {"format": 1, "kind": "dense", "architecture": VGG.as_dict(), "parents": {}, "about": {}, "inputs": made}
    path.write_bytes(save({"a": torch.zeros(1)}, metadata={"prunescope": json.dumps(header)}))
    with pytest.raises(PrunescopeError, match="its header or masks are not whole"):
        load(path)


def test_a_header_that_is_too_deep_is_refused(tmp_path):
    path = tmp_path / "a.safetensors"
    path.write_bytes(save({"a": torch.zeros(1)}, metadata={"prunescope": "[" * 200_000}))
    with pytest.raises(PrunescopeError, match="is not a whole safetensors file"):
        load(path)


def test_a_packed_file_of_a_giant_takes_no_memory(tmp_path):
    """Its bits fit no network of this width, but to tell, batch norm of 20 TB would be made."""
    data = pack(pruned()).replace(b'width\\": 0.125', b'width\\": 9.0e9')
    assert b"9.0e9" in data
    (tmp_path / "a.packed").write_bytes(data)
    with pytest.raises(PrunescopeError, match=r"a\.packed is no whole packed file .*width: found 9000000000\.0"):
        load(tmp_path / "a.packed")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"width": 0.25}, r"tensors that are not those of vgg11_bn at width 0\.25, classifier\.0\.bias first"),
        ({"width": 1e9}, "width: found 1000000000.0, wanted more than 0 and at most 4"),  # would take all memory
        ({"width": "wide"}, "width: found 'wide', wanted more than 0"),
        ({"classes": 3.0}, "no network is built as its header says"),
        ({"name": "vgg13_bn"}, "tensors that are not those of vgg13_bn"),
    ],
)
def test_a_header_of_another_network_is_refused_before_it_is_built(tmp_path, monkeypatch, change, message):
    made = pruned()
    path = tmp_path / "a.safetensors"
    checkpoint.write(path, dataclasses.replace(made, architecture=dataclasses.replace(VGG, **change)))
    monkeypatch.setattr(checkpoint.Checkpoint, "network", lambda _: pytest.fail("it was built"))
    with pytest.raises(PrunescopeError, match=message):
        load(path)


def test_headers_without_inputs_keep_their_bytes(tmp_path):
    """Files of before read as they did, and are written as they were."""
    old = pruned(inputs=None)
    digest = checkpoint.write(tmp_path / "old.safetensors", old)
    assert checkpoint.read(tmp_path / "old.safetensors").inputs is None
    assert checkpoint.write(tmp_path / "again.safetensors", checkpoint.read(tmp_path / "old.safetensors")) == digest
    assert checkpoint.write(tmp_path / "new.safetensors", dataclasses.replace(old, inputs=INPUTS)) != digest
    assert checkpoint.read(tmp_path / "new.safetensors").inputs == INPUTS


def test_asking_for_the_version_imports_no_torch():
    code = "import prunescope, sys; assert prunescope.__version__ and prunescope.load; sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
