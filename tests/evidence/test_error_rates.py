"""Simulated studies: how often a verdict says what is not so, and how often it says what is.

Six cells of dense and three methods, three seeds, 18 comparisons of methods. benchmarks/verdicts.py has more kinds of studies.
"""

import math
from collections.abc import Mapping

import numpy as np
import pytest

from prunescope.evidence.inference import BETTER, EQUAL, OPEN, WORSE, judge_all
from prunescope.evidence.layouts import Layout, compare, of_series, of_these, over
from prunescope.evidence.overall import over_cells, over_networks

ARMS = ("dense", "oneshot", "layerwise", "iterative")
PAIRS = [(ARMS[a], ARMS[b]) for a, b in ((1, 2), (1, 3), (2, 3))]
WEIGHTS = {f"{a} − {b}": {a: 1.0, b: -1.0} for a, b in PAIRS}
STUDIES = 1000


def verdicts(values: np.ndarray, margin: float = 1e-6, weights: Mapping[str, Mapping[str, float]] = WEIGHTS) -> list[str]:
    """Of values (cells, arms, seeds), cell by cell."""
    cells = {
        number: Layout({arm: dict(enumerate(row)) for arm, row in zip(ARMS, cell, strict=True)}, weights, {})
        for number, cell in enumerate(values.tolist())
    }
    return [of.verdict for of in judge_all([of.estimate for cell in compare(cells).values() for of in cell.values()], margin)]


def noise(seed: int, arms: tuple[float, ...] = (1, 1, 1, 1)) -> np.ndarray:
    """(STUDIES, cells, arms, seeds): what a seed does to all arms, and noise of these standard deviations."""
    generator = np.random.default_rng(seed)
    shared = 3 * generator.normal(size=(STUDIES, 6, 1, 3))
    return shared + generator.normal(size=(STUDIES, 6, 4, 3)) * np.array(arms)[:, None]


@pytest.mark.parametrize("arms", [(1, 1, 1, 1), (1, 1, 1, 2), (2, 1, 1, 1), (1, 1, 1, 0.5)])
def test_fewer_than_one_study_in_twenty_calls_something_better_that_is_not(arms):
    """At most 5 %, with one arm twice as noisy too; 60 leaves room for the chance of 1,000 studies."""
    wrong = sum(any(word in (BETTER, WORSE) for word in verdicts(study)) for study in noise(0, arms))
    assert wrong <= 60
    print(arms, wrong / STUDIES)


def test_three_standard_deviations_are_found_more_often_than_not():
    """The t test of one pair with Bonferroni for 18 finds it in 7 %."""
    studies = noise(1)
    studies[:, 0, 1] += 3 * math.sqrt(2)  # oneshot of one cell, in standard deviations of a difference
    found = [verdicts(study)[0] for study in studies]
    print(found.count(BETTER) / STUDIES)
    assert found.count(BETTER) >= 0.5 * STUDIES
    assert WORSE not in found


def test_equal_is_said_where_it_is_so_and_hardly_where_it_is_not():
    """Differences of nothing and of just the margin (five standard deviations of a seed's noise)."""
    same, apart = noise(2), noise(3)
    apart[:, :, 1] += 5  # oneshot against both others, so that a third of the comparisons is equal
    said = [verdicts(study, margin=5.0) for study in same[:300]]
    assert np.mean([words.count(EQUAL) for words in said]) > 12
    said = [verdicts(study, margin=5.0) for study in apart]
    wrong = sum(words[number] == EQUAL for words in said for number in range(18) if number % 3 < 2)
    assert wrong / (12 * STUDIES) < 0.025
    assert sum(EQUAL in [words[number] for number in range(18) if number % 3 < 2] for words in said) <= 50 + 21


@pytest.mark.parametrize(("cells", "between"), [(3, 0.0), (4, 1.0), (6, 0.0), (6, 1.0)])
def test_the_mean_over_cells_is_called_unlike_zero_in_one_study_of_twenty(cells, between):
    """Errors known with six degrees of freedom, as of four arms and three seeds."""
    generator = np.random.default_rng(cells)
    wrong = 0
    for _ in range(600):
        known = 0.25 * generator.chisquare(6, size=cells) / 6
        means = between * generator.normal(size=cells) + 0.5 * generator.normal(size=cells)
        wrong += over_cells(means, np.diag(known)).estimate.p < 0.05
    assert wrong <= 30 + 16


@pytest.mark.parametrize("levels", [(3, 3, 3), (3, 3, 1), (3, 3)])
@pytest.mark.parametrize("apart", [0.0, 1.0])
def test_levels_of_one_network_are_no_draws_of_their_own(levels, apart):
    """Networks differ with a standard deviation of 1, their levels by `apart`: with levels as draws it was 15 % and more."""
    generator, networks = np.random.default_rng(4), [name for name, count in enumerate(levels) for _ in range(count)]
    wrong = 0
    for _ in range(600):
        means = generator.normal(size=len(levels))[networks] + generator.normal(size=(2, len(networks))).T @ (apart, 0.3)
        wrong += over_networks(means, 0.09 * np.eye(len(networks)), [(of, of) for of in networks])[0].estimate.p < 0.05
    assert wrong <= 30 + 16


