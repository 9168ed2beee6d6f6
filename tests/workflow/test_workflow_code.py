"""What `dvc repro` runs again after a change of code, of a late stage's numbers, or of the grid."""

import pytest

from clone import ALL, LAST, Clone


@pytest.mark.slow
def test_what_runs_again_after_code_and_late_numbers(tmp_path):
    clone = Clone(tmp_path, comments=False)
    assert clone.executed("dvc", "repro") == ALL

    assert clone.edit(r"^  probe_images: 512", "  probe_images: 256") == {"cka": 1} | LAST
    assert clone.edit(r"^  ece_bins: 15", "  ece_bins: 10") == {"evaluate": 1, "evaluate-dense": 1} | LAST
    # The fakes' outputs do not depend on code, so what follows from the new numbers does not run here.
    metric = {"evaluate": 1, "evaluate-dense": 1}
    assert clone.edit(r"\Z", "# a metric\n", "src/prunescope/evaluation/metrics.py") == metric, "a metric's code trains nothing"
    assert clone.edit(r"\Z", "# a page\n", "src/prunescope/report/page.py") == {"report": 1}
    assert clone.edit(r"\Z", "# a source\n", "src/prunescope/sources/prepare.py") == {"download": 1}, "same bytes, nothing below"

    again = clone.edit(r"^  - 0\n", "  - 0\n  - 1\n")
    assert again == {k: v for k, v in ALL.items() if k not in ("download", "weights", "weights-student")}, (
        "a seed: its new cells alone"
    )
