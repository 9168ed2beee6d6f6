"""The one loop that runs any plan: score, keep exactly the top weights within the previous masks, apply, recover."""

from collections.abc import Callable, Sequence

from torch import Tensor, nn

from prunescope.pruning.masks import apply_, keep_top, kept_count, ones
from prunescope.pruning.plans import Round

Weights = dict[str, nn.Parameter]
Masks = dict[str, Tensor]


def run(
    weights: Weights,
    plan: Sequence[Round],
    *,
    score: Callable[[Weights], Masks],
    recover: Callable[[int, Round, Masks], None],
    masks: Masks | None = None,
    first_round: int = 0,
) -> Masks:
    """Prune `weights` in place by `plan` and return the final masks.

    score(weights) -> scores of the same names and shapes, ranked by absolute value.
    recover(number, round, masks) is called after each pruning, numbers from 0; it measures, and trains `recovery_steps` with
    the masks held. With `masks` and `first_round` a plan is taken up where it stopped.
    """
    masks = ones(weights) if masks is None else dict(masks)
    for number, round_ in enumerate(plan[first_round:], start=first_round):
        masks |= prune(weights, masks, round_, score)
        apply_(weights, masks)
        recover(number, round_, masks)
    return masks


def prune(weights: Weights, masks: Masks, round_: Round, score: Callable[[Weights], Masks]) -> Masks:
    """New masks of the round's layers: within the old ones, exactly at the round's sparsity."""
    chosen = {name: weights[name] for name in round_.layers}
    scores = score(chosen)
    groups = [tuple(chosen)] if round_.scope == "global" else [(name,) for name in chosen]
    result: Masks = {}
    for group in groups:
        keep = kept_count(sum(weights[name].numel() for name in group), round_.sparsity)
        result |= keep_top({n: scores[n] for n in group}, {n: masks[n] for n in group}, keep)
    return result
