"""Refusals that need a network, made before the expensive work. Like params, this only refuses: no stage lists it in `deps`."""

from collections.abc import Callable

import torch
from torch import nn

from prunescope.errors import PrunescopeError
from prunescope.networks.masks import prunable
from prunescope.pruning.plans import plan_of
from prunescope.study.contradictions import PAPER_METHODS
from prunescope.study.params import Params


def require_images_fit(network: nn.Module, model: str, image_size: int) -> None:
    """Raise PrunescopeError for a network that cannot take images of this size."""
    training = network.training
    network.eval()
    try:
        with torch.inference_mode():
            network(torch.zeros(2, 3, image_size, image_size))
    except (RuntimeError, AssertionError, ValueError) as error:
        raise PrunescopeError(f"{model} cannot take images of {image_size} px ({error}); raise prepare.image_size") from error
    finally:
        network.train(training)


def require_plans_fit(network: nn.Module, params: Params, dataset: str, *, steps: Callable[[float], int]) -> None:
    """Raise PrunescopeError now if a method's plan will not fit this network's budget, not after hours of pretraining.

    steps: epochs -> optimizer steps.
    """
    recipe = params.data[dataset]
    for name in dict.fromkeys((*PAPER_METHODS, *params.study.methods)):  # the named three are always pruned
        method = params.prune[name]
        for sparsity in params.sparsities:
            layers = tuple(prunable(network, method.exclude))
            spent = {"budget": steps(recipe.finetune.epochs), "round_steps": steps(recipe.epochs_per_round)}
            plan_of(method, layers, sparsity, **spent)
