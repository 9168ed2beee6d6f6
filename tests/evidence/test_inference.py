"""What a difference allows to say: errors against textbook values and second ways, verdicts on intervals that are known."""

import math

import numpy as np
import pytest
from scipy import stats

from prunescope.evidence import inference
from prunescope.evidence.inference import BETTER, EQUAL, NOT_RUN, OPEN, WORSE, Estimate, common, holm, judge_all, noise

NAN = math.nan


def test_noise_of_two_arms_is_that_of_their_differences():
    values = np.array([[1.0, 4.0, 2.0, 7.0], [3.0, 3.0, 5.0, 4.0]])
    assert noise(values) == (pytest.approx(np.var(values[0] - values[1], ddof=1) / 2), 3.0)


def test_noise_of_three_arms_is_the_mean_over_all_pairs():
    """Of a complete table half the mean variance of all paired differences, with (A - 1)(S - 1) degrees of freedom."""
    values = np.random.default_rng(0).normal(size=(3, 4))
    pairs = [np.var(values[a] - values[b], ddof=1) / 2 for a, b in ((0, 1), (0, 2), (1, 2))]
    assert noise(values) == (pytest.approx(np.mean(pairs)), 6.0)
    bare = noise(values + np.array([[1.0], [2.0], [3.0]]) + np.array([[5.0, 6.0, 7.0, 8.0]]))
    assert bare == (pytest.approx(np.mean(pairs)), 6.0), "what arms and seeds are themselves is no noise"


def test_noise_of_a_table_with_holes():
    """Two arms with all seeds and a third with one say as much as the two alone; a lone seed or arm says nothing."""
    values = np.array([[1.0, 4.0, 2.0], [3.0, 3.0, 5.0], [NAN, 9.0, NAN]])
    assert noise(values) == (pytest.approx(noise(values[:2])[0]), 2.0)
    for nothing in (values[:, :1], values[:1], np.full((2, 3), NAN), np.zeros((0, 0))):
        found = noise(nothing)
        assert math.isnan(found[0]) and found[1] == 0


def test_the_noise_of_a_pair_is_the_largest_of_three():
    own = np.array([[1.0, 4.0], [2.0, 8.0], [NAN, NAN]])
    found = inference.noise_of_pairs(own, np.array([[2.0] * 2, [2.0] * 2, [3.0] * 2]))
    assert found[:, 0] == pytest.approx([2.0, 2.0, 3.0]), "on average less than pooled: the pooled one"
    assert found[:, 1] == pytest.approx([6.0, 6.0, 9.0]), "three times the pooled one on average"
    alone = inference.noise_of_pairs(np.array([[1.0, 14.0], [4.0, 1.0]]), np.full((2, 2), 2.0))
    assert alone == pytest.approx(np.array([[2.5, 8.0], [3.0, 7.5]])), "half way to seven times the pooled one in one cell"


def test_noise_of_one_arm_is_known_from_its_seeds_alone():
    """Of four arms and three seeds: two of the six degrees of freedom where one arm makes all the noise."""
    one = np.zeros((4, 3))
    one[1] = 0.3, -0.1, 0.4
    assert inference.known_as([one]) == pytest.approx(1 / 3)
    assert inference.known_as([one, 5 * one[:, [2, 0, 1]]]) == pytest.approx(1 / 3)
    alike = np.random.default_rng(0).normal(size=(100, 4, 3))
    assert inference.known_as(list(alike)) > 0.95
    assert inference.known_as([one[:2]]) == inference.known_as([]) == inference.known_as([np.ones((4, 3))]) == 1.0


def test_the_interval_is_the_textbooks():
    """t for 95 % is 4.303 at 2 degrees of freedom, 2.447 at 6 (Student's table)."""
    found = Estimate(2.0, 3, spread=1.0, df=2.0)
    assert found.half_width == pytest.approx(4.303 / math.sqrt(3), abs=1e-3)
    assert found.text() == "+2.0 [−0.5, +4.5]"
    assert found.p == pytest.approx(stats.ttest_1samp([1.0, 2.0, 3.0], 0)[1])
    assert Estimate(2.0, 3, 1.0, 6.0).text("+.2f") == "+2.00 [+0.59, +3.41]"


