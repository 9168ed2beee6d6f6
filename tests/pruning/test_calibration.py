"""Passes that change no weight: mean gradients, and batch-norm statistics as the plain mean over batches."""

import copy

import torch
import torch.nn.functional as F
from torch import nn

from prunescope.networks.masks import prunable
from prunescope.pruning.calibration import mean_gradients, reestimate_
from prunescope.training.losses import cross_entropy

FP32 = torch.float32


def test_mean_gradients_are_those_of_autograd_and_leave_nothing_behind(make_store, make_network, make_batches) -> None:
    network, batches = make_network(), make_batches(make_store())
    network.train()
    before = copy.deepcopy(network.state_dict())
    weights = prunable(network)
    found = mean_gradients(network, weights, batches, cross_entropy(), count=3, precision=FP32)
    assert network.training and all(p.grad is None for p in network.parameters())
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())
    network.eval()
    total = sum(F.cross_entropy(network(batches.at(step)[0]), batches.at(step)[1]) for step in range(3))
    assert isinstance(total, torch.Tensor)
    for (name, slope), wanted in zip(found.items(), torch.autograd.grad(total / 3, list(weights.values())), strict=True):
        torch.testing.assert_close(slope, wanted, msg=name)


def test_statistics_are_the_plain_mean_over_the_batches(make_store, make_batches) -> None:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4, momentum=0.3), nn.Dropout(0.5), nn.Flatten(), nn.LazyLinear(3))
    batches = make_batches(make_store())
    network(batches.at(0)[0])  # the old statistics
    weights = {name: p.detach().clone() for name, p in network.named_parameters()}
    found = reestimate_(network, batches, count=3, precision=FP32)
    outputs = [network[0](batches.at(step)[0]) for step in range(3)]
    mean = torch.stack([out.mean((0, 2, 3)) for out in outputs]).mean(0)
    variance = torch.stack([out.var((0, 2, 3)) for out in outputs]).mean(0)
    torch.testing.assert_close(found["1.running_mean"], mean)
    torch.testing.assert_close(found["1.running_var"], variance)
    assert set(found) == {"1.running_mean", "1.running_var", "1.num_batches_tracked"}
    assert network[1].momentum == 0.3 and network.training and network[2].training
    assert all(torch.equal(p, weights[name]) for name, p in network.named_parameters())
    assert torch.equal(network.state_dict()["1.running_mean"], found["1.running_mean"])


def test_a_network_without_batch_norm_has_nothing_to_reestimate(make_store, make_batches) -> None:
    network = nn.Sequential(nn.Flatten(), nn.Linear(192, 3))
    assert reestimate_(network, make_batches(make_store()), count=2, precision=FP32) == {}


def test_dropout_is_off_while_statistics_are_reestimated(make_store, make_batches) -> None:
    batches, found = make_batches(make_store()), []
    for share in (0.0, 0.9):
        torch.manual_seed(0)
        network = nn.Sequential(nn.Dropout(share), nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))
        network.train()
        found.append(reestimate_(network, batches, count=3, precision=FP32))
    assert all(torch.equal(tensor, found[1][name]) for name, tensor in found[0].items())
