"""Training curves at equal steps: who trains better, how much later, and what layer after layer costs."""

from pathlib import Path

import pytest

from prunescope.evidence import trends
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
    assert trends.trains_better(results, CELL, 0, "layerwise") == pytest.approx(((0.5 * 2 + 0.7 * 3 + 0.9 * 5) / 10 - 0.7) * 100)


def test_budgets_that_differ_and_stages_that_did_not_run_are_not_compared(study):
    results = study(dense=trained((5, 0.6), (10, 0.8)), prune=[], finetune=trained((9, 0.9)))
    assert trends.trains_better(results, CELL, 0, "layerwise") is None
    assert trends.trains_better(results, CELL, 0, "oneshot") is None
    assert trends.steps_later(results, CELL, 0, "oneshot") is None


def test_how_much_later_it_reaches_what_dense_reached(study):
    """Dense has 0.8 from step 4 on, halfway; layerwise from step 6; one that never does ends at the budget."""
    dense = trained((4, 0.6), (8, 0.8), (10, 0.9))
    results = study(dense=dense, prune=[], finetune=trained((6, 0.7), (10, 0.85)))
    assert trends.steps_later(results, CELL, 0, "layerwise") == pytest.approx(0.2)
    results = study(dense=dense, prune=[], finetune=trained((10, 0.7)))
    assert trends.steps_later(results, CELL, 0, "layerwise") == pytest.approx(0.6)


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
    assert curve is not None and curve["gap"].tolist() == pytest.approx([0, -0.02, -0.04, -0.06])
    assert trends.lost_over_layers(results, CELL, 0) == pytest.approx(6)


def test_older_studies_measured_one_state_alone(study):
    dense = val((0, "start", 0.9, 0), (20, "trained", 0.9, 0))
    pruned = val((0, "start", 0.9, 0), *((5 * n, "pruned", 0.9 - 0.01 * n, n) for n in (1, 2, 3)))
    assert trends.lost_over_layers(study(dense=dense, prune=pruned), CELL, 0) == pytest.approx(3)


def test_two_rounds_are_no_line(study):
    pruned = val((0, "start", 0.9, 0), (1, "pruned", 0.8, 1), (2, "pruned", 0.7, 2))
    assert trends.lost_over_layers(study(dense=val((0, "start", 0.9, 0)), prune=pruned), CELL, 0) is None
