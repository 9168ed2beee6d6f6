"""Tables of how well networks classify: headline, all metrics, named classes, and classes one by one."""

import pytest

from prunescope.errors import PrunescopeError
from prunescope.evidence import quality, students
from report_fakes import opened, plant_predictions, row

NUMBERS = ("sensitivity", "specificity", "auc")
CLASSES = "class,images,groups," + ",".join(f"{name},{name}_low,{name}_high" for name in NUMBERS) + "\n"


def write_classes(metrics, cell: str, name: str, mel: float, rest: str = "nv,20,20,0.9,0,1,0.7,0,1,0.8,0,1\n") -> None:
    path = metrics / "evaluate" / cell / f"{name}-classes.csv"
    path.write_text(f"{CLASSES}mel,10,10,{mel},0,1,0.95,0,1,0.85,0,1\n{rest}")


def test_headline_has_a_column_per_network(tree):
    metrics, study = tree(seeds=(0, 1))
    (metrics / "evaluate/densenet169-digits-0.8-0/iterative.json").unlink()
    (metrics / "evaluate/densenet169-digits-0.8-1/iterative.json").unlink()
    table, labels = quality.headline_table(opened(metrics, study))
    assert labels == 4
    assert list(table.columns) == ["model", "data", "sparsity %", "endpoint %", "n", "dense", *study.methods, "MACs left %"]
    found = row(table, model="vgg16")
    assert found["dense"] == "96.8 ± 0.3"  # 0.970 and 0.966
    assert row(table, model="densenet169")["iterative"] == "not run"


def test_headline_has_a_row_per_network_where_there_are_many_methods(tree, monkeypatch):
    metrics, study = tree(seeds=(0, 1), models=("vgg16",))
    by_cell, _ = quality.headline_table(opened(metrics, study))
    monkeypatch.setattr(quality, "MANY", 2)
    (metrics / "evaluate/vgg16-digits-0.8-0/iterative.json").unlink()
    table, labels = quality.headline_table(opened(metrics, study))
    title = "balanced accuracy %, vgg16 on digits at 80 %"
    assert labels == 1 and list(table.columns) == ["network", "n", title, "MACs left %"]
    assert list(table["network"]) == ["dense", *study.methods] and list(table["n"]) == ["2", "2", "2", "1"]
    assert row(table, network="dense")[title] == row(by_cell, model="vgg16")["dense"]
    assert row(table, network="dense")["MACs left %"] == "100" != row(table, network="oneshot")["MACs left %"]


def test_headline_says_which_column_has_fewer_seeds(tree, monkeypatch):
    metrics, study = tree(seeds=(0, 1))
    monkeypatch.setattr(quality, "MANY", 2)
    for gone in ("vgg16-digits-0.8-0/iterative", "densenet169-digits-0.8-0/oneshot", "densenet169-digits-0.8-1/oneshot"):
        (metrics / f"evaluate/{gone}.json").unlink()
    table, _ = quality.headline_table(opened(metrics, study))
    assert [row(table, network=name)["n"] for name in ("dense", "iterative", "oneshot")] == ["2", "1, 2", "2"]


def test_headline_of_many_methods_has_a_row_per_network_and_level(tree, monkeypatch):
    """Each data set in a column of its own; the dense network, which has no level, once."""
    metrics, study = tree(seeds=(0, 1), models=("vgg16",), sparsities=(0.8, 0.5), datasets=("digits", "never"))
    monkeypatch.setattr(quality, "MANY", 2)
    for file in (metrics / "evaluate").glob("*never*/*.json"):
        file.unlink()
    (metrics / "evaluate/vgg16-digits-0.5-0/oneshot.json").unlink()
    (metrics / "evaluate/vgg16-digits-0.5-1/oneshot.json").unlink()
    table, labels = quality.headline_table(opened(metrics, study))
    title = "balanced accuracy %, vgg16 on digits"
    assert labels == 2 and list(table.columns) == ["network", "sparsity %", "n", title, "MACs left %"]
    levels = [("dense", "0.0"), *((name, level) for level in ("80.0", "50.0") for name in study.methods)]
    assert list(zip(table["network"], table["sparsity %"], strict=True)) == levels
    assert list(row(table, network="oneshot", **{"sparsity %": "50.0"})[["n", title, "MACs left %"]]) == ["0", "not run", "–"]
    only, labels = quality.headline_table(opened(metrics, study), [0.8])
    assert labels == 1 and list(only["network"]) == ["dense", *study.methods]
    assert list(only[f"{title} at 80 %"]) == list(table[title][:4])


