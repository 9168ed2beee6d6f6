"""Plans: a pruning method as data, a list of rounds. A new method is a function here and a line in PLANS.

Every plan ends with a round that recovers in the finetune stage, so its `recovery_steps` is 0: what the rounds spend before
is taken from the one training budget that all methods share.
"""

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

from prunescope.errors import PrunescopeError


@dataclass(frozen=True)
class Round:
    """Bring `layers` to `sparsity` (a fraction of their weights, absolute), then train for `recovery_steps` optimizer steps.

    scope "global": the layers' weights are ranked together; "layer": each layer reaches the sparsity by itself.
    """

    layers: tuple[str, ...]
    sparsity: float
    scope: str
    recovery_steps: int


def oneshot(layers: Sequence[str], sparsity: float, *, budget: int, **_: float) -> list[Round]:
    """The whole network once, ranked together; all recovery comes after."""
    return [Round(tuple(layers), sparsity, "global", 0)]


def iterative(layers: Sequence[str], sparsity: float, *, budget: int, step: float, round_steps: int, **_: float) -> list[Round]:
    """`step` more of all prunable weights each round, ranked together, `round_steps` of training between.

    The paper: step 0.1 every 20 epochs. The last round ends exactly at the target.
    Raises PrunescopeError where the rounds need more steps than the budget has.
    """
    targets = [step * n for n in range(1, rounds_of(sparsity, step))] + [sparsity]
    spent = (len(targets) - 1) * round_steps
    if spent > budget:
        raise PrunescopeError(
            f"iterative: {len(targets)} rounds to sparsity {sparsity} with {round_steps} steps between them need {spent} "
            f"steps, but finetune.epochs gives {budget}; lower epochs_per_round, raise prune.<method>.step or finetune.epochs"
        )
    between = [Round(tuple(layers), target, "global", round_steps) for target in targets[:-1]]
    return [*between, Round(tuple(layers), sparsity, "global", 0)]


def layerwise(layers: Sequence[str], sparsity: float, *, budget: int, recovery_share: float, **_: float) -> list[Round]:
    """One layer after the other to the target, in network order, with training after each.

    `recovery_share` of the budget is spread evenly over the pauses between layers, in whole steps as they add up; the rest
    follows the last layer. A budget of fewer steps than pauses leaves some layers without recovery of their own; it is refused
    (PrunescopeError) below a step for every third.
    """
    pauses = len(layers) - 1
    steps = int(recovery_share * budget)
    if recovery_share > 0 and steps < pauses / 3:
        raise PrunescopeError(
            f"layerwise: recovery_share {recovery_share} of {budget} budget steps gives {steps} steps to the {pauses} "
            f"pauses between {len(layers)} layers, wanted at least {pauses // 3}; raise finetune.epochs or lower batch_size"
        )
    ends = [steps * number // max(pauses, 1) for number in range(len(layers))]
    recovery = [after - before for before, after in itertools.pairwise(ends)] + [0]
    return [Round((layer,), sparsity, "layer", spent) for layer, spent in zip(layers, recovery, strict=True)]


PLANS = {"oneshot": oneshot, "iterative": iterative, "layerwise": layerwise}


def rounds_of(sparsity: float, step: float) -> int:
    """Rounds that bring 0 to `sparsity` in steps of `step`, the last one possibly smaller; at least 1."""
    return max(1, math.ceil(sparsity / step - 1e-9))
