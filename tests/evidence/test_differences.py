"""Pairs of networks on the primary endpoint: by seed, with the draw of test images, and the table that says what is shown."""

import math

import numpy as np
import pandas as pd
import pytest

from prunescope.errors import PrunescopeError
from prunescope.evidence import differences, endpoints
from prunescope.evidence.differences import between
from prunescope.evidence.inference import known_as
from prunescope.results.predictions import COLUMNS, Predictions
from prunescope.results.results import Results
from report_fakes import CELL, again, opened, row

SEEDS = (0, 1, 2)


def images(predicted: str, actual: str, groups: list[int] | None = None) -> Predictions:
    rows = zip(range(len(actual)), groups or range(len(actual)), actual, predicted, strict=True)
    return Predictions(pd.DataFrame(rows, columns=COLUMNS).astype(str), "a test")


def write(results: Results, seed: int, name: str, predicted: str, actual: str, groups: list[int] | None = None) -> None:
    cell = "vgg16-digits" if name == "dense" else "vgg16-digits-0.8"
    path = results.files.where / f"evaluate/{cell}-{seed}/{name}-predictions.csv"
    images(predicted, actual, groups).table.to_csv(path, index=False)


def shift(results: Results, name: str, values: tuple[float, ...]) -> None:
    """Add to a network's balanced accuracy by seed, as the fakes' differences are equal in all seeds."""
    for seed, change in enumerate(values):
        mine = (results.summary["seed"] == seed) & (results.summary["method"] == name)
        assert mine.sum() == 1
        results.summary.loc[mine, "balanced_accuracy"] += change


@pytest.fixture
def results(tree) -> Results:
    return opened(*tree(models=("vgg16",), seeds=SEEDS))


def test_differences_are_of_the_seeds_that_both_have(results):
    mine = (results.summary["method"] == "oneshot") & (results.summary["seed"] == 1)
    results.summary.loc[mine, "balanced_accuracy"] = math.nan
    found = between(again(results), CELL, "oneshot", "dense")
    assert dict(found.compared.by_seed) == pytest.approx({0: -1.2, 2: -1.2})
    assert between(again(results), CELL, "dense", "oneshot").judgement.estimate.mean == pytest.approx(1.2), "the other way round"
    nothing = between(again(results), CELL, "oneshot", "random")
    assert (nothing.verdict, nothing.judgement.estimate.n) == ("not run", 0), "a method that the study lacks"


def test_the_noise_of_a_pair_comes_from_all_networks_of_its_cell(results):
    """Layerwise and iterative waver, one-shot and dense do not: nearly six degrees of freedom, no less than the pair's own."""
    shift(results, "layerwise", (0.004, -0.004, 0.0))
    shift(results, "iterative", (-0.003, 0.0, 0.003))
    found = between(again(results), CELL, "oneshot", "dense").judgement.estimate
    table = np.array([[0, 0, 0], [0, 0, 0], [0.4, -0.4, 0], [-0.3, 0, 0.3]])
    left = table - table.mean(0) - table.mean(1, keepdims=True) + table.mean()
    assert (found.df, found.spread) == (pytest.approx(6 * known_as([table])), pytest.approx(2 * (left**2).sum() / 6))
    assert 5 < found.df < 6
    other = between(again(results), CELL, "layerwise", "iterative").judgement.estimate
    own = np.var([0.7, -0.4, -0.3], ddof=1)
    assert other.spread == pytest.approx(own), "this pair varies more than the pooled noise, in all of its one cell"


def test_the_draw_of_images_is_a_part_of_its_own(results):
    """Of 400 images one-shot loses in every seed the same 40: the error of that is of the images, sqrt(0.1 * 0.9 / 400)."""
    actual = "a" * 400
    for seed, change in enumerate((0.001, -0.001, 0.0)):
        for name, lost in (("dense", 0), ("oneshot", 40), ("layerwise", 0), ("iterative", 0)):
            write(results, seed, name, "b" * lost + actual[lost:], actual)
        shift(results, "oneshot", tuple(change if at == seed else 0.0 for at in SEEDS))
    for measure in ("accuracy", "balanced_accuracy"):
        found = Results(results.grid.__class__(**(vars(results.grid) | {"primary": {"digits": measure}})), results.files)
        summary = results.summary.assign(accuracy=results.summary["balanced_accuracy"])
        found = Results(found.grid, found.files, summary)
        estimate = between(found, CELL, "oneshot", "dense").judgement.estimate
        assert estimate.images**0.5 == pytest.approx(100 * math.sqrt(0.09 / 400), rel=0.05)
        assert between(found, CELL, "layerwise", "dense").judgement.estimate.images == 0.0


