"""What a seed takes, where seeds have not the same cells."""

from dataclasses import replace

import update_readme
from report_fakes import make_study, opened, plant


def test_hours_are_of_seeds_that_ran_every_cell(tmp_path, monkeypatch):
    study = make_study(models=("vgg16",), seeds=(0, 1, 2), sparsities=(0.8, 0.5))
    plant(tmp_path, study)
    results = opened(tmp_path, study)
    rows = results.summary.assign(seconds=3600.0)
    rows = rows[(rows["seed"] < 2) | (rows["sparsity"] != 0.5)]
    monkeypatch.setattr(update_readme, "study", lambda: replace(results, given=rows))
    per_seed = int((rows["seed"] == 0).sum())
    assert f"Training of a seed with all cells: {per_seed}.0 to {per_seed}.0 hours of one thread." in update_readme.took()
