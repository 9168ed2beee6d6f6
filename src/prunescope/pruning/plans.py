"""Plans: a pruning method as data, a list of rounds.

A new method is a function here and a line in PLANS, and its name in study/tables.py (Plan).

Every plan ends with a round that recovers in the finetune stage, so its `recovery_steps` is 0: what the rounds spend before is
taken from the one training budget that all methods share.
"""

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from prunescope.errors import PrunescopeError
from prunescope.pruning.schedules import SCHEDULES


@dataclass(frozen=True)
class Round:
    """Bring `layers` to `sparsity` (a fraction of their weights, absolute), then train for `recovery_steps` optimizer steps.

    scope: among which weights the round ranks, one of scopes.SCOPES ("global": all layers together).
    """

    layers: tuple[str, ...]
    sparsity: float
    scope: str
    recovery_steps: int


def oneshot(layers: Sequence[str], sparsity: float, *, budget: int, scope: str, **_: Any) -> list[Round]:
    """The whole network once; all recovery comes after."""
    return [Round(tuple(layers), sparsity, scope, 0)]


def iterative(
    layers: Sequence[str],
    sparsity: float,
    *,
    budget: int,
    scope: str,
    schedule: str,
    step: float,
    round_steps: int,
    held: int | None = None,
    **_: Any,
) -> list[Round]:
    """The whole network in rounds, whose targets `schedule` and `step` give, with `round_steps` of training between.

    The paper: linear, step 0.1, 20 epochs between. The last round ends exactly at the target. held: steps for which the
    learning rate does not fall, if it then falls to the end; pauses that would go on beyond are shortened to end with it, so that
    the last pruning has the whole descent to recover in (rounds as long to 95 % as to 80 % leave it a third).
    Raises PrunescopeError where the rounds need more steps than the budget has.
    """
    targets = SCHEDULES[schedule](sparsity, step)
    pauses = len(targets) - 1
    spent = pauses * round_steps
    if spent > budget:
        raise PrunescopeError(
            f"iterative: {len(targets)} rounds to sparsity {sparsity} with {round_steps} steps between them need {spent} "
            f"steps, but finetune.epochs gives {budget}; lower epochs_per_round, raise prune.<method>.step or finetune.epochs"
        )
    recovery = [round_steps] * pauses
    if held is not None and spent > held + (pauses + 1) // 2:  # each may have been rounded up by half a step
        recovery = _spread(held, pauses)
    between = [Round(tuple(layers), target, scope, steps) for target, steps in zip(targets, recovery, strict=False)]
    return [*between, Round(tuple(layers), sparsity, scope, 0)]


def layerwise(
    layers: Sequence[str],
    sparsity: float,
    *,
    budget: int,
    recovery_share: float,
    order: str = "forward",
    levels: Mapping[str, float] | None = None,
    **_: Any,
) -> list[Round]:
    """One layer after the other, in network order or backward, with training after each; each to its own of `levels`, by
    default to the target.

    `recovery_share` of the budget is spread evenly over the pauses between layers, in whole steps as they add up; the rest
    follows the last layer. A budget of fewer steps than pauses leaves some layers without recovery of their own; it is refused
    (PrunescopeError) below a step for every third.
    """
    pauses = len(layers) - 1
    steps = int(recovery_share * budget)
    if recovery_share > 0 and steps < pauses / 3:
        raise PrunescopeError(
            f"layerwise: recovery_share {recovery_share} of {budget} budget steps gives {steps} steps to the {pauses} "
            f"pauses between {len(layers)} layers, wanted at least {-(-pauses // 3)}; raise finetune.epochs or lower batch_size"
        )
    recovery = [*_spread(steps, pauses), 0]
    levels = levels or dict.fromkeys(layers, sparsity)
    ordered = layers if order == "forward" else layers[::-1]
    return [Round((layer,), levels[layer], "layer", spent) for layer, spent in zip(ordered, recovery, strict=True)]


def _spread(steps: int, pauses: int) -> list[int]:
    """So many steps evenly over the pauses, in whole steps as they add up."""
    ends = [steps * number // max(pauses, 1) for number in range(pauses + 1)]
    return [after - before for before, after in itertools.pairwise(ends)]


PLANS: dict[str, Callable[..., list[Round]]] = {"oneshot": oneshot, "iterative": iterative, "layerwise": layerwise}


def plan_of(
    method: Any,
    layers: Sequence[str],
    sparsity: float,
    *,
    budget: int,
    round_steps: int,
    held: int | None = None,
    levels: Callable[[], Mapping[str, float]] | None = None,
) -> list[Round]:
    """The plan of a configured method (a row of params.yaml's `prune`). budget, round_steps, held: optimizer steps; held: see
    `iterative`, of no meaning where the rate's schedule starts again after each round.

    levels: asked, where the plan prunes layers one by one and the scope is not theirs alone, for the sparsity that each has
    when all are pruned at once in that scope; without it every layer gets the target, which changes no round's steps.
    """
    names = ("scope", "schedule", "step", "recovery_share", "order")
    settings = {name: getattr(method, name) for name in names}
    if levels and method.plan == "layerwise" and method.scope != "layer":
        settings["levels"] = levels()
    settings["held"] = held if method.rewind == "none" else None
    return PLANS[method.plan](layers, sparsity, budget=budget, round_steps=round_steps, **settings)
