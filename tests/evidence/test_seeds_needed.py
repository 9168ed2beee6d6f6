"""Seeds needed: the number that is said does show the difference in four of five studies, and its range is that of the spread."""

import math

import numpy as np
import pytest
from scipy import stats

from prunescope.evidence.inference import Estimate, Judgement
from prunescope.evidence.seeds import hidden_by_images, seeds_needed, spread_interval, what_would_decide


def test_the_textbooks_sample_size():
    """Paired t test, a difference of one standard deviation, 5 %, power 80 %: n = 10 (G*Power)."""
    assert seeds_needed(Estimate(0.0, 2, 1.0, 1.0), 1.0) == 10
    assert seeds_needed(Estimate(0.0, 3, 1.0, 2.0), 2.0) == 5
    assert seeds_needed(Estimate(0.0, 3, 1.0, 2.0), 0.2) is None, "more than a hundred"
    assert seeds_needed(Estimate(0.0, 1), 1.0) is None


def test_so_many_seeds_show_it_in_four_studies_of_five():
    """Three arms and the control, 18 comparisons: simulated with the pooled noise of so many seeds."""
    estimate, size = Estimate(0.0, 3, spread=2.0, df=6.0), 2.0
    n = seeds_needed(estimate, size, 18)
    assert n is not None
    generator = np.random.default_rng(0)

    def power(seeds: int) -> float:
        df = 3 * (seeds - 1)
        means = size + generator.normal(size=20_000) * math.sqrt(2 / seeds)
        errors = np.sqrt(2 / seeds * generator.chisquare(df, size=20_000) / df)
        return float((means / errors > stats.t.isf(0.025 / 18, df)).mean())

    assert power(n - 1) < 0.8 + 0.01
    assert power(n) > 0.8 - 0.01


def test_the_spread_is_known_with_its_degrees_of_freedom():
    """chi-square at 6: 1.237 and 14.449 (table)."""
    low, high = spread_interval(Estimate(0.0, 3, 2.0, 6.0))
    assert (low, high) == (pytest.approx(12 / 14.449, rel=1e-3), pytest.approx(12 / 1.237, rel=1e-3))


def test_images_that_hide_a_difference_are_said():
    """(1.96 + 0.84) standard errors of the images are the smallest difference that any number of seeds shows."""
    assert hidden_by_images(Estimate(0.0, 3, 1.0, 6.0, images=0.37**2), 1.0)
    assert not hidden_by_images(Estimate(0.0, 3, 1.0, 6.0, images=0.34**2), 1.0)


@pytest.mark.parametrize(("estimate", "wanted"), [
    (Estimate(0.2, 3, 1.0, 6.0), "about 9 seeds (5 to 39)"),
    (Estimate(3.0, 3, 1.0, 6.0), "about 3 seeds (2 to 6)"),
    (Estimate(0.2, 3, 20.0, 6.0), "more than 100 seeds (or only 66)"),
    (Estimate(0.2, 3, 1.0, 6.0, images=1.0), "more test images: their draw alone hides such a difference"),
    (Estimate(0.2, 1), "three seeds or more"),
    (Estimate(0.2, 3, 0.0, 6.0), "more seeds: these differ all alike"),
])  # fmt: skip
def test_in_words(estimate, wanted):
    assert what_would_decide(Judgement(estimate, 0.5, "not enough data", 1, 1.0)) == wanted
