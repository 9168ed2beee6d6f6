"""What a seed takes, where seeds have not the same cells, and what open conclusions would take."""

import re
from dataclasses import replace

import numpy as np

import prices
import update_readme
from prunescope.evidence.claims import judge
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


def test_an_open_conclusion_is_priced_by_the_networks_that_it_wants(tmp_path, monkeypatch):
    """Two networks of a model each that differ by 4 points more than their errors, on one data set."""
    study = make_study(models=("vgg16", "densenet169"), seeds=(0, 1, 2), sparsities=(0.8, 0.5))
    plant(tmp_path, study)
    results = opened(tmp_path, study)
    rows, noise = results.summary, np.random.default_rng(0).normal(size=len(results.summary))
    apart = 0.04 * ((rows["model"] == "densenet169") & (rows["method"] == "layerwise"))
    moved = rows["balanced_accuracy"] + 0.002 * noise + apart
    results = replace(results, given=rows.assign(seconds=3600.0, balanced_accuracy=moved))
    found = prices.table(results, judge(results)).set_index("no.")
    assert {"1", "2"} <= set(found.index)
    of_one = (results.summary["kind"] != "student") & (results.summary["seed"] == 0)
    hours = 3 * int(of_one.sum()) / 2  # of three seeds, at both levels, as both networks have both
    assert set(found["hours of one"].drop(["6"], errors="ignore")) <= {f"{hours:.1f}"}
    for _, row in found.iterrows():
        wanted = re.match(r"(about|more than) (\d+) models \(", row["would decide it"])
        assert wanted and row["networks that ran"] == "2"
        more = f"{(int(wanted[2]) - 2) * hours:.0f}" if wanted[1] == "about" else "–"
        assert row["hours more"] == more
