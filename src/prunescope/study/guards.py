"""Refusals that need a network, made before the expensive work. Like params, this only refuses: no stage lists it in `deps`.

Networks are built without values, which tells all shapes in some hundredths of a second.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from prunescope.errors import PrunescopeError
from prunescope.networks.architectures import fitted, unfilled
from prunescope.networks.masks import prunable
from prunescope.pruning.plans import plan_of
from prunescope.similarity.features import capture, has_rows, home, layer_names
from prunescope.study.contradictions import LAYER_SETS, PAPER_METHODS
from prunescope.study.params import Params
from prunescope.study.recipes import IMAGE_SIZES


def require_study_fits(params: Params, dataset: str, *, steps: Callable[[float], int]) -> None:
    """Raise PrunescopeError for what a later stage would refuse of any network of the study, on any of its data sets.

    steps: epochs -> optimizer steps on `dataset`, whose plans alone can be counted here.
    """
    require_networks_fit(params)
    for name in params.study.models:
        network = unfilled(fitted(name, params.data[dataset].network, classes=2))
        require_plans_fit(network, name, params, dataset, steps=steps)


def require_networks_fit(params: Params) -> None:
    """Raise PrunescopeError where a network cannot take a data set's images, or a pattern matches none of its layers."""
    study, distill = params.study, params.distill
    for dataset in study.datasets:
        recipe = params.data[dataset]
        for name in dict.fromkeys((*study.models, *((distill.student,) if distill.teachers else ()))):
            network = unfilled(fitted(name, recipe.network, classes=2)).eval()
            require_images_fit(network, name, recipe.prepare.image_size, dataset)
            require_layers_match(network, name, params.cka.layers, recipe.prepare.image_size)
            for row in dict.fromkeys((*PAPER_METHODS, *study.methods)) if name in study.models else ():
                try:
                    prunable(network, params.prune[row].exclude)
                except PrunescopeError as error:
                    raise PrunescopeError(f"prune.{row}, for {name}: {error}") from error


def require_layers_chosen(params: Params) -> None:
    """The same where somebody wrote `cka.layers` as a pattern: its sets of layers suit all networks, and cost a stage nothing.

    For stages that train: the base network that was looked at may be older than the pattern.
    """
    if params.cka.layers not in LAYER_SETS:
        require_networks_fit(params)


def require_images_fit(network: nn.Module, name: str, image_size: int, dataset: str) -> None:
    """Raise PrunescopeError for a network that cannot take images of this size; it says which it takes."""
    error = refusal(network, image_size)
    if error:
        raise PrunescopeError(
            f"data.{dataset}.prepare.image_size: found {image_size}, wanted {sizes(network, image_size)}, for {name} ({error})"
        )


def sizes(network: nn.Module, image_size: int) -> str:
    """The nearest sizes that a network takes, in words."""

    def takes(size: int) -> bool:
        return not refusal(network, size)

    smallest, largest = IMAGE_SIZES[0], IMAGE_SIZES[-1]
    less = next(filter(takes, range(image_size - 1, smallest - 1, -1)), None)
    more = next(filter(takes, range(image_size + 1, largest + 1)), None)
    words = [] if less is None else [f"{less} or less" if takes(smallest) else f"{less}"]
    words += [] if more is None else [f"{more} or more" if takes(largest) else f"{more}"]
    return " or ".join(words) or "another model: this one takes no size"


def refusal(network: nn.Module, image_size: int) -> str:
    """What a network says of images of this size; empty if it takes them."""
    try:
        _forward(network, image_size)
    except (RuntimeError, AssertionError, ValueError) as error:
        return str(error).splitlines()[0]
    return ""


def require_layers_match(network: nn.Module, name: str, layers: str, image_size: int) -> None:
    """Raise PrunescopeError where `cka.layers` chooses no layer of a network, or one whose output cannot be compared."""
    try:
        with capture(network, layer_names(network, layers)) as found:
            images = _forward(network, image_size)
        wrong = [layer for layer, output in found.items() if not has_rows(output, len(images))]
        if (wrong and layers != "all") or len(wrong) == len(found):
            what = f"an output of layer {wrong[0]} without a row for each image" if wrong else "no chosen layer called"
            raise PrunescopeError(
                f"found {what}; wanted layers that a forward pass calls with all images: choose others by a regular expression "
                "(of attention the whole module: it calls none of its projections)"
            )
    except PrunescopeError as error:
        raise PrunescopeError(f"cka.layers, for {name}: {error}") from error


def require_plans_fit(network: nn.Module, name: str, params: Params, dataset: str, *, steps: Callable[[float], int]) -> None:
    """Raise PrunescopeError if a method's plan will not fit this network's budget, or excludes what it does not have."""
    recipe = params.data[dataset]
    for row in dict.fromkeys((*PAPER_METHODS, *params.study.methods)):  # the named three are always pruned
        method = params.prune[row]
        for sparsity in params.sparsities:
            budget, rounds = steps(recipe.finetune.epochs), steps(recipe.epochs_per_round)
            try:
                plan_of(method, tuple(prunable(network, method.exclude)), sparsity, budget=budget, round_steps=rounds)
            except PrunescopeError as error:
                raise PrunescopeError(f"prune.{row}, for {name} on {dataset} (steps an epoch: {steps(1)}): {error}") from error


def _forward(network: nn.Module, image_size: int) -> Tensor:
    images = torch.zeros(2, 3, image_size, image_size, device=home(network))
    with torch.inference_mode():
        network(images)
    return images
