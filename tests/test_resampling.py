"""Bootstrap sums: whole groups are drawn, the same ones for whoever has the same groups, kept or not."""

import numpy as np
import pytest

from prunescope import resampling
from prunescope.resampling import CHUNK, intervals, resampled_sums

DRAWS = CHUNK + 10


@pytest.fixture
def images():
    """Columns (N, 2) and groups (N,) of different sizes."""
    resampling._kept_weights.cache_clear()
    generator = np.random.default_rng(0)
    return generator.random((60, 2)), np.array([f"g{number}" for number in generator.integers(20, size=60)])


def test_draws_are_sums_over_groups_drawn_one_by_one(images):
    columns, groups = images
    names, generator = sorted(set(groups)), np.random.default_rng(7)
    wanted = []
    for _ in range(DRAWS):
        drawn = [names[number] for number in generator.integers(len(names), size=len(names))]
        wanted.append(sum(columns[groups == name].sum(axis=0) for name in drawn))
    np.testing.assert_allclose(resampled_sums(columns, groups, draws=DRAWS, seed=7), wanted, rtol=1e-12)


def test_many_draws_are_not_kept_in_memory_and_are_the_same(images, monkeypatch):
    kept = resampled_sums(*images, draws=DRAWS)
    assert resampling._kept_weights.cache_info().currsize == 1
    resampling._kept_weights.cache_clear()
    monkeypatch.setattr(resampling, "KEPT", DRAWS)
    assert np.array_equal(resampled_sums(*images, draws=DRAWS), kept)
    assert resampling._kept_weights.cache_info().currsize == 0


def test_intervals_hold_95_percent():
    """Of the mean of 400 single images with a known spread: 2 x 1.96 standard errors wide."""
    values = np.random.default_rng(1).normal(size=(400, 1))
    low, high = intervals(values, np.arange(400), lambda sums: sums / 400, draws=4000)
    assert high[0] - low[0] == pytest.approx(2 * 1.96 * values.std() / 20, rel=0.05)
