"""The pruning loop with real scores: nested rounds, exact ends, one round equals one-shot, and what recovery is told."""

import itertools
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from prunescope.networks.masks import achieved_sparsity, apply_, ones
from prunescope.pruning.plans import PLANS, Round, iterative, layerwise, oneshot
from prunescope.pruning.run import run
from prunescope.pruning.schedules import SCHEDULES
from prunescope.pruning.scopes import SCOPES, kept_count
from prunescope.pruning.scores import SCORES, magnitude

Weights = dict[str, nn.Parameter]
SHAPES = {"a.weight": (4, 3, 3, 3), "b.weight": (1,), "c.weight": (10, 7), "d.weight": (3, 10)}
SIZE = sum(torch.Size(shape).numel() for shape in SHAPES.values())


def make(seed: int = 0, ties: bool = False) -> Weights:
    generator = torch.Generator().manual_seed(seed)
    values = {name: torch.randn(shape, generator=generator) for name, shape in SHAPES.items()}
    return {name: nn.Parameter((value * 2).round() if ties else value) for name, value in values.items()}


def linear(step: float) -> dict[str, Any]:
    return {"scope": "global", "schedule": "linear", "step": step}


def tensors(seed: int) -> dict[str, Tensor]:
    return {name: weight.detach() for name, weight in make(seed).items()}


def score_of(name: str) -> Callable[[Weights], dict[str, Tensor]]:
    return partial(SCORES[name], seed=3, gradients=lambda: tensors(7))


def idle(number: int, round_: Round, masks: Mapping[str, Tensor]) -> None:
    """Recovery that does nothing."""


def removed(masks: Mapping[str, Tensor]) -> int:
    return sum(int((~mask).sum()) for mask in masks.values())


@settings(max_examples=120)
@given(
    st.sampled_from(sorted(PLANS)), st.sampled_from(sorted(SCORES)), st.sampled_from(sorted(SCOPES)),
    st.sampled_from(sorted(SCHEDULES)), st.floats(0, 1, exclude_max=True), st.floats(0.1, 1), st.booleans(), st.integers(0, 99),
)  # fmt: skip
def test_rounds_are_nested_and_exact_while_recovery_moves_the_weights(
    plan_name, score, scope, schedule, sparsity, step, ties, seed
) -> None:
    weights = make(seed, ties)
    chosen: dict[str, Any] = {"scope": scope, "schedule": schedule, "step": step, "recovery_share": 0.5}
    plan = PLANS[plan_name](tuple(weights), sparsity, budget=1000, round_steps=1, **chosen)
    generator = torch.Generator().manual_seed(seed)
    seen: list[dict[str, Tensor]] = [ones(weights)]

    def recover(number: int, round_: Round, masks: Mapping[str, Tensor]) -> None:
        assert round_ is plan[number] and number == len(seen) - 1
        for name, mask in masks.items():
            assert not (mask & ~seen[-1][name]).any(), "a removed weight came back"
            assert not weights[name][~mask].any(), "the mask was not applied before recovery"
        groups = [(layer,) for layer in round_.layers] if round_.scope == "layer" else [round_.layers]
        for group in groups:
            kept = sum(int(masks[name].sum()) for name in group)
            assert kept == kept_count(sum(weights[name].numel() for name in group), round_.sparsity)
        seen.append({name: mask.clone() for name, mask in masks.items()})
        for weight in weights.values():  # training that forgets the masks, as an optimizer step does
            weight.data += torch.randn(weight.shape, generator=generator)
        apply_(weights, masks)

    final = run(weights, plan, score=score_of(score), recover=recover)
    assert len(seen) == len(plan) + 1
    assert all(torch.equal(final[name], seen[-1][name]) for name in weights)
    if plan_name != "layerwise" and scope != "layer":
        assert removed(final) == round(sparsity * SIZE)
    if not ties:
        assert achieved_sparsity(weights) == removed(final) / SIZE


def test_iterative_ends_exactly_at_its_target_however_often_it_is_run() -> None:
    weights = make()
    plan = iterative(tuple(weights), 0.8, budget=0, **linear(0.1), round_steps=0)
    masks = run(weights, plan, score=score_of("magnitude"), recover=idle)
    assert achieved_sparsity(weights) == round(0.8 * SIZE) / SIZE
    again = run(
        weights, oneshot(tuple(weights), 0.8, budget=0, scope="global"), score=score_of("magnitude"), recover=idle, masks=masks
    )
    assert achieved_sparsity(weights) == round(0.8 * SIZE) / SIZE, "targets are absolute: 0.8 twice is not 0.96"
    assert all(torch.equal(masks[name], again[name]) for name in masks)


@pytest.mark.parametrize("ties", [False, True])
def test_iterative_without_training_between_ends_where_oneshot_ends(ties) -> None:
    once, often = make(ties=ties), make(ties=ties)
    wanted = run(once, oneshot(tuple(once), 0.8, budget=0, scope="global"), score=score_of("magnitude"), recover=idle)
    plan = iterative(tuple(often), 0.8, budget=0, **linear(0.1), round_steps=0)
    found = run(often, plan, score=score_of("magnitude"), recover=idle)
    assert len(plan) == 8
    assert all(torch.equal(wanted[name], found[name]) for name in wanted)


@pytest.mark.parametrize("score", sorted(SCORES))
def test_iterative_with_one_round_equals_oneshot_bit_for_bit(score) -> None:
    once, one_round = make(), make()
    masks = run(once, oneshot(tuple(once), 0.8, budget=9, scope="global"), score=score_of(score), recover=idle)
    plan = iterative(tuple(one_round), 0.8, budget=9, **linear(0.8), round_steps=5)
    others = run(one_round, plan, score=score_of(score), recover=idle)
    assert removed(masks) == round(0.8 * SIZE)
    for name in once:
        assert torch.equal(masks[name], others[name])
        assert torch.equal(once[name].view(torch.int32), one_round[name].view(torch.int32))