def test_two_one_sided_tests_are_scipys():
    values = np.array([0.2, 0.4, -0.1, 0.3])
    found = Estimate(float(values.mean()), 4, float(values.var(ddof=1)), 3.0)
    below = stats.ttest_1samp(values, 1.0, alternative="less")[1]  # the larger of the two, as the mean is positive
    assert found.p_beyond(1.0) == pytest.approx(below)


def test_images_add_to_the_error_and_to_its_degrees_of_freedom():
    alone, both = Estimate(1.0, 4, spread=1.0, df=3.0), Estimate(1.0, 4, spread=1.0, df=3.0, images=0.25)
    assert (alone.error, alone.freedom) == (0.5, 3.0)
    assert both.error == pytest.approx(math.sqrt(0.5))
    assert both.freedom == pytest.approx(12.0), "(0.5 / 0.25)^2 times 3: half of the error is known"


def test_only_what_seeds_share_is_of_the_images():
    """d(seed) = shared + own, each of variance 1 over resamples: their mean has 1 in common, not 1 + 1/3."""
    draws = np.random.default_rng(0).normal(size=(4, 40_000))
    seeds = draws[0] + draws[1:]
    assert common(seeds, seeds, ~np.eye(3, dtype=bool)) == pytest.approx(1.0, abs=0.03)
    assert common(seeds, -seeds, ~np.eye(3, dtype=bool)) == pytest.approx(-1.0, abs=0.03)
    assert math.isnan(common(seeds[:1], seeds[:1], ~np.eye(1, dtype=bool)))


def test_holm_is_rs():
    """p.adjust(c(0.01, 0.04, 0.03, 0.02), "holm") of R."""
    assert holm([0.01, 0.04, 0.03, 0.02]) == pytest.approx([0.04, 0.06, 0.06, 0.06])
    found = holm([0.02, NAN, 0.9, 0.6])
    assert found[:1] + found[2:] == pytest.approx([0.06, 1.0, 1.0]) and math.isnan(found[1]), "what did not run is not looked at"


@pytest.mark.parametrize(("mean", "error", "wanted"), [
    (2.0, 0.3, BETTER), (-2.0, 0.3, WORSE), (0.1, 0.2, EQUAL), (0.5, 0.1, EQUAL), (1.2, 0.1, BETTER), (0.5, 1.0, OPEN),
    (0.9, 0.3, BETTER),
])  # fmt: skip
def test_verdicts(mean, error, wanted):
    """A difference of 0.5 that is certain is within the margin of 1; one of 0.9 may be larger than it."""
    [found] = judge_all([Estimate(mean, 4, 4 * error**2, 30.0)], 1.0)
    assert found.verdict == wanted
    assert found.turned().verdict == {BETTER: WORSE, WORSE: BETTER}.get(wanted, wanted)
    assert found.turned().estimate.mean == -mean


def test_a_family_is_stricter_than_one():
    weak = Estimate(2.0, 3, 1.0, 6.0)  # p = 0.013: by itself it is shown, among eighteen it is not
    assert [of.verdict for of in judge_all([weak], 0.1)] == [BETTER]
    family = judge_all([weak, *[Estimate(0.0, 3, 1.0, 6.0)] * 17, Estimate(NAN, 0)], 0.1)
    assert {of.verdict for of in family[:18]} == {OPEN}
    assert (family[0].family, family[18].verdict) == (18, NOT_RUN)


def test_few_seeds_show_nothing():
    one, none, alike = Estimate(5.0, 1), Estimate(NAN, 0), Estimate(1.0, 3, 1e-30, 2.0)
    found = judge_all([one, none, alike, alike], 1.0)
    assert [of.verdict for of in found] == [OPEN, NOT_RUN, OPEN, OPEN]
    assert found[0].family == 2, "who differs alike in all seeds was looked at"
    assert [of.text() for of in (one, none, alike)] == ["+5.0", "–", "+1.0"]