@pytest.mark.parametrize("networks", [((0, 0), (0, 1), (1, 0), (1, 1)), ((0, 0), (0, 1), (1, 1))])
@pytest.mark.parametrize("share", [(1.0, 0.0, 0.3), (0.0, 0.7, 0.7), (0.6, 0.6, 0.6)])  # of models, data sets, each network
def test_networks_of_one_model_or_data_set_are_no_draws_of_their_own(networks, share):
    """With networks alone as draws it was 7 to 30 %."""
    generator, (models, datasets) = np.random.default_rng(5), np.array(networks).T
    wrong, of_networks = 0, 0
    for _ in range(600):
        model, data, own = (deviation * generator.normal(size=len(networks)) for deviation in share)
        whole = over_networks(model[models] + data[datasets] + own, 1e-4 * np.eye(len(networks)), networks)
        wrong += whole[0].estimate.p < 0.05
        of_networks += next(of for of in whole if of.unit == "networks").estimate.p < 0.05
    print(networks, share, wrong / 600, of_networks / 600)
    assert wrong <= 30 + 16 < of_networks


@pytest.mark.parametrize(("cells", "seeds"), [(4, 2), (8, 2), (8, 3)])
def test_the_mean_over_cells_whose_own_noise_is_hardly_known(cells, seeds):
    """Series of two or three seeds, each with its own spread: it was 12 to 15 % where small spreads had all the weight."""
    wrong = 0
    for study in np.random.default_rng(seeds).normal(size=(600, cells, seeds)):
        found = compare({number: of_series({"a": dict(enumerate(row))}) for number, row in enumerate(study.tolist())})
        wrong += over({number: of["a"] for number, of in found.items()})[0].estimate.p < 0.05
    print(cells, seeds, wrong / 600)
    assert wrong <= 30 + 16


@pytest.mark.parametrize(("networks", "levels", "seeds"), [(1, 3, 3), (2, 1, 2), (4, 1, 3), (3, 3, 2)])
def test_the_mean_of_these_networks_themselves(networks, levels, seeds):
    """Cells whose truths differ and are zero on average, each with a spread of its own that so many seeds tell; levels share most
    of it, as they share a base (it was 19 % where they counted as independent)."""
    generator, wrong = np.random.default_rng(networks), 0
    for study in generator.normal(size=(600, networks * levels, seeds)):
        truths, shared = generator.normal(size=len(study)), generator.normal(size=(networks, seeds))
        moved = study * np.linspace(0.5, 1.5, len(study))[:, None] + 2 * np.repeat(shared, levels, axis=0)
        values = moved + (truths - truths.mean())[:, None]
        found = compare({number: of_series({"a": dict(enumerate(row))}) for number, row in enumerate(values.tolist())})
        wrong += of_these({number: of["a"] for number, of in found.items()}, lambda cell: cell // levels).p < 0.05
    print(networks, levels, seeds, wrong / 600)
    assert wrong <= 30 + 16


@pytest.mark.parametrize("kind", ["the control ten times as noisy", "methods alike, the control apart", "one method ten times"])
def test_one_arm_that_makes_most_of_the_noise(kind):
    """Six cells of dense and three methods: it was 16 to 19 % when the noise counted as known from all arms."""
    values = np.random.default_rng(6).normal(size=(400, 6, 4, 3))
    if kind == "methods alike, the control apart":
        values[:, :, 1:] = 0.2 * values[:, :, 1:] + np.random.default_rng(7).normal(size=(400, 6, 1, 3))
    else:
        values[:, :, 3 if kind == "one method ten times" else 0] *= 10
    weights = {arm: {arm: 1.0, "dense": -1.0} for arm in ARMS[1:]} if kind != "one method ten times" else WEIGHTS
    wrong = sum(any(word in (BETTER, WORSE) for word in verdicts(study, weights=weights)) for study in values)
    print(kind, wrong / 400)
    assert wrong <= 20 + 13


def test_what_lies_between_cells_is_found_again():
    generator = np.random.default_rng(0)
    found = [over_cells(1 + 2 * generator.normal(size=8) + 0.5 * generator.normal(size=8), 0.25 * np.eye(8)) for _ in range(400)]
    assert np.mean([of.between**2 for of in found]) == pytest.approx(4.0, rel=0.1)
    assert np.mean([of.between_low < 2 < of.between_high for of in found]) == pytest.approx(0.95, abs=0.03)
    another = 1 + 2 * generator.normal(size=400)
    assert np.mean([of.next_low < one < of.next_high for of, one in zip(found, another, strict=True)]) == pytest.approx(
        0.95, abs=0.03
    )


def test_a_generally_better_method_is_found_where_every_cell_was_asked_before():
    """Three standard deviations in each of six cells: the mean over them is shown in nearly every study."""
    studies = noise(4)[:100]
    studies[:, :, 1] += 3 * math.sqrt(2)
    found = 0
    for study in studies:
        differences = study[:, 1] - study[:, 2]
        found += over_cells(differences.mean(1), np.diag(np.full(6, 2 / 3))).estimate.p < 0.05
    assert found >= 99


def test_open_is_no_verdict_of_equality():
    assert verdicts(noise(5)[0]).count(OPEN) == 18