def test_layerwise_reaches_the_target_in_every_layer() -> None:
    weights = make()
    plan = layerwise(tuple(weights), 0.8, budget=0, recovery_share=0)
    pruned_so_far = []

    def recover(number: int, round_: Round, masks: Mapping[str, Tensor]) -> None:
        pruned_so_far.append([name for name, mask in masks.items() if not mask.all()])

    masks = run(weights, plan, score=score_of("magnitude"), recover=recover)
    names = list(SHAPES)
    assert pruned_so_far == [names[: number + 1] for number in range(len(names))]
    for mask in masks.values():
        assert int(mask.sum()) == kept_count(mask.numel(), 0.8)


def test_a_plan_is_taken_up_where_it_stopped() -> None:
    whole, parts = make(), make()
    plan = iterative(tuple(whole), 0.8, budget=0, **linear(0.2), round_steps=0)
    wanted = run(whole, plan, score=score_of("magnitude"), recover=idle)
    masks = run(parts, plan[:2], score=score_of("magnitude"), recover=idle)
    left = {name: mask.clone() for name, mask in masks.items()}
    numbers = []
    found = run(parts, plan, score=score_of("magnitude"), recover=lambda n, r, m: numbers.append(n), masks=masks, first_round=2)
    assert numbers == [2, 3]
    assert all(torch.equal(wanted[name], found[name]) and torch.equal(whole[name], parts[name]) for name in whole)
    assert all(torch.equal(masks[name], left[name]) for name in left), "run changed the masks that it was given"


def test_a_plan_is_taken_up_inside_a_rounds_recovery() -> None:
    weights = make()
    plan = iterative(tuple(weights), 0.8, budget=0, **linear(0.2), round_steps=0)
    masks = run(weights, plan[:2], score=score_of("magnitude"), recover=idle)
    scored, recovered = [], []

    def score(weights: Weights) -> dict[str, Tensor]:
        scored.append(len(recovered))
        return score_of("magnitude")(weights)

    chosen: dict[str, Any] = {"masks": masks, "first_round": 1, "in_recovery": True}
    found = run(weights, plan, score=score, recover=lambda n, r, m: recovered.append((n, removed(m))), **chosen)
    assert [number for number, _ in recovered] == [1, 2, 3]
    assert recovered[0][1] == removed(masks), "the round that was interrupted is not pruned twice"
    assert scored == [1, 2] and removed(found) == round(0.8 * SIZE)


def test_rewinding_happens_between_choice_and_mask() -> None:
    """The trained weights choose, the rewound weights stay, and what was removed is zero in them too."""
    weights, base = make(0), make(1)

    def rewind() -> None:
        for name, weight in weights.items():
            weight.data.copy_(base[name])

    plan = oneshot(tuple(weights), 0.5, budget=0, scope="global")
    wanted = run(make(0), plan, score=score_of("magnitude"), recover=idle)
    masks = run(weights, plan, score=score_of("magnitude"), recover=idle, rewind=rewind)
    for name, mask in masks.items():
        assert torch.equal(mask, wanted[name])
        assert torch.equal(weights[name], torch.where(mask, base[name], 0.0))


def test_gradient_times_weight_is_their_product() -> None:
    weights, slopes = make(0), tensors(1)
    scores = SCORES["gradient_times_weight"](weights, seed=0, gradients=lambda: slopes)
    assert all(torch.equal(scores[name], weights[name] * slopes[name]) for name in weights)


def test_magnitude_is_the_weight_itself_and_random_is_seeded_noise() -> None:
    weights = make()
    scores = magnitude(weights, seed=0, gradients=dict)
    assert all(scores[name].data_ptr() == weights[name].data_ptr() for name in weights)
    assert not any(score.requires_grad for score in scores.values())
    first, again, other = (SCORES["random"](weights, seed=seed, gradients=dict) for seed in (1, 1, 2))
    assert {name: tuple(score.shape) for name, score in first.items()} == SHAPES
    assert all(torch.equal(first[name], again[name]) for name in weights)
    assert not torch.equal(first["c.weight"], other["c.weight"])
    assert all(float(score.min()) >= 0 and float(score.max()) < 1 for score in first.values())


def test_random_pruning_layer_by_layer_is_independent_between_layers() -> None:
    weights = {name: nn.Parameter(torch.randn(20, 20)) for name in ("a.weight", "b.weight")}
    plan = layerwise(tuple(weights), 0.5, budget=0, recovery_share=0)
    masks = run(weights, plan, score=score_of("random"), recover=idle)
    assert not torch.equal(masks["a.weight"], masks["b.weight"])


def test_rounds_are_nested_though_the_scores_change_their_mind() -> None:
    """Each round scores anew at random: what earlier rounds removed stays removed."""
    weights, seen = make(), []
    counter = iter(range(99))

    def fickle(chosen: Weights) -> dict[str, Tensor]:
        return SCORES["random"](chosen, seed=next(counter), gradients=lambda: tensors(7))

    run(weights, iterative(tuple(weights), 0.8, budget=0, round_steps=0, **linear(0.2)), score=fickle,
        recover=lambda number, round_, masks: seen.append({name: masks[name].clone() for name in masks}))  # fmt: skip
    assert len(seen) == 4
    for before, after in itertools.pairwise(seen):
        assert not any(bool((after[name] & ~before[name]).any()) for name in after)
