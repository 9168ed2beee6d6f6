"""What `dvc repro` runs again after a change of a number: the design's table row by row, each from the last one's state."""

from clone import ALL, CELL, LAST, Clone


def test_what_runs_again_after_a_number(tmp_path):
    clone = Clone(tmp_path, comments=False)
    assert clone.executed("dvc", "repro") == ALL
    assert clone.executed("dvc", "repro") == {}, "nothing changed"

    assert clone.edit(r"^method: iterative", "method: oneshot") == {"selected": 1}, "the page is none of its business"
    assert clone.edit(r"^method: oneshot", "method: iterative") == {}, "back to an earlier value: the run cache"

    iterative = {"prune-iterative": 1, "finetune": 1, "distill": 1, "evaluate": 1, "cka": 1} | LAST
    assert clone.edit(r"^    plan: iterative((?:.*\n){5})    step: 0.1", r"    plan: iterative\1    step: 0.2") == iterative

    tried = {"sensitivity": 1, "report": 1}
    assert clone.edit(r"^sensitivity:\n  models: \[\]", "sensitivity:\n  models: [vgg16_bn]") == tried, "nothing is trained"
    assert clone.edit(r"^  models: \[vgg16_bn\]", "  models: []") == {"report": 1}, (
        "the files lie there; the page is without them"
    )

    assert clone.edit(r"^sparsity: 0.8", "sparsity: 0.5") == CELL | LAST, "the new level's cells alone"
