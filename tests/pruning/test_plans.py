"""Plans as tables, and what they may spend."""

import itertools
import math
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prunescope.errors import PrunescopeError
from prunescope.pruning.plans import PLANS, Round, iterative, layerwise, oneshot, plan_of
from prunescope.pruning.schedules import SCHEDULES, cubic, geometric, linear

SETTINGS: dict[str, Any] = {
    "budget": 100, "scope": "global", "schedule": "linear", "step": 0.25, "round_steps": 10, "recovery_share": 0.9,
}  # fmt: skip


def test_oneshot_is_one_round_and_leaves_all_recovery_to_finetune() -> None:
    assert oneshot(["a", "b"], 0.8, **SETTINGS) == [Round(("a", "b"), 0.8, "global", 0)]


def test_iterative_goes_up_in_steps_and_ends_at_the_target() -> None:
    layers = ("a", "b")
    assert iterative(layers, 0.8, **SETTINGS) == [
        Round(layers, 0.25, "global", 10),
        Round(layers, 0.5, "global", 10),
        Round(layers, 0.75, "global", 10),
        Round(layers, 0.8, "global", 0),
    ]


def test_iterative_ends_before_the_rate_falls() -> None:
    """Rounds that would go on into the descent are shortened; those that fit, by half a step and rounding too, are not."""

    def pauses(sparsity: float, held: int | None, round_steps: int = 7, rewind: str = "none") -> list[int]:
        row = SimpleNamespace(
            plan="iterative", scope="global", schedule="linear", step=0.1, recovery_share=0.0, order="forward", rewind=rewind
        )
        plan = plan_of(row, ["a"], sparsity, budget=70, round_steps=round_steps, held=held)
        return [of.recovery_steps for of in plan]

    assert pauses(0.8, 49) == pauses(0.8, None) == [7] * 7 + [0]
    assert pauses(0.8, 48) == [7] * 7 + [0], "0.7 of the budget was rounded down"
    assert pauses(0.95, 49) == [5, *[5, 6] * 4, 0] and pauses(0.95, None) == [7] * 9 + [0]
    assert pauses(0.95, 49, rewind="learning_rate") == [7] * 9 + [0], "its rate begins anew after each round"
    assert pauses(0.1, 49) == [0] and pauses(0.5, 49) == [7] * 4 + [0]
    with pytest.raises(PrunescopeError, match="need 72 steps"):
        pauses(0.95, 49, round_steps=8)


def test_layerwise_goes_through_the_network_and_spreads_the_recovery() -> None:
    assert layerwise(["a", "b", "c", "d"], 0.8, **dict(SETTINGS, budget=12)) == [
        Round(("a",), 0.8, "layer", 3),
        Round(("b",), 0.8, "layer", 3),
        Round(("c",), 0.8, "layer", 4),
        Round(("d",), 0.8, "layer", 0),
    ]
    assert layerwise(["a"], 0.8, **SETTINGS) == [Round(("a",), 0.8, "layer", 0)]


@pytest.mark.parametrize("sparsity, step, wanted", [
    (0.8, 0.1, [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8]),  # the paper's
    (0.5, 0.1, [0.1, 0.2, 0.3, 0.4, 0.5]),
    (0.3, 0.1, [0.1, 0.2, 0.3]),  # 0.3 / 0.1 is 2.9999999999999996
    (0.9, 0.3, [0.3, 0.6, 0.9]),  # 0.9 / 0.3 is 3.0000000000000004
    (0.85, 0.2, [0.2, 0.4, 0.6, 0.8, 0.85]),
    (0.1, 0.2, [0.1]),
    (0.8, 1.0, [0.8]),
    (0.0, 0.1, [0.0]),
])  # fmt: skip
def test_targets_of_iterative(sparsity, step, wanted) -> None:
    plan = iterative(["a"], sparsity, **(SETTINGS | {"budget": 1000, "step": step, "round_steps": 1}))
    assert [round_.sparsity for round_ in plan] == pytest.approx(wanted)
    assert plan[-1].sparsity == sparsity


def test_iterative_with_one_round_is_oneshot() -> None:
    one_round: dict[str, Any] = SETTINGS | {"step": 1.0}
    assert iterative(["a", "b"], 0.8, **one_round) == oneshot(["a", "b"], 0.8, **SETTINGS)


