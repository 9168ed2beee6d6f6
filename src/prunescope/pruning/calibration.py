"""Passes over training batches that change no weight: mean gradients for a score, batch-norm statistics after pruning."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from prunescope.data.batches import Batches
from prunescope.runtime import autocast
from prunescope.training import parallel
from prunescope.training.losses import Loss

Weights = dict[str, nn.Parameter]


def mean_gradients(
    network: nn.Module, weights: Weights, batches: Batches, loss: Loss, *, count: int, precision: torch.dtype
) -> dict[str, Tensor]:
    """Mean gradient of the loss by each weight over the first `count` batches of the budget, in evaluation mode."""
    training = network.training
    network.eval()
    slopes = {name: torch.zeros_like(weight) for name, weight in weights.items()}
    for step in range(count):
        images, labels = batches.at(step)
        with autocast(batches.device, precision):
            value, _, _ = loss(network, images, labels, *([batches.labels_at(step)] if parallel.count() > 1 else []))
        value.backward()
        for name, weight in weights.items():  # in buffers of our own: CUDA graphs overwrite theirs
            if weight.grad is not None:
                slopes[name] += weight.grad / count
        for parameter in network.parameters():
            parameter.grad = None
    network.train(training)
    return slopes


def reestimate_(network: nn.Module, batches: Batches, *, count: int, precision: torch.dtype) -> dict[str, Tensor]:
    """Replace batch norm's running mean and variance by their plain mean over the first `count` batches of the budget.

    Pruning shifts what the layers put out, so statistics of the unpruned network fit no more (Li et al. 2020, EagleEye).
    Returns the new buffers by their names in the state dict; empty for a network without batch normalisation.
    """
    norms = {name: module for name, module in network.named_modules() if isinstance(module, _BatchNorm)}
    training, momenta = network.training, {name: norm.momentum for name, norm in norms.items()}
    network.eval()
    for norm in norms.values():
        norm.reset_running_stats()
        norm.momentum = None  # torch's word for the cumulative mean
        norm.train()
    with torch.no_grad(), autocast(batches.device, precision):
        for step in range(count if norms else 0):
            network(batches.at(step)[0])
    for name, norm in norms.items():
        norm.momentum = momenta[name]
    network.train(training)
    return {f"{name}.{key}": buffer.clone() for name, norm in norms.items() for key, buffer in norm.named_buffers()}


def fill_buffers_(network: nn.Module, values: Mapping[str, Tensor]) -> None:
    """Set buffers back, by their names in the state dict."""
    for name, buffer in network.named_buffers():
        if name in values:
            buffer.copy_(values[name])
