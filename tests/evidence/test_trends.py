"""Training curves at equal steps: who trains better, how much later, and what layer after layer costs."""

from pathlib import Path

import numpy as np
import pytest

from prunescope.evidence import measures, trends
from prunescope.evidence.layouts import covariance
from prunescope.results.grid import Cell
from prunescope.results.results import Results
from report_fakes import make_study, opened

CELL = Cell("vgg16", "digits", 0.8)
Rows = list[tuple[int, str, str, float, int]]  # step, event, split, accuracy, layers pruned


@pytest.fixture
def study(tmp_path):
    """study(dense=rows, prune=rows, finetune=rows): results of one seed with these histories."""

    def make(**histories: Rows) -> Results:
        places = {"dense": "finetune/vgg16-digits-0/dense", "prune": "prune/vgg16-digits-0.8-0/layerwise"}
        places["finetune"] = "finetune/vgg16-digits-0.8-0/layerwise"
        for name, rows in histories.items():
            path: Path = tmp_path / "metrics" / f"{places[name]}.csv"
            path.parent.mkdir(parents=True, exist_ok=True)
            lines = "".join(f"{step},{event},{split},{accuracy},{layers}\n" for step, event, split, accuracy, layers in rows)
            path.write_text(f"step,event,split,accuracy,layers_pruned\n{lines}", encoding="utf-8")
        return opened(tmp_path / "metrics", make_study())

    return make


def trained(*rows: tuple[int, float]) -> Rows:
    return [(step, "trained", "train", accuracy, 0) for step, accuracy in rows]


def test_training_is_compared_step_by_step_whatever_rows_there_are(study):
    """Layerwise has a row a round: 0.5 for 2 steps, 0.7 for 3, then 0.9 for 5; dense two epochs of 5 steps."""
    results = study(dense=trained((5, 0.6), (10, 0.8)), prune=trained((2, 0.5), (5, 0.7)), finetune=trained((10, 0.9)))
    accuracy = trends.training_accuracy(results, CELL, 0, "layerwise")
    assert accuracy is not None and accuracy.tolist() == [0.5] * 2 + [0.7] * 3 + [0.9] * 5
    assert trends.trains_well(results, CELL, 0, "layerwise") == pytest.approx((0.5 * 2 + 0.7 * 3 + 0.9 * 5) / 10 * 100)
    assert trends.trains_well(results, CELL, 0, "dense") == pytest.approx(70)


def test_budgets_that_differ_and_stages_that_did_not_run_are_not_compared(study):
    results = study(dense=trained((5, 0.6), (10, 0.8)), prune=[], finetune=trained((9, 0.9)))
    assert trends.trains_well(results, CELL, 0, "layerwise") is None
    assert trends.trains_well(results, CELL, 0, "oneshot") is None
    assert trends.reached_after(results, CELL, 0, "oneshot") is None


def test_how_much_later_it_reaches_what_dense_reached(study):
    """Dense has 0.8 from step 4 on, halfway; layerwise from step 6; one that never does ends at the budget."""
    dense = trained((4, 0.6), (8, 0.8), (10, 0.9))
    results = study(dense=dense, prune=[], finetune=trained((6, 0.7), (10, 0.85)))
    assert trends.reached_after(results, CELL, 0, "layerwise") == pytest.approx(0.6)
    assert trends.reached_after(results, CELL, 0, "dense") == pytest.approx(0.4)
    results = study(dense=dense, prune=[], finetune=trained((10, 0.7)))
    assert trends.reached_after(results, CELL, 0, "layerwise") == 1.0


def val(*rows: tuple[int, str, float, int]) -> Rows:
    return [(step, event, "val", accuracy, layers) for step, event, accuracy, layers in rows]


def test_layers_cost_what_dense_does_not_lose_at_the_same_step(study):
    """Both fall by the learning rate's shock at first; layer by layer layerwise loses two points more, stale statistics aside."""
    dense = val((0, "start", 0.9, 0), (10, "trained", 0.8, 0), (20, "trained", 0.8, 0))
    pruned = val((0, "start", 0.9, 0))
    for layers, step in ((1, 10), (2, 15), (3, 20)):
        pruned += val((step, "pruned", 0.1, layers), (step, "reestimated", 0.8 - 0.02 * layers, layers))
        pruned += val((step, "trained", 0.8, layers))
    results = study(dense=dense, prune=pruned)
    curve = trends.layers_curve(results, CELL, 0)
    assert curve is not None and (curve["accuracy"] - curve["dense"]).tolist() == pytest.approx([0, -0.02, -0.04, -0.06])
    assert curve["beside"].tolist() == [False, True, True, True]
    assert trends.gained_over_layers(results, CELL, 0) == pytest.approx((-4, 0))


def test_a_jump_of_the_rate_is_no_layers(study):
    """At once after step 0 the rate takes ten points off both; dense is measured from step 10 to 20. No layer costs."""
    dense = val((0, "start", 0.9, 0), (10, "trained", 0.8, 0), (20, "trained", 0.8, 0))
    pruned = val((0, "start", 0.9, 0), *((3 * n, "reestimated", 0.8, n) for n in range(1, 7)), (24, "reestimated", 0.1, 8))
    assert trends.gained_over_layers(study(dense=dense, prune=pruned), CELL, 0) == pytest.approx((0, 0))


def test_older_studies_measured_one_state_alone(study):
    dense = val((0, "start", 0.9, 0), (5, "trained", 0.9, 0), (20, "trained", 0.9, 0))
    pruned = val((0, "start", 0.9, 0), *((5 * n, "pruned", 0.9 - 0.01 * n, n) for n in (1, 2, 3)))
    assert trends.gained_over_layers(study(dense=dense, prune=pruned), CELL, 0) == pytest.approx((-2, 0))


def test_two_rounds_are_no_line(study):
    pruned = val((0, "start", 0.9, 0), (1, "pruned", 0.8, 1), (2, "pruned", 0.7, 2))
    assert trends.gained_over_layers(study(dense=val((0, "start", 0.9, 0)), prune=pruned), CELL, 0) is None
    dense = val((0, "start", 0.9, 0), (1, "trained", 0.9, 0))
    assert trends.gained_over_layers(study(dense=dense, prune=pruned), CELL, 0) is None


@pytest.mark.parametrize("measure", [measures.trains_better, measures.trains_sooner, measures.falls_with_layers])
def test_levels_of_one_network_share_its_dense_control(measure, tmp_path, monkeypatch):
    random = np.random.default_rng(0)
    monkeypatch.setattr(trends, "trains_well", lambda *_: random.normal())
    monkeypatch.setattr(trends, "reached_after", lambda *_: random.normal())
    monkeypatch.setattr(trends, "gained_over_layers", lambda *_: (random.normal(), random.normal()))
    found = measure(opened(tmp_path, make_study(seeds=(0, 1, 2))), [CELL, CELL._replace(sparsity=0.5), CELL._replace(model="b")])
    for name in found[CELL]:
        errors = covariance([of[name].compared for of in found.values()])
        assert 0 < errors[0, 1] < np.sqrt(errors[0, 0] * errors[1, 1]) and errors[0, 2] == errors[1, 2] == 0
