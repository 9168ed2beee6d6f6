"""Numbers out of CKA maps: by hand, against derivatives taken numerically, and against what other images show."""

import math

import numpy as np
import pytest
import torch
from cka_networks import TinyDense, images, seeded, tiny_vgg
from torch import nn

from prunescope.errors import PrunescopeError
from prunescope.similarity.cka import Maps, cka_maps
from prunescope.similarity.intervals import Overlap, _batches, _intervals, _per_image, _size, diagonal, diversity, mask_overlap


@pytest.fixture(scope="module")
def maps() -> Maps:
    networks: dict[str, nn.Module] = {name: seeded(tiny_vgg, seed) for name, seed in (("a", 1), ("b", 2))}
    return cka_maps(networks | {"other": seeded(TinyDense, 3)}, images(16, 12), keep=True)


def reweighted(maps: Maps, image: int, more: float) -> np.ndarray:
    """All CKA values when one image counts 1 + more times: each pair of images as the product of their counts."""
    total, start = 0.0, 0
    for vectors, weight in _batches(maps):
        n = _size(vectors.shape[1])
        times = np.ones(n)
        if start <= image < start + n:
            times[image - start] += more
        rows, columns = np.triu_indices(n, 1)
        total = total + weight * (vectors * times[rows] * times[columns]) @ vectors.T
        start += n
    own = np.diagonal(total)
    return total / np.sqrt(np.outer(own, own))


def numbers(maps: Maps, values: np.ndarray) -> list[float]:
    """Diversity of a, then the diagonal of a and b and its mean."""
    inside, across = values[maps.place("a"), maps.place("a")], values[maps.place("a"), maps.place("b")].diagonal()
    return [inside[~np.eye(4, dtype=bool)].mean(), *across, across.mean()]


def test_intervals_are_the_bootstrap_of_each_images_share(maps, monkeypatch) -> None:
    caught = []
    monkeypatch.setattr(
        "prunescope.similarity.intervals._intervals", lambda values, shares, *_: caught.append((values, shares)) or [None] * 9
    )
    diversity(maps, "a")
    diagonal(maps, "a", "b")
    values = np.concatenate([of for of, _ in caught])
    shares = np.concatenate([of for _, of in caught], axis=1)
    np.testing.assert_allclose(values, numbers(maps, maps.values), atol=1e-6)
    assert shares.shape == (28, 6)
    for image in range(28):
        up, down = (numbers(maps, reweighted(maps, image, step)) for step in (1e-4, -1e-4))
        np.testing.assert_allclose(shares[image], (np.array(up) - down) / 2e-4, atol=1e-6)
    np.testing.assert_allclose(shares.sum(0), 0, atol=2e-6)  # values are of float32 products


def test_intervals_are_as_wide_as_other_images_show() -> None:
    """Over 40 draws of the probe images; in samples this small they may be somewhat wide, but not narrow."""
    networks = {"a": seeded(tiny_vgg, 1), "b": seeded(tiny_vgg, 2)}
    values, widths = [], []
    for seed in range(40):
        found = cka_maps(networks, images(*[32] * 6, seed=seed), keep=True)
        layers, mean = diagonal(found, "a", "b")
        all_of_it = [*layers, mean, diversity(found, "a")]
        assert all(of.low < of.value < of.high for of in all_of_it)
        values.append([of.value for of in all_of_it])
        widths.append([of.high - of.low for of in all_of_it])
    ratio = np.mean(widths, axis=0) / (2 * 1.96 * np.std(values, axis=0))
    assert ((ratio > 0.85) & (ratio < 1.8)).all(), ratio


def test_same_seed_same_interval(maps) -> None:
    assert diversity(maps, "a") == diversity(maps, "a") != diversity(maps, "a", seed=1)


def test_dead_layers_are_left_out() -> None:
    networks = {"a": seeded(tiny_vgg, 1), "b": seeded(tiny_vgg, 2)}
    with torch.no_grad():
        networks["a"][7].weight.zero_()  # type: ignore[index]
        networks["b"][10].weight.zero_()  # type: ignore[index]
    with pytest.warns(UserWarning, match="NaN for layers constant"):
        found = cka_maps(networks, images(20, 20), keep=True)
    layers, mean = diagonal(found, "a", "b")
    assert [math.isnan(of.low) for of in layers] == [False, False, True, True]
    assert mean.value == pytest.approx(np.mean([of.value for of in layers[:2]])) and mean.low < mean.value < mean.high
    inside = found["a", "a"]
    assert diversity(found, "a").value == pytest.approx(inside[0, 1])
    with torch.no_grad():
        networks["a"][0].weight.zero_()  # type: ignore[index]
        networks["a"][3].weight.zero_()  # type: ignore[index]
    with pytest.warns(UserWarning, match="NaN for layers constant"):
        found = cka_maps(networks, images(20), keep=True)
    assert math.isnan(diversity(found, "a").value) and math.isnan(diagonal(found, "a", "b")[1].high)


def test_what_cannot_be_asked(maps) -> None:
    with pytest.raises(PrunescopeError, match="4 and 4 layers of a and other; wanted the same"):
        diagonal(maps, "a", "other")
    with pytest.raises(PrunescopeError, match="keep=True"):
        diversity(cka_maps({"a": seeded(tiny_vgg, 1)}, images(8)), "a")


def test_pairs_of_images_add_up_to_images() -> None:
    # images 0, 1, 2: pairs (0, 1), (0, 2), (1, 2)
    assert _per_image(np.array([[1.0, 10.0, 100.0]])).tolist() == [[11, 101, 110]]
    assert [_size(n * (n - 1) // 2) for n in (4, 64, 1000)] == [4, 64, 1000]


def test_overlap_by_hand() -> None:
    first = {"one": torch.tensor([True, True, False, False]), "two": torch.tensor([True, False]), "dead": torch.zeros(2).bool()}
    second = {"one": torch.tensor([True, False, True, False]), "two": torch.tensor([True, False]), "dead": torch.zeros(2).bool()}
    layers, total = mask_overlap(first, second)
    assert layers["one"] == Overlap(1 / 3, 1 / 3)  # one of three; two halves share a quarter of all: 1 of 3
    assert layers["two"] == Overlap(1.0, 0.5 / 1.5)
    assert math.isnan(layers["dead"].jaccard)
    assert total == Overlap(2 / 4, 1.5 / 4.5)
    assert mask_overlap(first, {"one": second["one"]}) == ({"one": layers["one"]}, layers["one"]), "only what both prune"
    with pytest.raises(PrunescopeError, match="without a layer in common"):
        mask_overlap(first, {"three": first["one"]})


def test_chance_is_what_independent_masks_share() -> None:
    generator = torch.Generator().manual_seed(0)
    first, second = ({"w": torch.rand(200_000, generator=generator) < density} for density in (0.2, 0.3))
    _, total = mask_overlap(first, second)
    assert total.jaccard == pytest.approx(total.chance, abs=0.003)
    assert total.chance == pytest.approx(0.06 / 0.44, abs=0.003)


def test_intervals_hold_95_percent() -> None:
    """Shares of many images that are normal: the interval is 2 x 1.96 standard errors wide."""
    shares = np.random.default_rng(1).normal(size=(2000, 1))
    [found] = _intervals(np.zeros(1), shares, 20_000, 0)
    assert found.high - found.low == pytest.approx(2 * 1.96 * shares.std() * np.sqrt(2000), rel=0.03)
