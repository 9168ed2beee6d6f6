"""A configured method's score on a network, and the levels that it gives the layers of the base."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from prunescope.networks.checkpoint import Checkpoint
from prunescope.networks.masks import ones, prunable
from prunescope.pruning.calibration import mean_gradients
from prunescope.pruning.plans import Round
from prunescope.pruning.run import prune
from prunescope.pruning.scores import SCORES
from prunescope.training import parallel
from prunescope.training.setup import Setup

Weights = dict[str, nn.Parameter]


def score_of(
    method: Any, setup: Setup, network: nn.Module, weights: Weights, seed: int
) -> Callable[[Weights], Mapping[str, Tensor]]:
    """What `run` asks for scores. method: a row of params.yaml's `prune` · network: as it is called, by all processes."""
    calibrate = {"count": method.score_batches, "precision": setup.precision}
    slopes = partial(mean_gradients, network, weights, setup.batches, setup.task, **calibrate)
    return partial(SCORES[method.score], seed=seed, gradients=slopes)


def base_levels(method: Any, setup: Setup, base: Checkpoint, sparsity: float, seed: int) -> dict[str, float]:
    """The sparsity of each layer if all were pruned at once in the method's scope, in a copy of the base: exact fractions."""
    network = setup.to_device(base.network())
    weights = prunable(network, method.exclude)
    once = Round(tuple(weights), sparsity, method.scope, 0)
    masks = prune(weights, ones(weights), once, score_of(method, setup, parallel.shared(network), weights, seed))
    return {name: 1 - int(torch.count_nonzero(mask)) / mask.numel() for name, mask in masks.items()}