def test_lost_images_of_one_lesion_are_lost_together(results):
    actual, groups = "a" * 400, [number // 10 for number in range(400)]
    for seed in SEEDS:
        for name, lost in (("dense", 0), ("oneshot", 40)):
            write(results, seed, name, "b" * lost + actual[lost:], actual, groups)
    estimate = between(again(results), CELL, "oneshot", "dense").judgement.estimate
    assert estimate.images**0.5 == pytest.approx(100 * math.sqrt(0.09 / 40), rel=0.05), "forty lesions"


def test_what_seeds_do_not_share_is_not_counted_twice(results):
    """Each seed loses other images: that is in the spread over seeds, and nothing is left for the images."""
    actual = "a" * 400
    for seed in SEEDS:
        write(results, seed, "dense", actual, actual)
        lost = {*range(40 * seed, 40 * seed + 40)}
        write(results, seed, "oneshot", "".join("b" if at in lost else "a" for at in range(400)), actual)
    assert between(again(results), CELL, "oneshot", "dense").judgement.estimate.images == pytest.approx(0.0, abs=0.05)


def test_a_measure_without_scores_moves_as_its_own_interval_says(results):
    actual = "a" * 200 + "b" * 200
    for seed in SEEDS:
        write(results, seed, "oneshot", "b" * 40 + actual[40:], actual)
        path = results.files.where / f"evaluate/vgg16-digits-0.8-{seed}/oneshot.json"
        path.write_text(path.read_text().replace('"auc": null', '"auc": 0.9, "auc_low": 0.88, "auc_high": 0.9192'))
    moved = endpoints.draws(again(results), CELL, 0, "oneshot", "auc")
    assert moved is not None and moved.std() == pytest.approx(1.0), "0.0392 is 2 * 1.96 hundredths"
    assert endpoints.draws(again(results), CELL, 0, "oneshot", "macro_f1") is None, "it has no interval"


def test_other_images_are_refused(results):
    for name, actual in (("dense", "ab"), ("oneshot", "ba")):
        write(results, 0, name, actual, actual)
    with pytest.raises(PrunescopeError, match="other test images"):
        between(again(results), CELL, "oneshot", "dense")


def test_cells_of_one_data_set_have_the_same_images(tree):
    """A mean over them counts what their images add once: a second machine may have had others."""
    results = opened(*tree(models=("vgg16",), seeds=(0, 1), sparsities=(0.8, 0.5)))
    for level, actual in ((0.8, "ab"), (0.5, "ba")):
        for seed in (0, 1):
            path = results.files.where / f"evaluate/vgg16-digits-{level}-{seed}/oneshot-predictions.csv"
            images(actual, actual).table.to_csv(path, index=False)
            write(results, seed, "dense", "ab", "ab")
    differences.layout(again(results), CELL, ("dense", "oneshot"), {})
    with pytest.raises(PrunescopeError, match=r"other test images in .*vgg16-digits-0.5-0/oneshot"):
        differences.layout(again(results), CELL._replace(sparsity=0.5), ("oneshot",), {})


def test_the_table_says_what_is_shown(results):
    shift(results, "oneshot", (0.001, -0.001, 0.0015))
    shift(results, "layerwise", (0.0, 0.001, -0.002))
    table = differences.difference_table(again(results))
    methods = results.grid.methods
    pairs = [*(f"{method} − dense" for method in methods), "layerwise − oneshot", "iterative − oneshot", "iterative − layerwise"]
    assert table["networks"].tolist() == pairs
    found = row(table, networks="layerwise − dense")
    assert found["difference, points"] == "−3.43 [−3.76, −3.11]"
    assert (found["verdict"], found["what would decide it"], found["n"]) == ("worse", "–", "3")
    assert (found["of images"], found["p (Holm)"]) == ("–", "< 0.001")
    assert (found["endpoint"], found["accuracy, points"]) == ("balanced accuracy", "−3.4")
    assert row(table, networks="iterative − dense")["verdict"] == "equal within the margin", "0.6 points that are certain"
    unsure = row(table, networks="oneshot − dense")
    assert unsure["verdict"] == "worse", "1.15 points"


def test_levels_are_kept_apart(tree):
    metrics, study = tree(models=("vgg16",), seeds=SEEDS, sparsities=(0.8, 0.5))
    table = differences.difference_table(opened(metrics, study))
    found = {level: row(table, networks="layerwise − dense", **{"sparsity_%": level}) for level in ("80.0", "50.0")}
    assert {level: of["difference, points"] for level, of in found.items()} == {"80.0": "−3.40", "50.0": "−1.36"}
    assert {of["verdict"] for of in found.values()} == {"not enough data"}, "seeds that all differ equally measure no spread"
    assert {of["what would decide it"] for of in found.values()} == {"more seeds: these differ all alike"}
