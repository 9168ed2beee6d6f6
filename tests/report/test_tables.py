import json
import statistics

import numpy as np
import pandas as pd
import pytest
from report_fakes import STEPS, accuracy_of, make_study, row, write_evaluate, write_json

from prunescope.errors import PrunescopeError
from prunescope.evidence import quality, storage
from prunescope.evidence.students import student_table
from prunescope.results import tables


def test_summary_has_one_row_per_arm_with_the_numbers_of_its_files(tree):
    metrics, study = tree(seeds=(0, 1))
    summary = tables.summarise(metrics, study)
    assert list(summary.columns) == list(tables.COLUMNS)
    assert dict(summary["kind"].value_counts()) == {"dense": 4, "pruned": 12, "student": 10}
    for arm in summary.to_dict("records"):
        assert arm["accuracy"] == accuracy_of(arm["model"], arm["method"], arm["seed"])
    students = summary[summary["kind"] == "student"]
    assert set(students["model"]) == {"vgg16"}
    assert set(students[students["method"].isin(["student-alone", "student-dense"])]["sparsity"]) == {0.0}
    assert set(students[students["method"] == "student-oneshot"]["sparsity"]) == {0.8}


def test_a_pruned_arm_costs_its_two_stages_together(tree):
    metrics, study = tree()
    summary = tables.summarise(metrics, study)
    dense = tables.runs(summary, "vgg16", "digits", "dense", 0.0).iloc[0]
    pruned = tables.runs(summary, "vgg16", "digits", "iterative", 0.8).iloc[0]
    assert dense["steps"] == pruned["steps"] == STEPS
    assert (pruned["epochs"], pruned["seconds"]) == (4.0, 10.0)
    # 24 steps at 1000 and 16 at 2000 images per second: 40 / (24 / 1000 + 16 / 2000)
    assert pruned["images_per_second"] == pytest.approx(1250.0)
    assert tables.runs(summary, "vgg16", "digits", "oneshot", 0.8).iloc[0]["images_per_second"] == 2000.0


def test_half_a_sum_is_not_given(tree):
    metrics, study = tree()
    (metrics / "prune/vgg16-digits-0.8-0/iterative.json").unlink()
    arm = tables.runs(tables.summarise(metrics, study), "vgg16", "digits", "iterative", 0.8).iloc[0]
    assert np.isnan(arm["steps"])
    assert arm["accuracy"] == accuracy_of("vgg16", "iterative", 0)


def test_files_of_other_cells_are_ignored(tree):
    metrics, study = tree()
    before = tables.summarise(metrics, study)
    for stale in ("vgg16-digits-0.5-0/oneshot", "vgg16-digits-0.8-7/oneshot", "vgg16-digits-0.8-0/lottery"):
        write_evaluate(metrics / f"evaluate/{stale}.json", 0.1, 0.5)
    pd.testing.assert_frame_equal(tables.summarise(metrics, study), before)


def test_saved_summary_reads_back_the_same(tree, tmp_path):
    metrics, study = tree()
    summary = tables.summarise(metrics, study)
    tables.save(summary, tmp_path / "summary.csv")
    back = pd.read_csv(tmp_path / "summary.csv")
    pd.testing.assert_frame_equal(back, summary, check_dtype=False)
    line = (tmp_path / "summary.csv").read_text().splitlines()[1]
    assert line.startswith("digits,vgg16,dense,dense,0.0,0,0.975,0.97,")
    assert line.endswith(",0,40,4.0,10.0,2000.0,,2.0,64.0,0.99,1.01")


def test_similarity_to_dense_comes_from_the_maps(tree):
    metrics, study = tree()
    cell = metrics / "cka" / "vgg16-digits-0.8-0.json"
    cell.write_text(json.dumps({"diagonal": {"dense--oneshot": {"value": 0.75}}}), encoding="utf-8")
    summary = tables.summarise(metrics, study).set_index(["model", "method"])["cka_to_dense"]
    assert summary["vgg16", "oneshot"] == 0.75
    assert summary["vgg16", "dense"] != summary["vgg16", "dense"], "NaN: nothing says how alike a network is to itself"
    assert summary.loc["vgg16"].drop("oneshot").isna().all()
    assert summary["densenet169", "layerwise"] == 0.8


def test_selected_is_the_mean_over_seeds_with_the_same_keys_for_every_method(tree):
    metrics, study = tree(seeds=(0, 1, 2), sparsities=(0.8, 0.5))
    summary = tables.summarise(metrics, study)
    found = {method: tables.selected(summary, method, 0.8) for method in study.methods}
    assert len({json.dumps([list(cell) for cell in data["vgg16"].values()]) for data in found.values()}) == 1
    cell = found["oneshot"]["densenet169"]["digits"]
    wanted = [accuracy_of("densenet169", "oneshot", seed) for seed in study.seeds]
    assert cell["accuracy"] == pytest.approx(statistics.mean(wanted))
    assert cell["seeds"] == 3
    assert "sparsity" not in cell
    assert cell["achieved_sparsity"] == 0.8
    (metrics / "cka/densenet169-digits-0.8-0.json").unlink()
    alone = tables.selected(tables.summarise(metrics, make_study(seeds=(0,))), "oneshot", 0.8)
    assert alone["densenet169"]["digits"]["cka_to_dense"] is None
    json.dumps(found, allow_nan=False)


