import json
import statistics

import numpy as np
import pandas as pd
import pytest

from prunescope.errors import PrunescopeError
from prunescope.evidence import quality
from prunescope.results import summary as module
from prunescope.results.summary import COLUMNS, runs, selected
from report_fakes import CELL, STEPS, accuracy_of, make_study, opened, write_evaluate, write_json


def test_summary_has_one_row_per_arm_with_the_numbers_of_its_files(tree):
    metrics, study = tree(seeds=(0, 1))
    results = opened(metrics, study)
    summary = results.summary
    assert list(summary.columns) == list(COLUMNS)
    assert dict(summary["kind"].value_counts()) == {"base": 4, "dense": 4, "pruned": 12, "student": 10}
    for arm in summary.to_dict("records"):
        assert arm["accuracy"] == accuracy_of(arm["model"], arm["method"], arm["seed"])
    students = summary[summary["kind"] == "student"]
    assert set(students["model"]) == {"vgg16"}
    assert set(students[students["method"].isin(["student-alone", "student-dense"])]["sparsity"]) == {0.0}
    assert set(students[students["method"] == "student-oneshot"]["sparsity"]) == {0.8}


def test_a_pruned_arm_costs_its_two_stages_together(tree):
    metrics, study = tree()
    results = opened(metrics, study)
    summary = results.summary
    dense = runs(summary, CELL, "dense").iloc[0]
    pruned = runs(summary, CELL, "iterative").iloc[0]
    assert dense["steps"] == pruned["steps"] == STEPS
    assert (pruned["epochs"], pruned["seconds"]) == (4.0, 10.0)
    # 24 steps at 1000 and 16 at 2000 images per second: 40 / (24 / 1000 + 16 / 2000)
    assert pruned["images_per_second"] == pytest.approx(1250.0)
    assert runs(summary, CELL, "oneshot").iloc[0]["images_per_second"] == 2000.0


def test_half_a_sum_is_not_given(tree):
    metrics, study = tree()
    (metrics / "prune/vgg16-digits-0.8-0/iterative.json").unlink()
    arm = runs(opened(metrics, study).summary, CELL, "iterative").iloc[0]
    assert np.isnan(arm["steps"])
    assert arm["accuracy"] == accuracy_of("vgg16", "iterative", 0)


def test_files_of_other_cells_are_ignored(tree):
    metrics, study = tree()
    before = opened(metrics, study).summary
    for stale in ("vgg16-digits-0.5-0/oneshot", "vgg16-digits-0.8-7/oneshot", "vgg16-digits-0.8-0/lottery"):
        write_evaluate(metrics / f"evaluate/{stale}.json", 0.1, 0.5)
    pd.testing.assert_frame_equal(opened(metrics, study).summary, before)


def test_saved_summary_reads_back_the_same(tree, tmp_path):
    metrics, study = tree()
    results = opened(metrics, study)
    summary = results.summary
    module.save(summary, tmp_path / "summary.csv")
    back = pd.read_csv(tmp_path / "summary.csv")
    pd.testing.assert_frame_equal(back, summary, check_dtype=False)
    line = (tmp_path / "summary.csv").read_text().splitlines()[2]
    assert line.startswith("digits,vgg16,dense,dense,0.0,0,0.975,0.97,")
    assert line.endswith(",0,40,4.0,10.0,2000.0,,,2.0,64.0,0.99,1.01")


def test_similarity_to_dense_comes_from_the_maps(tree):
    metrics, study = tree()
    cell = metrics / "cka" / "vgg16-digits-0.8-0.json"
    cell.write_text(json.dumps({"diagonal": {"dense--oneshot": {"value": 0.75}}}), encoding="utf-8")
    summary = opened(metrics, study).summary.set_index(["model", "method"])["cka_to_dense"]
    assert summary["vgg16", "oneshot"] == 0.75
    assert summary["vgg16", "dense"] != summary["vgg16", "dense"], "NaN: nothing says how alike a network is to itself"
    assert summary.loc["vgg16"].drop("oneshot").isna().all()
    assert summary["densenet169", "layerwise"] == 0.8


def test_selected_is_the_mean_over_seeds_with_the_same_keys_for_every_method(tree):
    metrics, study = tree(seeds=(0, 1, 2), sparsities=(0.8, 0.5))
    results = opened(metrics, study)
    summary = results.summary
    found = {method: selected(summary, method, 0.8) for method in study.methods}
    assert len({json.dumps([list(cell) for cell in data["vgg16"].values()]) for data in found.values()}) == 1
    cell = found["oneshot"]["densenet169"]["digits"]
    wanted = [accuracy_of("densenet169", "oneshot", seed) for seed in study.seeds]
    assert cell["accuracy"] == pytest.approx(statistics.mean(wanted))
    assert cell["seeds"] == 3
    assert "sparsity" not in cell
    assert cell["achieved_sparsity"] == 0.8
    (metrics / "cka/densenet169-digits-0.8-0.json").unlink()
    alone = selected(opened(metrics, make_study(seeds=(0,))).summary, "oneshot", 0.8)
    assert alone["densenet169"]["digits"]["cka_to_dense"] is None
    json.dumps(found, allow_nan=False)


def test_nothing_run_at_all(tmp_path, tree):
    _, study = tree()
    results = opened(tmp_path / "empty", study)
    summary = results.summary
    assert summary.empty
    assert set(quality.accuracy_table(results)["accuracy %"]) == {"not run"}
    assert selected(summary, "oneshot", 0.8) == {}
    module.save(summary, tmp_path / "summary.csv")
    assert (tmp_path / "summary.csv").read_text() == ",".join(COLUMNS) + "\n"


@pytest.mark.parametrize("content", ["{", "[]"])
def test_a_broken_metrics_file_is_named(tree, content):
    metrics, study = tree()
    path = metrics / "evaluate/vgg16-digits-0/dense.json"
    path.write_text(content)
    with pytest.raises(PrunescopeError, match=r"vgg16-digits-0/dense\.json"):
        assert opened(metrics, study).summary is None


def test_a_training_file_without_its_steps_is_named(tree):
    metrics, study = tree()
    write_json(metrics / "finetune/vgg16-digits-0/dense.json", {"epochs": 4.0, "seconds": 1.0})
    with pytest.raises(PrunescopeError, match=r"vgg16-digits-0/dense.*steps"):
        assert opened(metrics, study).summary is None