def test_melanoma_is_named(tree):
    metrics, study = tree(models=("vgg16",), seeds=(0, 1))
    assert "melanoma sensitivity %" not in quality.metrics_table(opened(metrics, study)).columns
    for seed, mel in ((0, 0.5), (1, 0.6)):
        write_classes(metrics, f"vgg16-digits-0.8-{seed}", "oneshot", mel)
    table = quality.metrics_table(opened(metrics, study))
    found = row(table, method="oneshot")
    assert (found["melanoma sensitivity %"], found["melanoma specificity %"]) == ("55.0 ± 7.1", "95.0 ± 0.0")
    assert (found["AUC"], found["ECE %"], found["Brier"], found["NLL"]) == ("–", "2.0 ± 0.0", "0.040 ± 0.000", "0.100 ± 0.000")
    assert row(table, method="dense")["melanoma sensitivity %"] == "–"


def test_classes_one_by_one(tree):
    metrics, study = tree(models=("vgg16",))
    assert quality.class_metrics_table(opened(metrics, study)).empty
    write_classes(metrics, "vgg16-digits-0", "dense", 0.8)
    write_classes(metrics, "vgg16-digits-0.8-0", "oneshot", 0.5, rest="NA,0,0,,,,0.9,0,1,,,\n")
    table = quality.class_metrics_table(opened(metrics, study))
    found = row(table, method="oneshot", **{"class": "mel"})
    assert (found["sensitivity %"], found["specificity %"], found["AUC"]) == ("50.0", "95.0", "0.850")
    absent = row(table, method="oneshot", **{"class": "NA"})
    assert (absent["sensitivity %"], absent["specificity %"], absent["AUC"]) == ("–", "90.0", "–"), "a class may be named NA"
    assert row(table, method="iterative", **{"class": "nv"})["images"] == "not run"
    write_classes(metrics, "vgg16-digits-0", "dense", 0.8, rest="".join(f"{n},1,1,1,0,1,1,0,1,1,0,1\n" for n in range(10)))
    assert quality.class_metrics_table(opened(metrics, study)).empty, "eleven classes are too many"


def test_old_class_files_are_refused(tree):
    metrics, study = tree(models=("vgg16",))
    (metrics / "evaluate/vgg16-digits-0/dense-classes.csv").write_text("class,recall\na,1\n")
    with pytest.raises(PrunescopeError, match="found no column auc, images, sensitivity, specificity; run its stage again"):
        quality.by_class(opened(metrics, study))


def test_students_beside_teachers(tree):
    metrics, study = tree(seeds=(0, 1, 2))
    for seed, predicted in ((0, "aabb"), (1, "abbb"), (2, "bbbb")):
        for name, letters in (("oneshot", "aabb"), ("student-oneshot", predicted)):
            lines = "".join(f"{n},{n},a,{letter}\n" for n, letter in enumerate(letters))
            path = metrics / f"evaluate/vgg16-digits-0.8-{seed}/{name}-predictions.csv"
            path.write_text(f"name,group,actual,predicted\n{lines}")
    results = opened(metrics, study)
    summary = results.summary
    for seed, gain in ((0, 0.01), (1, 0.012), (2, 0.008)):
        mine = (summary["seed"] == seed) & (summary["method"] == "student-oneshot")
        summary.loc[mine, "balanced_accuracy"] = (
            summary[(summary["seed"] == seed) & (summary["method"] == "student-alone")]["balanced_accuracy"].item() + gain
        )
    table = students.student_table(results)
    assert table["taught by"].tolist() == ["alone", "dense", *study.methods]
    found = row(table, taught_by="oneshot")
    assert found["agrees with teacher %"] == "75.0 ± 25.0"
    assert (
        found["gain over alone, points"] == "+1.0 [+0.5, +1.5]"
    )  # 4.303 (2 degrees of freedom: the others are still) x 0.2 / sqrt(3)
    assert found["verdict"] == "better"
    assert (found["student MB packed"], found["teacher's"], found["student 1 image, ms"]) == ("4.125", "0.957", "2.00")
    alone = row(table, taught_by="alone")
    assert [alone[name] for name in ("gain over alone, points", "verdict", "agrees with teacher %")] == ["–"] * 3


def test_data_sets_of_many_classes_are_named(tree):
    metrics, study = tree(models=("vgg16",), datasets=("digits", "ham10000-small"))
    assert quality.many_classes(opened(metrics, study)) == []
    plant_predictions(metrics, study, classes="abcdefghijk")
    for path in metrics.glob("evaluate/*ham10000-small*/*-classes.csv"):
        path.unlink()
    assert quality.many_classes(opened(metrics, study)) == ["digits (11)"]
    assert quality.class_metrics_table(opened(metrics, study)).empty
