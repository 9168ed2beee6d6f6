"""Layer sensitivity: a layer that matters and one that does not, exact levels, fresh statistics, and an untouched network."""

import copy
from functools import partial

import pytest
import torch
from torch import Tensor, nn

from prunescope.networks.masks import prunable
from prunescope.networks.predict import validate
from prunescope.pruning.calibration import reestimate_
from prunescope.pruning.recovery import MEASURED_BATCHES
from prunescope.pruning.sensitivity import layer_sensitivity

CPU, FP32 = torch.device("cpu"), torch.float32


class Planted(nn.Module):
    """Three classes that one linear layer tells apart by one pixel each; a second branch of as many weights adds nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.idle, self.silent = nn.Linear(192, 3), nn.Parameter(torch.zeros(()))
        self.telling = nn.Linear(192, 3, bias=False)
        with torch.no_grad():
            self.telling.weight.zero_()
            self.telling.weight[range(3), range(3)] = 1.0

    def forward(self, images: Tensor) -> Tensor:
        flat = images.flatten(1)
        return self.telling(flat) + self.silent * self.idle(flat)


def rows_of(network, store, batches, levels=(0.5, 0.8, 0.99), most=None):
    look = partial(validate, store=store, split="val", device=CPU, most=most)
    found = layer_sensitivity(network, prunable(network), levels, batches=batches, validate=look, precision=FP32)
    return list(found)


def test_the_layer_that_matters_is_found_and_the_other_is_not(make_store, make_batches) -> None:
    store, network = make_store(val=9), Planted()
    for image, label in zip(store.images, store.labels, strict=True):
        image[0, :3] = 0  # the first three inputs: red of the first three pixels
        image[0, label, 0] = 255
    base, *rows = rows_of(network, store, make_batches(store), levels=(0.5, 573 / 576, 575 / 576))
    assert base[:4] == ("", 0.0, 1152, pytest.approx(573 / 1152)) and base[4] == 1.0
    assert [(name, size) for name, _, size, *_ in rows] == [("idle", 576)] * 3 + [("telling", 576)] * 3
    assert [accuracy for *_, accuracy, _ in rows[:3]] == [1.0] * 3, "nothing hangs on it"
    assert [accuracy for *_, accuracy, _ in rows[3:5]] == [1.0] * 2, "its zeros go first"
    assert rows[5][4] < 1.0 and (rows[5][5] or 0.0) > (base[5] or 0.0), "one weight does not tell three classes apart"


def test_levels_are_exact_and_the_network_is_untouched_bit_for_bit(make_store, make_network, make_batches) -> None:
    store, network = make_store(), make_network().train()
    batches = make_batches(store)
    network(batches.at(3)[0])  # statistics of its own
    before = copy.deepcopy(network.state_dict())
    rows = rows_of(network, store, batches)
    assert network.training and network[1].momentum == 0.1
    after = network.state_dict()
    assert before.keys() == after.keys() and all(torch.equal(tensor, after[name]) for name, tensor in before.items())
    assert [(layer, level) for layer, level, *_ in rows[1:]] == [(n, at) for n in "057" for at in (0.5, 0.8, 0.99)]
    for _, level, size, achieved, *_ in rows[1:]:
        assert achieved == round(level * size) / size


def test_each_row_is_of_one_layer_pruned_and_its_own_statistics(make_store, make_network, make_batches) -> None:
    """By hand, on a copy: the smallest weights of that layer to zero, batch norm anew, all images."""
    store, network = make_store(val=40), make_network()
    batches = make_batches(store)
    checked = 0
    for layer, level, size, _, accuracy, loss in rows_of(network, store, batches):
        pruned = copy.deepcopy(network)
        if layer:
            weight = pruned[int(layer)].weight.data
            weight.view(-1)[weight.abs().flatten().argsort()[: round(level * size)]] = 0
        reestimate_(pruned, batches, count=MEASURED_BATCHES, precision=FP32)
        assert (loss, accuracy) == validate(pruned, store, "val", device=CPU)
        checked += 1
    assert checked == 10
    stale = validate(network, store, "val", device=CPU)
    assert rows_of(network, store, batches)[0][5] != stale[0], "the dense row has new statistics too"


def test_a_loss_that_is_not_finite_is_none(make_store, make_network, make_batches) -> None:
    network, batches = make_network(), make_batches(make_store())
    broken = {"validate": lambda _: (float("inf"), 0.1), "precision": FP32}
    found = layer_sensitivity(network, prunable(network), [0.5], batches=batches, **broken)
    assert [row[5] for row in found] == [None] * 4
