"""What stands beside the conclusions says what was planted, and takes no row where nothing was measured."""

import pandas as pd
import pytest

from prunescope.evidence import beside
from prunescope.evidence.claims import CLAIMS, FAILS, HOLDS, judge, verdict
from prunescope.evidence.differences import between
from prunescope.evidence.inference import EQUAL
from report_fakes import CELL, again, make_study, opened, plant, write_history

SAME_WORST, SAME_LEVELS, SOONER, TEST, LATE = beside.BESIDE
SEEDS = (0, 1, 2)


@pytest.fixture
def results(tmp_path):
    study = make_study(
        models=("vgg16",), seeds=SEEDS, methods=("oneshot", "layerwise", "iterative", "oneshot-uniform", "iterative-uniform")
    )
    plant(tmp_path / "metrics", study)
    return opened(tmp_path / "metrics", study)


def write_map(path, diagonal):
    matrix = [[value if row == column else 0.1 for column in range(2)] for row, value in enumerate(diagonal)]
    pd.DataFrame(matrix, index=["a", "b"], columns=["a", "b"]).to_csv(path)


def test_at_equal_levels_nothing_is_left_of_what_levels_do(results):
    """Ranked globally, layerwise stands apart; with the same levels for all three, it does not."""
    for seed in SEEDS:
        folder, noise = results.files.where / f"cka/vgg16-digits-0.8-{seed}", 0.001 * seed
        pairs = {("oneshot", "iterative"): 0.9, ("oneshot", "layerwise"): 0.5, ("layerwise", "iterative"): 0.5,
                 ("oneshot-uniform", "iterative-uniform"): 0.7, ("oneshot-uniform", "layerwise"): 0.7 + noise,
                 ("layerwise", "iterative-uniform"): 0.7 - noise}  # fmt: skip
        for (a, b), value in pairs.items():
            write_map(folder / f"{a}--{b}.csv", [value, value])
    found = again(results)
    [ranked] = judge(found)[CLAIMS[3]].values()
    [equal] = beside.judged(found)[SAME_LEVELS].values()
    assert all(of.judgement.estimate.mean == pytest.approx(0.4) for of in ranked.values())
    assert verdict(equal) == EQUAL


def test_at_equal_levels_layerwise_is_as_bad_as_the_others(results):
    """It loses ten points to both that one ranking prunes, three to one of those with its own levels, none to the other."""
    losses = {"dense": 0, "oneshot": 0, "iterative": 0, "layerwise": 0.1, "oneshot-uniform": 0.07, "iterative-uniform": 0.1}
    for method, lost in losses.items():
        rows = results.summary["method"] == method
        results.summary.loc[rows, "balanced_accuracy"] = 0.9 - lost + results.summary["seed"] * 0.0003 * (1 + len(method) % 3)
    found = again(results)
    [ranked] = judge(found)[CLAIMS[1]].values()
    [equal] = beside.judged(found)[SAME_WORST].values()
    assert (verdict(ranked), verdict(equal)) == (HOLDS, FAILS)
    assert [round(of.judgement.estimate.mean) for of in equal.values()] == [3, 0]


def test_training_sooner_is_a_share_of_the_budget(results):
    """Dense has 0.5 after half of 100 steps; one-shot has it after 40, in every seed."""
    for seed in SEEDS:
        for name, cell, goal in (("dense", f"vgg16-digits-{seed}", 49), ("oneshot", f"vgg16-digits-0.8-{seed}", 39)):
            rows = [(step, "trained", 0.5 if step > goal else 0.1, 0.0, 0) for step in range(1, 101)]
            write_history(results.files.where / f"finetune/{cell}/{name}.csv", rows)
        write_history(results.files.where / f"prune/vgg16-digits-0.8-{seed}/oneshot.csv", [(0, "start", 0.8, 0.0, 0)])
    sooner = beside.judged(again(results))[SOONER][CELL]["oneshot − dense"]
    assert dict(sooner.compared.by_seed) == pytest.approx(dict.fromkeys(SEEDS, 10.0))


def test_late_layers_are_those_that_the_conclusion_leaves_out(results):
    for seed in SEEDS:
        folder = results.files.where / f"cka/vgg16-digits-0.8-{seed}"
        for student, late in (("student-alone", 0.2), ("student-oneshot", 0.5)):
            write_map(folder / f"{student}--oneshot.csv", [0.9, late])
    found = again(results)
    [early], [late] = judge(found)[CLAIMS[5]].values(), beside.judged(found)[LATE].values()
    means = [of["taught by oneshot"].judgement.estimate.mean for of in (early, late)]
    assert means == pytest.approx([0.0, 0.3])


def test_the_test_splits_verdicts_are_those_of_the_table_of_differences(results):
    judged = beside.judged(results)[TEST][CELL]["iterative − dense"]
    assert judged.judgement == between(results, CELL, "iterative", "dense").judgement


def test_what_did_not_run_takes_no_row(tmp_path):
    study = make_study(models=("densenet169",), teachers=())
    plant(tmp_path / "metrics", study)
    assert beside.judged(opened(tmp_path / "metrics", study)) == {}
