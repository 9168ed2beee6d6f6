"""Sensitivity at the control's specificity: on scores whose answer is known, and on a page."""

import numpy as np
import pytest

from prunescope.evidence import endpoints
from prunescope.evidence.critical import critical_table, found_at
from prunescope.results.results import Results
from report_fakes import CELL, again, opened, row

SEEDS = (0, 1, 2)


def test_the_threshold_is_the_lowest_with_that_specificity():
    scores = np.array([0.9, 0.6, 0.3, 0.8, 0.5, 0.4, 0.2])
    actual = np.array([1.0, 1, 1, 0, 0, 0, 0])
    assert found_at(scores, actual, 1.0).sum() == 1, "above 0.8"
    assert found_at(scores, actual, 0.75).sum() == 2, "one of four others may be taken for the class: above 0.5"
    assert found_at(scores, actual, 0.5).sum() == 2
    assert found_at(scores, actual, 0.0).sum() == 3
    tied = np.array([0.8, 0.9, 0.8, 0.1, 0.1, 0.1, 0.1])
    assert found_at(tied, actual, 1.0).sum() == 3
    some = np.array([0.9, 0.5, 0.1, 0.8, 0.5, 0.5, 0.2])
    assert found_at(some, actual, 0.5).sum() == pytest.approx(1.5), "one of the two others on the threshold may be taken for it"


@pytest.mark.parametrize("specificity", [1.0, 0.75, 0.5, 0.0])
def test_a_network_that_says_the_same_of_all_images_is_chance(specificity):
    """It was half of the class before, whatever the specificity: more than a control with few false positives finds."""
    actual = np.array([1.0, 1, 1, 0, 0, 0, 0])
    assert found_at(np.full(7, 0.02), actual, specificity).sum() == pytest.approx(3 * (1 - specificity))


@pytest.fixture
def results(tree) -> Results:
    """Layerwise calls more images b than dense, and orders them by the same scores; oneshot's scores of b are worse."""
    metrics, study = tree(models=("vgg16",), seeds=SEEDS, critical=("b",))
    actual = np.array(["a", "b"] * 200)
    for seed in SEEDS:
        generator = np.random.default_rng(seed)
        good = generator.normal(size=400) + 2 * (actual == "b")
        bad = generator.normal(size=400) + 0.5 * (actual == "b")
        shown = {"dense": (good, 1.0), "iterative": (good, 1.0), "layerwise": (good + 0.01 * bad, 0.0), "oneshot": (bad, 1.0)}
        for name, (scores, threshold) in shown.items():
            said = np.where(scores > threshold, "b", "a")
            cell = f"vgg16-digits-{seed}" if name == "dense" else f"vgg16-digits-0.8-{seed}"
            lines = "".join(
                f"{n},{n},{x},{y},{z:.6f},{z / 1e5:.3e}\n" for n, (x, y, z) in enumerate(zip(actual, said, scores, strict=True))
            )
            path = metrics / f"evaluate/{cell}/{name}-predictions.csv"
            path.write_text(f"name,group,actual,predicted,score_b,auc_share\n{lines}", encoding="utf-8")
    return opened(metrics, study)


def test_a_shifted_operating_point_is_no_better_network(results):
    table = critical_table(results)
    shifted = row(table, method="layerwise")
    assert float(shifted["sensitivity %"].split()[0]) > 95
    assert abs(float(shifted["change, points"].replace("−", "-").split()[0])) < 1
    assert shifted["verdict"] != "better"
    worse = row(table, method="oneshot")
    assert worse["verdict"] == "worse" and worse["change, points"].startswith("−5")
    same = row(table, method="iterative")
    assert same["at the control's specificity %"] == same["control there %"]
    plain, there = (float(same[name].split()[0]) for name in ("sensitivity %", "control there %"))
    assert 0 <= there - plain < 2, "the lowest threshold with that specificity, of 200 other images"


def test_nothing_is_said_without_scores_or_of_other_classes(results, tree):
    for path in results.files.where.glob("evaluate/*/*-predictions.csv"):
        lines = path.read_text(encoding="utf-8").splitlines()
        path.write_text("\n".join(",".join(line.split(",")[:4]) for line in lines) + "\n", encoding="utf-8")
    assert critical_table(again(results)).empty


@pytest.mark.parametrize(("lesions", "rows"), [(4, 0), (5, 3)])
def test_a_class_of_a_few_lesions_is_not_judged(results, lesions, rows):
    """200 images of b, which are photographs of so many lesions."""
    for path in results.files.where.glob("evaluate/*/*-predictions.csv"):
        lines = [line.split(",") for line in path.read_text(encoding="utf-8").splitlines()]
        for line in lines:
            line[1] = f"lesion{int(line[0]) % lesions}" if line[2] == "b" else line[1]
        path.write_text("\n".join(",".join(line) for line in lines) + "\n", encoding="utf-8")
    assert len(critical_table(again(results))) == rows


def test_auc_moves_as_its_shares_say(results):
    """Shares that sum to zero over images: deviations of their resampled sums, in points."""
    moved = endpoints.draws(results, CELL, 0, "oneshot", "auc")
    known = results.predictions(CELL, 0, "oneshot")
    assert moved is not None and known is not None and known.shares is not None
    assert moved.std() == pytest.approx(100 * known.shares.std() * 20, rel=0.05), "the root of 400 images"
