"""Selection of weights: exact counts, ties by position, only within what earlier rounds left, and torch's own answers."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn.utils import prune as reference

from prunescope.errors import PrunescopeError
from prunescope.networks.masks import ones, prunable
from prunescope.pruning import selection as module
from prunescope.pruning.scopes import kept_count
from prunescope.pruning.selection import keep_top

SHAPES = st.lists(st.sampled_from([(1,), (7,), (1, 1, 1, 1), (2, 3), (3, 2, 3, 3)]), min_size=1, max_size=4)
VALUES: dict[str, Callable[[np.random.Generator, tuple], np.ndarray]] = {
    "distinct": lambda rng, shape: rng.standard_normal(shape),
    "ties": lambda rng, shape: rng.integers(-2, 3, shape),
    "zeros": lambda rng, shape: np.where(rng.random(shape) < 0.5, 0.0, -0.0),
    "extremes": lambda rng, shape: rng.choice([1e-45, -1e-45, 3e-39, 0.0, 1.0, -1.0000001, 3.4e38, -3.3e38], shape),
}


def naive(scores: dict[str, Tensor], masks: dict[str, Tensor], keep: int) -> dict[str, Tensor]:
    """The definition written out: sort what is kept by falling |score|, then by position, and take the first `keep`."""
    places = [(n, i) for n, mask in masks.items() for i in range(mask.numel()) if mask.reshape(-1)[i]]
    places.sort(key=lambda place: -abs(float(scores[place[0]].reshape(-1)[place[1]])))  # sorting is stable
    result = {name: torch.zeros_like(mask) for name, mask in masks.items()}
    for name, index in places[:keep]:
        result[name].view(-1)[index] = True
    return result


def equal(a: dict[str, Tensor], b: dict[str, Tensor]) -> bool:
    return list(a) == list(b) and all(torch.equal(a[name], b[name]) for name in a)


def count(masks: dict[str, Tensor]) -> int:
    return sum(int(mask.sum()) for mask in masks.values())


@settings(max_examples=150)
@given(SHAPES, st.sampled_from(sorted(VALUES)), st.sampled_from([0.0, 0.3, 1.0]), st.floats(0, 1), st.integers(0, 999))
@example([(1,)], "distinct", 1.0, 0.0, 0)
@example([(1,)], "zeros", 1.0, 1.0, 0)
def test_exactly_the_largest_within_the_masks_ties_by_position(shapes, kind, density, share, seed) -> None:
    rng = np.random.default_rng(seed)
    scores = {str(n): torch.tensor(VALUES[kind](rng, shape)).float() for n, shape in enumerate(shapes)}
    masks = {name: torch.from_numpy(rng.random(score.shape) < density) for name, score in scores.items()}
    before = {name: mask.clone() for name, mask in masks.items()}
    keep = round(share * count(masks))
    found = keep_top(scores, masks, keep)
    assert count(found) == keep
    assert equal(found, naive(scores, masks, keep))
    assert equal(masks, before), "keep_top changed the masks that it was given"
    for name, mask in found.items():
        assert (mask.shape, mask.dtype) == (scores[name].shape, torch.bool)
        assert not (mask & ~masks[name]).any()
        assert mask.data_ptr() != masks[name].data_ptr()


@settings(max_examples=100)
@given(st.integers(0, 10_000), st.floats(0, 1, exclude_max=True))
def test_the_kept_count_is_within_half_a_weight_of_the_target(size, sparsity) -> None:
    assert 0 <= kept_count(size, sparsity) <= size
    assert abs((size - kept_count(size, sparsity)) - sparsity * size) <= 0.5


def test_of_eight_equal_scores_the_first_four_stay() -> None:
    found = keep_top({"a": torch.full((8,), -2.0)}, {"a": torch.ones(8, dtype=torch.bool)}, 4)
    assert found["a"].tolist() == [True] * 4 + [False] * 4


@pytest.mark.parametrize("scores, keep, wanted", [
    ([[3, -1], [2, 2]], 1, [[1, 0], [0, 0]]),
    ([[3, -1], [2, 2]], 2, [[1, 0], [1, 0]]),
    ([[1, -5], [-5, 5]], 2, [[0, 1], [1, 0]]),
    ([[0, 0], [0, 1]], 3, [[1, 1], [0, 1]]),
    ([[1, 2], [3, 4]], 0, [[0, 0], [0, 0]]),
    ([[1, 2], [3, 4]], 4, [[1, 1], [1, 1]]),
])  # fmt: skip
def test_tables_of_scores_and_masks(scores, keep, wanted) -> None:
    score = torch.tensor(scores).float()
    assert keep_top({"a": score}, {"a": torch.ones_like(score, dtype=torch.bool)}, keep)["a"].int().tolist() == wanted


def test_layers_are_ranked_together_and_earlier_layers_win_ties() -> None:
    scores = {"b": torch.tensor([1.0, 9.0]), "a": torch.tensor([1.0, 1.0, 5.0])}  # network order, not the alphabet's
    found = keep_top(scores, {n: torch.ones_like(s, dtype=torch.bool) for n, s in scores.items()}, 3)
    assert {name: mask.tolist() for name, mask in found.items()} == {"b": [True, True], "a": [False, False, True]}


def test_pieces_and_memory_layouts_change_nothing(monkeypatch) -> None:
    score = torch.randint(-3, 4, (4, 3, 2, 5)).float()
    mask = torch.rand(score.shape) < 0.8
    whole = keep_top({"a": score, "b": score.neg()}, {"a": mask, "b": mask}, 90)
    monkeypatch.setattr(module, "CHUNK", 7)
    pieces = keep_top({"a": score, "b": score.neg()}, {"a": mask, "b": mask}, 90)
    last = {"a": score.to(memory_format=torch.channels_last), "b": score.neg()}
    layouts = keep_top(last, {"a": mask.to(memory_format=torch.channels_last), "b": mask}, 90)
    assert count(whole) == 90 and equal(whole, pieces) and equal(whole, layouts)


@pytest.mark.parametrize("margin, sample", [(0.0, 4), (1e-9, 50), (0.01, 1)])
@pytest.mark.parametrize("kind", sorted(VALUES))
def test_a_sample_that_misleads_changes_nothing(monkeypatch, margin, sample, kind) -> None:
    """With hardly a sample and no margin the bracket misses the threshold: it is widened until it holds it."""
    monkeypatch.setattr(module, "SAMPLE", sample)
    monkeypatch.setattr(module, "MARGIN", max(margin, 1e-3))
    monkeypatch.setattr(module, "CHUNK", 50)
    rng = np.random.default_rng(0)
    scores = {name: torch.tensor(VALUES[kind](rng, (30, 7))).float() for name in "ab"}
    masks = {name: torch.from_numpy(rng.random((30, 7)) < 0.6) for name in "ab"}
    for keep in (0, 1, count(masks) // 3, count(masks) - 1, count(masks)):
        assert equal(keep_top(scores, masks, keep), naive(scores, masks, keep))


def test_millions_of_weights_are_ranked_as_sorting_ranks_them() -> None:
    scores = {"a": torch.randn(700_001), "b": torch.randn(600, 1000) * 3}
    values = torch.cat([score.abs().reshape(-1) for score in scores.values()])
    order = values.argsort(descending=True, stable=True)[:260_000]
    wanted = torch.zeros(len(values), dtype=torch.bool)
    wanted[order] = True
    found = keep_top(scores, {n: torch.ones_like(s, dtype=torch.bool) for n, s in scores.items()}, 260_000)
    assert torch.equal(torch.cat([mask.reshape(-1) for mask in found.values()]), wanted)


@pytest.mark.parametrize("bad", [float("nan"), -float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize("place", [0, 5])
def test_a_score_that_is_not_finite_is_refused(bad, place) -> None:
    scores = torch.arange(6.0)
    scores[place] = bad
    masks = {"a": torch.ones(6, dtype=torch.bool)}
    with pytest.raises(PrunescopeError, match="not finite"):
        keep_top({"a": scores}, masks, 3)
    masks["a"][place] = False  # what is already removed is not ranked
    assert count(keep_top({"a": scores}, masks, 3)) == 3


@pytest.mark.parametrize("keep", [0, 6])
def test_a_score_that_is_not_finite_is_refused_at_the_ends(keep) -> None:
    with pytest.raises(PrunescopeError, match="not finite"):
        keep_top({"a": torch.full((6,), float("nan"))}, {"a": torch.ones(6, dtype=torch.bool)}, keep)


def test_targets_cannot_shrink() -> None:
    masks = {"a": torch.tensor([True, False, True])}
    with pytest.raises(PrunescopeError, match="asked to keep 3 weights, but earlier rounds left 2"):
        keep_top({"a": torch.arange(3.0)}, masks, 3)


@pytest.mark.parametrize("sparsity", [0.1, 0.37, 0.5, 0.8, 0.95])
def test_equal_to_torchs_global_and_layer_pruning_without_ties(make_network, sparsity) -> None:
    network = make_network()
    weights = prunable(network)
    values = torch.cat([weight.detach().abs().reshape(-1) for weight in weights.values()])
    assert len(values.unique()) == len(values) == 260, "ties: torch's choice among them is not defined"
    scores = {name: weight.detach().clone() for name, weight in weights.items()}
    layers = [(network.get_submodule(name.removesuffix(".weight")), "weight") for name in weights]

    reference.global_unstructured(layers, pruning_method=reference.L1Unstructured, amount=sparsity)
    together = keep_top(scores, ones(weights), kept_count(260, sparsity))
    assert all(torch.equal(together[f"{n}.weight"], network.get_submodule(n).weight_mask.bool()) for n in ("0", "5", "7"))  # type: ignore[union-attr]

    for layer, _ in layers:
        reference.remove(layer, "weight")
    for (name, score), (layer, _) in zip(scores.items(), layers, strict=True):
        layer.weight.data.copy_(score)
        reference.l1_unstructured(layer, "weight", amount=sparsity)
        alone = keep_top(
            {name: score}, {name: torch.ones_like(score, dtype=torch.bool)}, kept_count(len(score.reshape(-1)), sparsity)
        )
        assert torch.equal(alone[name], layer.weight_mask.bool())  # type: ignore[operator]
