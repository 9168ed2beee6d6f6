"""The one loop that runs any plan: score, keep exactly the top weights within the previous masks, rewind, apply, recover."""

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor, nn

from prunescope.networks.bits import Bits
from prunescope.networks.masks import apply_, ones
from prunescope.pruning.plans import Round
from prunescope.pruning.scopes import SCOPES
from prunescope.pruning.selection import keep_top

Weights = dict[str, nn.Parameter]
Masks = Mapping[str, Tensor]


def run(
    weights: Weights,
    plan: Sequence[Round],
    *,
    score: Callable[[Weights], Masks],
    recover: Callable[[int, Round, Bits], None],
    rewind: Callable[[], object] = lambda: None,
    masks: Masks | None = None,
    first_round: int = 0,
    in_recovery: bool = False,
) -> Bits:
    """Prune `weights` in place by `plan` and return the final masks.

    score(weights) -> scores of the same names and shapes, ranked by absolute value.
    rewind() may set the network back once a round's weights are chosen.
    recover(number, round, masks) is called after each pruning, numbers from 0; it measures, and trains `recovery_steps` with
    the masks held. With `masks` and `first_round` a plan is taken up where it stopped: before that round's pruning, or with
    `in_recovery` after it.
    """
    kept = Bits(ones(weights) if masks is None else masks)
    for number, round_ in enumerate(plan[first_round:], start=first_round):
        if not (in_recovery and number == first_round):
            kept.update(prune(weights, kept, round_, score))
            rewind()
            apply_(weights, kept)
        recover(number, round_, kept)
    return kept


def prune(weights: Weights, masks: Masks, round_: Round, score: Callable[[Weights], Masks]) -> dict[str, Tensor]:
    """New masks of the round's layers: within the old ones, exactly as many kept as the round's scope and sparsity say."""
    chosen = {name: weights[name] for name in round_.layers}
    scores = score(chosen)
    before = {name: masks[name] for name in chosen}
    left = {name: int(torch.count_nonzero(mask)) for name, mask in before.items()}  # a sum of bools takes ten times as long
    result: dict[str, Tensor] = {}
    for group, keep in SCOPES[round_.scope](chosen, left, round_.sparsity):
        result |= keep_top({n: scores[n] for n in group}, {n: before[n] for n in group}, keep)
    return result
