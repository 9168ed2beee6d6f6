"""Removed weights stay exactly zero through every optimizer, and the others train as torch's own pruning trains them."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils import prune as reference

from prunescope.networks.masks import apply_, ones, prunable
from prunescope.pruning.selection import keep_top
from prunescope.training.loop import Log, fit
from prunescope.training.losses import Outcome, cross_entropy
from prunescope.training.optimizers import OPTIMIZERS, make
from prunescope.training.rates import SCHEDULES

KEEP = 60  # of 260
STEPS = 12


def options(network: nn.Module, optimizer: str) -> dict[str, Any]:
    return {
        "first": 0,
        "last": STEPS,
        "schedule": SCHEDULES["cosine"](0.1, STEPS),
        "update": make(optimizer, list(network.parameters()), momentum=0.9, weight_decay=0.05),
        "seed": 0,
        "log": Log(),
        "validate": lambda network: (0.0, 0.0),
    }


def mask_of(network: nn.Module) -> tuple[dict[str, nn.Parameter], dict[str, Tensor]]:
    weights = prunable(network)
    masks = keep_top({name: weight.detach() for name, weight in weights.items()}, ones(weights), KEEP)
    apply_(weights, masks)
    return weights, masks


@pytest.mark.parametrize("clip_norm", [0.0, 0.01])
@pytest.mark.parametrize("precision", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("optimizer", sorted(OPTIMIZERS))
def test_removed_weights_are_zero_after_every_step(
    make_store, make_network, make_batches, optimizer, precision, clip_norm
) -> None:
    network = make_network()
    weights, masks = mask_of(network)
    start = {name: weight.detach().clone() for name, weight in weights.items()}
    zeros = []

    def count_zeros() -> None:
        assert not any(weights[name][~mask].any() for name, mask in masks.items())
        zeros.append(sum(int((weight == 0).sum()) for weight in weights.values()))

    def loss(network: nn.Module, images: Tensor, labels: Tensor) -> Outcome:
        count_zeros()
        return cross_entropy()(network, images, labels)

    chosen = options(network, optimizer) | {"clip_norm": clip_norm}
    fit(network, make_batches(make_store()), loss, precision=precision, weights=weights, masks=masks, **chosen)
    count_zeros()
    assert zeros == [260 - KEEP] * (STEPS + 1)
    assert all(p.abs().max() > 0 for p in chosen["update"].state["first" if optimizer == "adamw" else "momentum"])
    assert all((weights[name] != start[name])[mask].all() for name, mask in masks.items()), "surviving weights train"


REFERENCE: dict[str, Callable] = {
    "sgd": lambda p: torch.optim.SGD(p, momentum=0.9, weight_decay=0.05, fused=True),
    "nesterov": lambda p: torch.optim.SGD(p, momentum=0.9, weight_decay=0.05, nesterov=True, fused=True),
    "adamw": lambda p: torch.optim.AdamW(p, betas=(0.9, 0.999), weight_decay=0.05, fused=True),
}


@pytest.mark.parametrize("clip_norm", [0.0, 0.3])  # clipping by the whole norm mixes all weights: removed ones must not count
@pytest.mark.parametrize("optimizer", sorted(OPTIMIZERS))
def test_surviving_weights_equal_torchs_pruned_training_bit_for_bit(
    make_store, make_network, make_batches, optimizer, clip_norm
) -> None:
    ours, theirs, batches = make_network(), make_network(), make_batches(make_store())
    weights, masks = mask_of(ours)
    for name, mask in masks.items():
        reference.custom_from_mask(theirs.get_submodule(name.removesuffix(".weight")), "weight", mask)
    chosen = options(ours, optimizer) | {"clip_norm": clip_norm}
    fit(ours, batches, cross_entropy(), precision=torch.float32, weights=weights, masks=masks, **chosen)
    named = dict(theirs.named_parameters())  # torch's pruning moves weights behind biases: sums would round in another order
    parameters = [named[name] if name in named else named[f"{name}_orig"] for name, _ in ours.named_parameters()]
    update, norms = REFERENCE[optimizer](parameters), []
    for step in range(STEPS):
        images, labels = batches.at(step)
        update.param_groups[0]["lr"] = chosen["schedule"](step)
        update.zero_grad()
        F.cross_entropy(theirs(images), labels).backward()
        if clip_norm:
            norms.append(float(nn.utils.clip_grad_norm_(parameters, clip_norm)))
        update.step()
    assert not norms or max(norms) > clip_norm, "nothing was clipped"
    for name in masks:
        reference.remove(theirs.get_submodule(name.removesuffix(".weight")), "weight")
    assert set(ours.state_dict()) == set(theirs.state_dict())
    for name, tensor in ours.state_dict().items():
        assert torch.equal(tensor, theirs.state_dict()[name]), name