def test_accuracy_table_gives_mean_sample_std_and_n(tree):
    metrics, study = tree(seeds=(0, 1, 2), sparsities=(0.8, 0.5))
    table = quality.accuracy_table(tables.summarise(metrics, study), study)
    assert len(table) == 2 * (1 + 3 * 2)
    values = [100 * accuracy_of("vgg16", "layerwise", seed) for seed in study.seeds]
    found = row(table, model="vgg16", method="layerwise", **{"sparsity_%": "80.0"})
    assert found["accuracy %"] == f"{statistics.mean(values):.1f} ± {statistics.stdev(values):.1f}" == "93.7 ± 0.4"
    assert found["n"] == "3"
    assert found["achieved sparsity %"] == "80.0"
    assert found["compression"] == "4.81×"
    assert found["right after pruning %"].startswith("37.5")
    assert row(table, model="vgg16", method="dense")["right after pruning %"] == "–"


def test_one_seed_has_no_error_bar_and_missing_cells_say_so(tree):
    metrics, study = tree()
    (metrics / "evaluate/densenet169-digits-0.8-0/iterative.json").unlink()
    (metrics / "evaluate/vgg16-digits-0.8-0/student-oneshot.json").unlink()
    summary = tables.summarise(metrics, study)
    table = quality.accuracy_table(summary, study)
    assert row(table, model="vgg16", method="oneshot")["accuracy %"] == "96.3"
    missing = row(table, model="densenet169", method="iterative")
    assert (missing["n"], missing["accuracy %"], missing["compression"]) == ("0", "not run", "–")
    assert row(storage.budget_table(summary, study), model="densenet169", method="iterative")["steps"] == "not run"
    students = student_table(metrics, summary, study)
    assert row(students, taught_by="oneshot")["student accuracy %"] == "not run"
    assert row(students, taught_by="alone")["student accuracy %"] == "94.5"
    assert row(students, taught_by="dense")["teacher accuracy %"] == "97.5"


def test_nothing_run_at_all(tmp_path, tree):
    _, study = tree()
    summary = tables.summarise(tmp_path / "empty", study)
    assert summary.empty
    assert set(quality.accuracy_table(summary, study)["accuracy %"]) == {"not run"}
    assert tables.selected(summary, "oneshot", 0.8) == {}
    tables.save(summary, tmp_path / "summary.csv")
    assert (tmp_path / "summary.csv").read_text() == ",".join(tables.COLUMNS) + "\n"


def test_budget_table_shows_equal_budgets(tree):
    metrics, study = tree()
    table = storage.budget_table(tables.summarise(metrics, study), study)
    assert len(table) == 8
    assert set(table["steps"]) == {str(STEPS)}
    assert set(table["epochs"]) == {"4.00"}


def test_the_paper_stands_beside_ours_where_it_has_the_cell(tree, tmp_path):
    metrics, study = tree()
    summary = tables.summarise(metrics, study)
    shipped = quality.paper_accuracies()
    assert shipped.empty
    assert "paper %" not in quality.accuracy_table(summary, study, shipped).columns
    path = tmp_path / "paper.csv"
    path.write_text(
        "model,dataset,method,sparsity,accuracy,where\n"
        "vgg16,digits,oneshot,0.8,0.912,Table 2\n"
        "vgg16,digits,dense,0,0.925,Table 1\n"
        "vgg16,elsewhere,oneshot,0.8,0.5,Table 3\n"
    )
    table = quality.accuracy_table(summary, study, quality.paper_accuracies(path))
    assert row(table, model="vgg16", method="oneshot")["paper %"] == "91.2 (Table 2)"
    assert row(table, model="vgg16", method="dense")["paper %"] == "92.5 (Table 1)"
    assert list(table["paper %"]).count("–") == len(table) - 2
    path.write_text("model,dataset,method,sparsity,accuracy,where\nvgg16,digits,oneshot,0.8,91.2,Table 2\n")
    with pytest.raises(PrunescopeError, match="fractions"):
        quality.paper_accuracies(path)
    path.write_text("model,accuracy\n")
    with pytest.raises(PrunescopeError, match="columns"):
        quality.paper_accuracies(path)


@pytest.mark.parametrize("content", ["{", "[]"])
def test_a_broken_metrics_file_is_named(tree, content):
    metrics, study = tree()
    path = metrics / "evaluate/vgg16-digits-0/dense.json"
    path.write_text(content)
    with pytest.raises(PrunescopeError, match=r"vgg16-digits-0/dense\.json"):
        tables.summarise(metrics, study)


def test_a_training_file_without_its_steps_is_named(tree):
    metrics, study = tree()
    write_json(metrics / "finetune/vgg16-digits-0/dense.json", {"epochs": 4.0, "seconds": 1.0})
    with pytest.raises(PrunescopeError, match=r"vgg16-digits-0/dense.*steps"):
        tables.summarise(metrics, study)
