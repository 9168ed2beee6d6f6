"""Paired differences: t intervals over seeds against textbook values, bootstrap over images against the exact error."""

import math

import numpy as np
import pandas as pd
import pytest

from prunescope.errors import PrunescopeError
from prunescope.evidence import differences
from prunescope.evidence.differences import Difference, conclusion, paired, within_seed
from prunescope.results.predictions import COLUMNS, Predictions
from report_fakes import opened, row


def images(predicted: str, actual: str, groups: list[int] | None = None) -> Predictions:
    rows = zip(range(len(actual)), groups or range(len(actual)), actual, predicted, strict=True)
    return Predictions(pd.DataFrame(rows, columns=COLUMNS).astype(str), "a test")


def test_the_t_interval_is_the_textbooks():
    """t for 95 % and 2 degrees of freedom is 4.303 (Student's table)."""
    found = Difference({0: 1.0, 1: 2.0, 2: 3.0})
    assert found.mean == 2.0
    assert found.half_width == pytest.approx(4.303 / math.sqrt(3), abs=1e-3)
    assert (found.sign, conclusion(found, "a", "b")) == (0, "no difference shown")
    assert found.text() == "+2.0 [−0.5, +4.5]"
    clear = Difference({0: -1.0, 1: -1.2, 2: -1.1})
    assert (clear.sign, conclusion(clear, "a", "b")) == (-1, "b is better")
    assert clear.text() == "−1.1 [−1.3, −0.9]"


def test_few_seeds_show_nothing():
    one, none, equal = Difference({0: 5.0}), Difference({}), Difference({0: 1.0, 1: 1.0, 2: 1.0})
    assert (one.sign, one.text(), conclusion(one, "a", "b")) == (0, "+5.0", "one seed: nothing shown")
    assert (equal.text(), conclusion(equal, "a", "b")) == ("+1.0", "alike in all seeds: no spread to judge by")
    assert (none.sign, none.text(), conclusion(none, "a", "b")) == (0, "–", "not run")
    assert equal.sign == 0, "seeds that all differ equally measure no spread"
    assert [of.seeds_needed() for of in (one, none, equal, Difference({0: -1.0, 1: 1.0}))] == [None] * 4


def test_intervals_widen_for_the_number_of_comparisons():
    """Bonferroni for two: t(0.9875, 2 degrees of freedom) = 6.205 (Student's table)."""
    found = Difference({0: 2.0, 1: 3.0, 2: 4.0})  # standard error 0.577: 4.303 and 6.205 times it are 2.48 and 3.58
    assert [found.sign_among(count) for count in (1, 2)] == [1, 0]
    assert Difference({0: -3.0, 1: -4.0, 2: -5.0}).sign_among(2) == -1, "4 is more than 3.58"


def test_seeds_needed_would_indeed_do():
    found = Difference({0: 0.0, 1: 1.0, 2: 2.0})
    wanted = found.seeds_needed()
    assert wanted == 7  # t(6) = 2.447: 2.447 / sqrt(7) = 0.925 < 1, while t(5) = 2.571: 2.571 / sqrt(6) = 1.05
    assert Difference({0: 0.0, 1: 100.0, 2: -99.0}).seeds_needed() is None


def test_pairs_are_of_the_same_seed():
    found = paired({0: 3.0, 1: 5.0, 2: 1.0, 4: math.nan}, {1: 4.0, 0: 1.0, 3: 9.0, 4: 1.0})
    assert dict(found.by_seed) == {0: 2.0, 1: 1.0}


def test_within_a_seed_against_the_error_of_a_mean():
    """One class: balanced accuracy is accuracy, and the paired difference a mean of -1, 0 and 1."""
    generator = np.random.default_rng(0)
    actual = "a" * 400
    first, second = ("".join(generator.choice(["a", "b"], 400, p=[share, 1 - share])) for share in (0.9, 0.8))
    low, high = within_seed(images(first, actual), images(second, actual))
    change = np.array([(x == "a") - (y == "a") for x, y in zip(first, second, strict=True)], dtype=float)
    assert high - low == pytest.approx(2 * 1.96 * change.std() / 20 * 100, rel=0.1)
    assert low < change.mean() * 100 < high


def test_within_a_seed_classes_count_alike_and_groups_stay_together():
    actual = "a" * 90 + "b" * 10
    better_on_b = within_seed(images(actual, actual), images("a" * 100, actual))
    assert better_on_b == (50.0, 50.0), "the whole recall of one of two classes"
    first = "a" * 50 + "b" * 50  # half of the images right
    alone = within_seed(images(first, "a" * 100), images("a" * 100, "a" * 100))
    grouped = [number // 10 for number in range(100)]
    together = within_seed(images(first, "a" * 100, grouped), images("a" * 100, "a" * 100, grouped))
    assert together[1] - together[0] > 2 * (alone[1] - alone[0]), "ten lesions are fewer than a hundred images"
    with pytest.raises(PrunescopeError, match="other test images"):
        within_seed(images("a", "a"), images("b", "b"))


def test_the_table_says_what_is_shown(tree):
    metrics, study = tree(models=("vgg16",), seeds=(0, 1, 2))
    results = opened(metrics, study)
    summary = results.summary
    for seed, change in ((0, 0.001), (1, -0.001), (2, 0.0015)):  # the fakes' differences are equal in all seeds
        mine = (summary["seed"] == seed) & (summary["method"] == "oneshot")
        summary.loc[mine, "balanced_accuracy"] += change
        for name, predicted, cell in (("dense", "ab" * 50, ""), ("oneshot", "ab" * 40 + "ba" * 10, "0.8-")):
            images(predicted, "ab" * 50).table.to_csv(
                metrics / f"evaluate/vgg16-digits-{cell}{seed}/{name}-predictions.csv", index=False
            )
    table = differences.difference_table(results)
    assert table["networks"].tolist() == [
        *(f"{method} − dense" for method in study.methods),
        "layerwise − oneshot",
        "iterative − oneshot",
        "iterative − layerwise",
    ]
    found = row(table, networks="oneshot − dense")
    assert found["balanced accuracy, points"] == "−1.2 [−1.5, −0.8]"  # mean −1.15, deviation 0.132
    assert found["accuracy, points"] == "−1.2", "the fakes' accuracies differ equally in all seeds"
    assert found["conclusion"] == "dense is better"
    assert found["shown by the images, seeds"] == "−3 of 3"
    assert row(table, networks="layerwise − oneshot")["shown by the images, seeds"] == "–"


def test_levels_are_kept_apart(tree):
    metrics, study = tree(models=("vgg16",), seeds=(0, 1, 2), sparsities=(0.8, 0.5))
    table = differences.difference_table(opened(metrics, study))
    found = {level: row(table, networks="layerwise − dense", **{"sparsity_%": level}) for level in ("80.0", "50.0")}
    assert {level: of["balanced accuracy, points"] for level, of in found.items()} == {"80.0": "−3.4", "50.0": "−1.4"}
