"""Comparisons of cells are not independent where they share the dense control or the test images."""

from dataclasses import replace

import numpy as np
import pytest

from prunescope.evidence.layouts import Layout, compare, covariance, of_these, over
from prunescope.evidence.overall import over_networks

MINUS_DENSE = {"a − dense": {"a": 1.0, "dense": -1.0}}
SEEDS = range(4)


def cell(seed: int, block: str = "net on data", images: str = "data", draws: bool = False) -> Layout:
    generator = np.random.default_rng(seed)
    arms = {name: dict(enumerate(generator.normal(size=4))) for name in ("dense", "a")}
    shared = np.random.default_rng(9).normal(size=1000)  # what the images do to a in both cells, whatever the seed
    moved = {("a", at): shared for at in SEEDS} | {("dense", at): 0 * shared for at in SEEDS}
    return Layout(arms, MINUS_DENSE, moved if draws else {}, images, block, ("dense",))


def found(*layouts: Layout) -> np.ndarray:
    return covariance([of["a − dense"] for of in compare(dict(enumerate(layouts))).values()])


def test_levels_of_one_network_share_their_control():
    """Of two differences from one control the errors go half together; of two networks not at all."""
    made = found(cell(0), cell(1))
    assert made[0, 1] == pytest.approx(0.5 * np.sqrt(made[0, 0] * made[1, 1]))
    assert found(cell(0), cell(1, block="other on data"))[0, 1] == 0


def test_cells_of_one_data_set_share_its_images():
    made = found(cell(0, draws=True), cell(1, block="other on data", draws=True))
    assert made[0, 1] == pytest.approx(np.random.default_rng(9).normal(size=1000).var(ddof=1))
    assert found(cell(0, draws=True), cell(1, block="other on more", images="more", draws=True))[0, 1] == 0


def test_a_mean_over_cells_that_share_images_is_no_surer_of_them():
    layouts = {number: cell(number, block=str(number), draws=True) for number in range(4)}
    whole, *_ = over({number: of["a − dense"] for number, of in compare(layouts).items()})
    assert whole.estimate.error > 1, "the images' own error"
    apart = {number: cell(number, block=str(number), images=str(number), draws=True) for number in range(4)}
    other, *_ = over({number: of["a − dense"] for number, of in compare(apart).items()})
    assert other.estimate.error < 0.8
    assert over({0: compare(layouts)[0]["a − dense"]}) == []


def test_what_images_add_to_a_mean_is_never_negative():
    """Where resamples happen to move two levels of a network opposite ways."""
    moved = np.random.default_rng(3).normal(size=(4, 1000))
    layouts = {}
    for number, by_seed in enumerate((moved, -moved[[1, 0, 3, 2]])):
        layout = cell(number, draws=True)
        layouts[number] = replace(layout, draws={**layout.draws, **{("a", seed): of for seed, of in enumerate(by_seed)}})
    found = {number: of["a − dense"] for number, of in compare(layouts).items()}
    assert max(of.estimate.images for of in found.values()) < 0.05, "what seeds share is little in each, and opposite in both"
    mean = of_these(found, lambda cell: "net")
    assert mean.images == 0
    assert mean.df == min(of.estimate.df for of in found.values()), "levels are no seeds of their own"
    assert mean.error == pytest.approx(np.mean([(of.estimate.spread / 4) ** 0.5 for of in found.values()]))


def test_networks_of_one_model_or_data_set_are_no_draws_of_their_own():
    """Four networks of two models on two data sets: models that differ leave one degree of freedom, whatever data sets do."""
    names, known = [(model, data) for model in ("vgg", "dense") for data in ("a", "b")], 1e-6 * np.eye(4)
    first, *others = over_networks(np.array([1.0, 1.2, 3.0, 3.2]), known, names)
    assert (first.unit, first.estimate.n, first.estimate.df) == ("models", 2, 1) and first.estimate.mean == pytest.approx(2.1)
    assert first.estimate.half_width == pytest.approx(12.706, rel=1e-3), "half of what they differ by, times t"
    assert sorted(of.unit for of in others) == ["data sets", "networks"]
    assert over_networks(np.array([1.0, 3.0, 1.2, 3.2]), known, names)[0].unit == "data sets"
    assert over_networks(np.array([1.0, 3.0, 3.0, 1.0]), known, names)[0].unit == "networks", "neither, but each its own way"
    assert [of.unit for of in over_networks(np.arange(2.0), known[:2, :2], names[:2])] == ["data sets"], "of one model"
    assert [of.unit for of in over_networks(np.arange(2.0), known[:2, :2], names[::2])] == ["models"], "on one data set"
    some = over_networks(np.array([1.0, 1.2, 3.0]), known[:3, :3], names[:3])
    assert some[0].unit == "models" and some[0].estimate.mean == pytest.approx(2.05), "data sets are averaged first"


def test_a_negative_control_is_in_the_noise_of_its_own_comparisons_alone():
    names = ("dense", "a", "b", "random")
    arms = {name: dict(enumerate(np.random.default_rng(7).normal(size=(4, 4))[at])) for at, name in enumerate(names)}
    arms["random"] = {seed: 20 * value - 30 for seed, value in arms["random"].items()}
    pairs = {f"{name} − dense": {name: 1.0, "dense": -1.0} for name in names[1:]}

    def judged(apart: tuple[str, ...], some: tuple[str, ...] = names) -> dict:
        layout = Layout(
            {name: arms[name] for name in some}, {of: w for of, w in pairs.items() if set(w) <= set(some)}, {}, apart=apart
        )
        return {name: of.estimate for name, of in compare({0: layout})[0].items()}

    mixed, apart, without = judged(()), judged(("random",)), judged((), names[:3])
    assert apart["random − dense"] == mixed["random − dense"]
    assert {name: apart[name] for name in without} == without, "as if it had not run"
    assert mixed["a − dense"].half_width > 5 * apart["a − dense"].half_width
