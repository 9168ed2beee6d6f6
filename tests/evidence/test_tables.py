"""Tables of accuracies, budgets and the paper's numbers."""

import statistics

import pytest
from scipy import stats

from prunescope.errors import PrunescopeError
from prunescope.evidence import paper, quality, storage
from prunescope.evidence.students import student_table
from prunescope.results.grid import Cell
from report_fakes import STEPS, accuracy_of, opened, row


def test_accuracy_table_gives_mean_sample_std_and_n(tree):
    metrics, study = tree(seeds=(0, 1, 2), sparsities=(0.8, 0.5))
    table = quality.accuracy_table(opened(metrics, study))
    assert len(table) == 2 * (2 + 3 * 2), "base, dense, and each method at both levels"
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
    results = opened(metrics, study)
    table = quality.accuracy_table(results)
    assert row(table, model="vgg16", method="oneshot")["accuracy %"] == "96.3"
    missing = row(table, model="densenet169", method="iterative")
    assert (missing["n"], missing["accuracy %"], missing["compression"]) == ("0", "not run", "–")
    assert row(storage.budget_table(results), model="densenet169", method="iterative")["steps"] == "not run"
    students = student_table(results)
    assert row(students, taught_by="oneshot")["student accuracy %"] == "not run"
    assert row(students, taught_by="alone")["student accuracy %"] == "94.5"
    assert row(students, taught_by="dense")["teacher accuracy %"] == "97.5"
    for file in (metrics / "evaluate/vgg16-digits-0.8-0").glob("student-*.json"):
        file.unlink()
    assert list(student_table(opened(metrics, study))["taught by"]) == ["alone", "dense"], "no student of that level ran"
    for file in (metrics / "evaluate/vgg16-digits-0").glob("student-*.json"):
        file.unlink()
    assert list(student_table(opened(metrics, study))["n"]) == ["0"] * 5, "none ran at all"


def test_budget_table_shows_equal_budgets(tree):
    metrics, study = tree()
    table = storage.budget_table(opened(metrics, study))
    assert len(table) == 2 * 5
    assert set(table["steps"]) == {str(STEPS)}
    assert set(table["epochs"]) == {"4.00"}


def test_the_paper_stands_beside_ours_where_it_has_the_cell(tree, tmp_path):
    metrics, study = tree()
    results = opened(metrics, study)
    assert "paper %" not in quality.accuracy_table(results, paper.accuracies()).columns
    path = tmp_path / "paper.csv"
    path.write_text(
        "model,dataset,method,sparsity,accuracy,where\n"
        "vgg16,digits,oneshot,0.8,0.912,Table 2\n"
        "vgg16,digits,dense,0,0.925,Table 1\n"
        "vgg16,elsewhere,oneshot,0.8,0.5,Table 3\n"
    )
    table = quality.accuracy_table(results, paper.accuracies(path))
    assert row(table, model="vgg16", method="oneshot")["paper %"] == "91.2 (Table 2)"
    assert row(table, model="vgg16", method="dense")["paper %"] == "92.5 (Table 1)"
    assert list(table["paper %"]).count("–") == len(table) - 2
    path.write_text("model,dataset,method,sparsity,accuracy,where\nvgg16,digits,oneshot,0.8,91.2,Table 2\n")
    with pytest.raises(PrunescopeError, match="fractions"):
        paper.accuracies(path)
    path.write_text("model,accuracy\n")
    with pytest.raises(PrunescopeError, match="columns"):
        paper.accuracies(path)


def test_the_papers_own_table_is_that_of_its_figures():
    """Iterative is best in 7 of its 8 cells, layerwise worst in 5, and neither mean over networks is beyond chance."""
    shipped = paper.accuracies()
    assert len(shipped) == 24
    found = paper.cells(shipped)
    assert found.query("model == 'vgg16' and dataset == 'cifar100-paper' and sparsity == 0.8").iloc[0].to_dict() == pytest.approx(
        {"iterative": 65.79, "oneshot": 62.28, "layerwise": 55.35}
    )
    assert shipped["accuracy"].sum() == pytest.approx(17.9181), "a sum by hand"
    table = paper.judged_table(shipped, 1.0)
    assert table["cells"].tolist() == ["iterative best in 7 of 8", "layerwise worst in 5 of 8"]
    differences = (found["iterative"] - found["oneshot"]).groupby(["model", "dataset"]).mean()
    draws = [differences, differences.groupby("model").mean(), differences.groupby("dataset").mean()]
    interval = max((stats.ttest_1samp(of, 0).confidence_interval() for of in draws), key=lambda of: of.high - of.low)
    bounds = f"{differences.mean():+.1f} [{interval.low:+.1f}, {interval.high:+.1f}]".replace("-", "−")
    assert f"iterative − oneshot: {bounds}" in table["mean over networks, points of accuracy"][0]
    assert table["verdict"].tolist() == ["not enough data"] * 2


def test_a_similar_setting_is_called_one():
    cell = Cell("vgg16_bn", "cifar100-small", 0.8)
    assert paper.beside(paper.accuracies(), cell, "iterative") == "65.8 (Fig. 6, other setting)"
    assert paper.beside(paper.accuracies(), cell._replace(model="vgg16", dataset="cifar100-paper"), "oneshot") == "62.3 (Fig. 6)"
    assert paper.beside(paper.accuracies(), cell._replace(sparsity=0.9), "oneshot") == "–"
