"""Iterative plans against the training budget: those that exceed it, and those whose rounds it makes shorter.

Like params, this only refuses and remarks: no stage lists it in `deps`.
"""

import itertools
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass

from prunescope.pruning.schedules import SCHEDULES
from prunescope.study.partial import Unknown, recipes
from prunescope.study.tables import Method, Params, Recipe
from prunescope.training.rates import HELD


@dataclass(frozen=True)
class _Rounds:
    """spent: epochs of all pauses between the rounds · words: for messages"""

    dataset: str
    recipe: Recipe
    method: Method
    spent: float
    words: str


def check_budgets(params: Params, problems: list[str]) -> None:
    """Plans whose rounds alone exceed the training budget; layerwise is checked when its network is known."""
    for of in _rounds(params):
        with suppress(Unknown):
            if of.spent > of.recipe.finetune.epochs + 1e-9:
                found = f"found {of.recipe.finetune.epochs:g}, wanted at least {of.spent:g}"
                problems.append(f"data.{of.dataset}.finetune.epochs: {found}: {of.words}")


def remarks(params: Params) -> list[str]:
    """What is no mistake but should be known before hours of training.

    Pauses that would go on while the learning rate of `hold` falls are shortened (`pruning.plans.iterative`).
    """
    return [
        f"data.{of.dataset}.epochs_per_round: {of.words}, {of.spent:g} together; they will be shorter, as the learning rate of "
        f"hold falls after {held:g} of {of.recipe.finetune.epochs:g} epochs, and all of that comes after the last pruning"
        for of in _rounds(params)
        if of.recipe.finetune.schedule == "hold" and of.method.rewind == "none"
        if of.spent > (held := HELD * of.recipe.finetune.epochs) + 1e-9
    ]


def _rounds(params: Params) -> Iterator[_Rounds]:
    """The rounds of each iterative method, on each data set to each level."""
    levels = dict.fromkeys((params.sparsity, *params.compare_sparsities))
    for name in dict.fromkeys(("iterative", *params.study.other_methods)):
        for target, (dataset, recipe) in itertools.product(levels, recipes(params)):
            with suppress(Unknown):
                method = params.prune.get(name)
                if method is None or method.plan != "iterative":
                    continue
                rounds, between = len(SCHEDULES[method.schedule](target, method.step)), recipe.epochs_per_round
                words = f"prune.{name} takes {rounds} rounds to sparsity {target}, {between:g} epochs between them"
                yield _Rounds(dataset, recipe, method, (rounds - 1) * between, words)
