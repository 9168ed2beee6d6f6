"""What a seed takes, where seeds have not the same cells, and what open conclusions would take."""

from dataclasses import replace

import update_readme
from prunescope.evidence.inference import OPEN
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


def test_an_open_conclusion_is_priced_by_the_networks_that_did_not_run(tmp_path, monkeypatch):
    study = make_study(models=("vgg16", "densenet169"), seeds=(0, 1), sparsities=(0.8, 0.5))
    plant(tmp_path, study)
    results = opened(tmp_path, study)
    rows = results.summary.assign(seconds=3600.0)
    monkeypatch.setattr(update_readme, "study", lambda: replace(results, given=rows))
    monkeypatch.setattr(update_readme, "overall", lambda cells: OPEN)
    advice = iter(("about 5 networks like these (3 to 9); running the 1 network that did not", *["more than 100 networks"] * 6))
    monkeypatch.setattr(update_readme, "wanted_over", lambda cells: next(advice))
    hours = int((rows["sparsity"] != 0.5).sum()) // 2  # of two networks, each with both seeds
    lines = update_readme.price().splitlines()
    assert lines[2].endswith(f"| 2 | about 5 networks like these (3 to 9) | {3 * hours} |")
    assert lines[3].endswith("| more than 100 networks | – |")
    assert f"2 seeds of it at 80 %: {hours}.0 hours of one thread." in lines[-1]
