"""Architectures that params.yaml may name go the whole way of a study; PRUNESCOPE_EVERY=1: every one."""

import re

import numpy as np
import psutil
import pytest
import torch
from torchvision.models import get_model_builder

from prunescope.evaluation import packing
from prunescope.evaluation.costs import costs, layer_rows
from prunescope.networks import checkpoint
from prunescope.networks.architectures import Architecture, build, fill_
from prunescope.networks.masks import achieved_sparsity, apply_, layer_of, ones, prunable
from prunescope.networks.predict import predict
from prunescope.pruning.scopes import SCOPES
from prunescope.pruning.selection import keep_top
from prunescope.similarity.cka import cka_maps
from prunescope.similarity.features import unseen
from prunescope.study.architectures import ARCHITECTURES
from prunescope.training.loop import Log, fit
from prunescope.training.losses import cross_entropy
from prunescope.training.optimizers import make
from variants import SMALLEST, TRIED, head, image_size

CPU, SPARSITY = torch.device("cpu"), 0.8
TAKES = 10  # copies of the weights that the whole way has in memory at its widest


def moved(network: torch.nn.Module) -> float:
    """A number that no step of training leaves as it is."""
    return sum(float(parameter.detach().double().sum()) for parameter in network.parameters())


def test_every_family_is_tried():
    """A family is a builder's module, and what its names begin with."""
    families = {
        name: (get_model_builder(name).__module__, re.findall("^[a-z]+(?:_v2|_x|_y)?", name)[0]) for name in ARCHITECTURES
    }
    assert {families[name] for name in SMALLEST} == set(families.values())


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.filterwarnings("ignore:.*similarity is NaN for layers constant")  # a few images, random weights
@pytest.mark.parametrize("name", TRIED)
def test_the_whole_way(name, tmp_path, make_store, make_batches):
    size = image_size(name)
    store = make_store(train=4, val=3, test=8, size=size)
    architecture = Architecture(name, 3, head=head(name))
    network = build(architecture)
    parameters = sum(parameter.numel() for parameter in network.parameters())
    if psutil.virtual_memory().available < TAKES * 4 * parameters:
        pytest.skip(f"{TAKES} times {name}'s {parameters / 1e6:,.0f} M parameters do not fit into the memory at hand")

    weights = prunable(network)
    everything, masks = ones(weights), {}
    for (layer,), count in SCOPES["layer"](weights, {}, SPARSITY):  # one ranking would leave layers of random weights empty
        masks |= keep_top({layer: weights[layer].detach()}, {layer: everything[layer]}, count)
    apply_(weights, masks)
    path = tmp_path / "pruned.safetensors"
    pruned = checkpoint.Checkpoint("pruned", architecture, network.state_dict(), checkpoint.Bits(masks))
    checkpoint.write(path, pruned)
    del network, weights, masks, everything, pruned

    read = checkpoint.read(path)
    network = read.network()
    weights = prunable(network)
    assert weights.keys() == read.masks.keys()
    before, update = moved(network), make("sgd", list(network.parameters()), momentum=0.0, weight_decay=0.0)
    fit(
        network, make_batches(store, batch_size=2), cross_entropy(), first=0, last=1, schedule=lambda step: 0.1, update=update,
        precision=torch.float32, seed=0, log=Log(), validate=lambda network: (0.0, 0.0), weights=weights, masks=read.masks,
        clip_norm=0.01,  # batch norm over two values has slopes without bound
    )  # fmt: skip
    network.zero_grad(set_to_none=True)
    assert moved(network) != before, "the step moved nothing"
    assert abs(achieved_sparsity(weights) - SPARSITY) < 1e-3

    logits, _ = predict(network, store, "test", device=CPU)
    found, rows = costs(network, read.masks, size), layer_rows(network, size)
    assert logits.shape == (8, 3) and bool(logits.isfinite().all())
    assert {row[0] for row in rows} == set(map(layer_of, weights))
    assert 0 < found["nonzero_macs"] < found["macs"] and all(row[4] for row in rows)

    trained = checkpoint.Checkpoint("finetuned", read.architecture, network.state_dict(), read.masks)
    again = packing.unpack(packing.pack(trained), path)
    assert again.state.keys() == trained.state.keys()
    assert all(torch.equal(again.state[name], tensor) for name, tensor in trained.state.items())
    fill_(network, again.state)
    del again, trained, read, weights

    for layers in ("all", "blocks"):
        images = torch.tensor(store.images[store.indices("test")]).permute(0, 3, 1, 2).float() / 255
        maps = cka_maps({"a": network}, [images], layers=layers)
        values = maps["a", "a"]
        assert len(values) >= 4 and np.nanmax(abs(values.diagonal() - 1)) < 1e-4
        if layers == "all":
            left = unseen(network, maps.layers["a"])
            assert len(values) + len(left) >= len(rows) and bool(left) == name.startswith(("vit", "swin"))
