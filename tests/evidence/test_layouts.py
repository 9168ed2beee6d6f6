"""Comparisons of cells are not independent where they share the dense control or the test images."""

import numpy as np
import pytest

from prunescope.evidence.layouts import Layout, compare, covariance, over

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
    whole = over({number: of["a − dense"] for number, of in compare(layouts).items()})
    assert whole is not None and whole.estimate.error > 1, "the images' own error"
    apart = {number: cell(number, block=str(number), images=str(number), draws=True) for number in range(4)}
    other = over({number: of["a − dense"] for number, of in compare(apart).items()})
    assert other is not None and other.estimate.error < 0.8
    assert over({0: compare(layouts)[0]["a − dense"]}) is None


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
