"""Scopes: how many weights each layer keeps, exactly, within what earlier rounds left."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from prunescope.pruning.scopes import SCOPES, erk, kept_count

SHAPES = st.lists(st.sampled_from([(1,), (7, 3), (1, 1, 1, 1), (64, 3, 3, 3), (16, 16, 3, 3), (100, 40)]), min_size=1, max_size=5)


def weights_of(shapes: list[tuple[int, ...]]) -> dict[str, nn.Parameter]:
    return {str(number): nn.Parameter(torch.zeros(shape)) for number, shape in enumerate(shapes)}


def full(weights: dict[str, nn.Parameter]) -> dict[str, int]:
    return {name: weight.numel() for name, weight in weights.items()}


def test_erk_by_hand() -> None:
    """Shares 3+8+3+3 = 17, 8+8+3+3 = 22, 10+32 = 42 of layers of 216, 576 and 320 weights; 81 in all split 17 : 22 : 42."""
    weights = weights_of([(8, 3, 3, 3), (8, 8, 3, 3), (10, 32)])
    assert erk(weights, full(weights), 1 - 81 / 1112) == [(("0",), 17), (("1",), 22), (("2",), 42)]


def test_a_layer_that_would_be_more_than_dense_is_dense_and_the_others_take_the_rest() -> None:
    """Keep 60 of 4 + 100 + 100: shares 4, 20 and 20 ask 5.45 of the first, which has 4; 56 are left for two equal layers."""
    weights = weights_of([(2, 2), (10, 10), (10, 10)])
    assert erk(weights, full(weights), 1 - 60 / 204) == [(("0",), 4), (("1",), 28), (("2",), 28)]


@settings(max_examples=200)
@given(SHAPES, st.lists(st.floats(0, 1, exclude_max=True), min_size=1, max_size=5), st.sampled_from(sorted(SCOPES)))
def test_counts_are_exact_and_never_rise_over_rounds(shapes, levels, scope) -> None:
    weights = weights_of(shapes)
    left, size = full(weights), sum(full(weights).values())
    for sparsity in sorted(levels):
        groups = SCOPES[scope](weights, left, sparsity)
        assert sorted(name for names, _ in groups for name in names) == sorted(weights), "every layer is in one group"
        assert all(0 <= keep <= sum(left[name] for name in names) for names, keep in groups)
        if scope == "layer":
            assert all(keep == kept_count(weights[names[0]].numel(), sparsity) for names, keep in groups)
        else:
            assert sum(keep for _, keep in groups) == kept_count(size, sparsity)
        if scope != "global":
            left = {names[0]: keep for names, keep in groups}


@pytest.mark.parametrize("sparsity", [0.5, 0.8, 0.95])
def test_erk_has_evcis_densities(sparsity) -> None:
    """Where no layer is full, density is in proportion to (out + in + height + width) / (out in height width)."""
    weights = weights_of([(256, 128, 3, 3), (256, 256, 3, 3), (512, 256, 3, 3), (1024, 512)])
    kept = np.array([keep for _, keep in erk(weights, full(weights), sparsity)], dtype=float)
    asked = np.array([sum(weight.shape) for weight in weights.values()], dtype=float)
    free = kept < np.array(list(full(weights).values()))
    assert free.sum() >= 2
    shares = kept[free] / asked[free]
    assert shares == pytest.approx(np.full(len(shares), shares.mean()), rel=1e-3)