@settings(max_examples=300)
@given(
    st.sampled_from(sorted(PLANS)), st.integers(1, 40), st.floats(0, 1, exclude_max=True), st.integers(0, 500),
    st.sampled_from(sorted(SCHEDULES)), st.floats(0.02, 1), st.integers(0, 60), st.floats(0, 1), st.sampled_from((None, 0, 0.7)),
)  # fmt: skip
def test_plans_stay_within_the_budget_and_end_at_the_target(
    name, count, sparsity, budget, schedule, step, round_steps, share, falls
) -> None:
    layers = [f"layer-{number}" for number in range(count)]
    chosen = SETTINGS | {
        "budget": budget, "schedule": schedule, "step": step, "round_steps": round_steps, "recovery_share": share,
        "held": None if falls is None else round(falls * budget),
    }  # fmt: skip
    rounds = len(SCHEDULES[schedule](sparsity, step))
    try:
        plan = PLANS[name](layers, sparsity, **chosen)
    except PrunescopeError:
        spent = {"iterative": (rounds - 1) * round_steps, "layerwise": int(share * budget)}[name]
        assert spent > budget if name == "iterative" else share > 0 and spent < (count - 1) / 3
        return
    steps = [round_.recovery_steps for round_ in plan]
    assert all(type(n) is int and n >= 0 for n in steps)
    assert steps[-1] == 0, "the last round recovers in finetune"
    asked, held = (len(plan) - 1) * round_steps, chosen["held"]
    spent = {
        "oneshot": 0,
        "iterative": asked if held is None or asked <= held + len(plan) / 2 else held,
        "layerwise": int(share * budget) if count > 1 else 0,
    }[name]
    assert sum(steps) == spent <= budget
    last = {layer: round_.sparsity for round_ in plan for layer in round_.layers}
    assert last == dict.fromkeys(layers, sparsity)
    assert all(a.sparsity <= b.sparsity for a, b in itertools.pairwise(plan))
    if name == "layerwise" and count > 1:
        assert max(steps[:-1]) - min(steps[:-1]) <= 1, "spread evenly"


def test_geometric_removes_the_same_share_of_what_is_left() -> None:
    targets = geometric(0.8, 0.2)
    assert targets == pytest.approx([0.2, 0.36, 0.488, 0.5904, 0.67232, 0.737856, 0.7902848, 0.8])
    assert geometric(0.36, 0.2) == pytest.approx([0.2, 0.36])
    assert geometric(0.8, 1.0) == [0.8] and geometric(0.0, 0.2) == [0.0]


def test_cubic_is_zhu_and_guptas_in_as_many_rounds_as_linear() -> None:
    targets = cubic(0.8, 0.2)
    assert targets == pytest.approx([0.8 * (1 - 0.75**3), 0.8 * (1 - 0.5**3), 0.8 * (1 - 0.25**3), 0.8])
    assert len(cubic(0.85, 0.1)) == len(linear(0.85, 0.1)) == 9


@settings(max_examples=200)
@given(st.sampled_from(sorted(SCHEDULES)), st.floats(0, 1, exclude_max=True), st.floats(0.01, 1))
def test_every_schedule_rises_to_exactly_the_target(name, sparsity, step) -> None:
    targets = SCHEDULES[name](sparsity, step)
    assert targets[-1] == sparsity and targets == sorted(targets)
    assert all(0 <= target <= sparsity for target in targets)


@settings(max_examples=200)
@given(st.floats(0.001, 0.999), st.floats(0.01, 1))
def test_a_round_adds_no_more_than_its_step_and_none_is_wasted(sparsity, step) -> None:
    targets = [0.0, *linear(sparsity, step)]
    added = [after - before for before, after in itertools.pairwise(targets)]
    assert max(added) <= step + 1e-8
    assert min(added) > 0
    assert len(added) == math.ceil(sparsity / step - 1e-9)


def test_iterative_that_does_not_fit_its_budget_is_refused_with_the_numbers() -> None:
    assert sum(r.recovery_steps for r in iterative(["a"], 0.8, **(SETTINGS | {"budget": 70, "step": 0.1}))) == 70
    with pytest.raises(PrunescopeError, match=r"8 rounds to sparsity 0\.8 .* need 70 steps, but finetune\.epochs gives 69"):
        iterative(["a"], 0.8, **(SETTINGS | {"budget": 69, "step": 0.1}))


def test_layerwise_with_next_to_no_recovery_is_refused() -> None:
    layers = [str(number) for number in range(31)]
    assert len(layerwise(layers, 0.8, budget=10, recovery_share=1.0)) == 31
    with pytest.raises(PrunescopeError, match="gives 9 steps to the 30 pauses between 31 layers"):
        layerwise(layers, 0.8, budget=10, recovery_share=0.9)
    assert sum(r.recovery_steps for r in layerwise(layers, 0.8, budget=10, recovery_share=0.0)) == 0


def test_layerwise_without_any_of_the_recovery_it_was_asked_for_is_refused() -> None:
    with pytest.raises(PrunescopeError, match="recovery_share"):
        layerwise([str(number) for number in range(31)], 0.8, budget=1, recovery_share=0.9)


def test_layerwise_goes_backward_and_to_levels_of_its_own() -> None:
    levels = {"a": 0.25, "b": 0.5, "c": 0.9}
    found = layerwise("abc", 0.8, budget=10, recovery_share=0.4, order="backward", levels=levels)
    assert [(of.layers, of.sparsity, of.recovery_steps) for of in found] == [
        (("c",), 0.9, 2),
        (("b",), 0.5, 2),
        (("a",), 0.25, 0),
    ]


def test_levels_are_asked_for_where_the_scope_is_not_the_layers_own() -> None:
    settings = {"schedule": "linear", "step": 0.1, "recovery_share": 0.0, "order": "forward", "rewind": "none"}

    def found(plan: str, scope: str) -> set[float]:
        method = SimpleNamespace(plan=plan, scope=scope, **settings)
        rounds = plan_of(method, ["a", "b"], 0.8, budget=100, round_steps=0, levels=lambda: {"a": 0.7, "b": 0.9})
        return {of.sparsity for of in rounds}

    assert found("layerwise", "global") == found("layerwise", "erk") == {0.7, 0.9}
    assert found("layerwise", "layer") == found("oneshot", "global") == {0.8}
