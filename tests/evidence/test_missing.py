"""What a study asks for and has not, of cells, students, layer sensitivity and deployment."""

import pandas as pd

from prunescope.evidence.missing import not_run
from prunescope.files import write_json
from prunescope.results.results import Results
from report_fakes import make_study, opened, plant

GRID = {"sparsities": (0.8, 0.5), "seeds": (0, 1), "sensitivity": ("vgg16", "densenet169"), "formats": ("int8", "fp32")}
WANTED = (
    "densenet169 on digits at 80 %", "students of vgg16 on digits at 50 %", "layer sensitivity of densenet169 on digits",
    "deployment of vgg16 on digits at 50 and 80 %, densenet169 on digits at 50 %",
)  # fmt: skip


def test_all_that_is_asked_for_and_not_there(tmp_path):
    """Of one seed is enough; what stands under a cell that did not run is not said again."""
    grid = make_study(**GRID)
    plant(tmp_path, grid)
    results = opened(tmp_path, grid)
    rows = results.summary
    gone = (rows["model"] == "densenet169") & (rows["sparsity"] == 0.8) & (rows["kind"] == "pruned")
    gone |= (rows["kind"] == "student") & (rows["sparsity"] == 0.5)
    (tmp_path / "sensitivity").mkdir()
    columns = {"layer": ["a"], "weights": [9], "level": [0.5], "accuracy": [0.9], "loss": [0.4], "images": [10]}
    pd.DataFrame(columns).to_csv(tmp_path / "sensitivity/vgg16-digits-1.csv", index=False)
    found = Results(grid, results.files, rows[~gone])
    assert tuple(not_run(found)) == WANTED
    write_json(tmp_path / "deploy/fp32-vgg16-digits-0.5-1/narrow.json", {"accuracy": 1.0})
    assert not_run(Results(make_study(**GRID, narrow=("vgg16",)), opened(tmp_path, grid).files, rows[~gone]))[-1] == (
        "deployment of vgg16 on digits at 80 %, densenet169 on digits at 50 %"
    )


def test_nothing_is_missing_of_what_nobody_asks_for(tmp_path):
    grid = make_study()
    plant(tmp_path, grid)
    assert not_run(opened(tmp_path, grid)) == []
