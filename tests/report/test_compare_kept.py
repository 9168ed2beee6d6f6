"""`prunescope compare` of kept studies and other folders, with and without git; measures of classes."""

import os
import shutil
import statistics
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from kept_fakes import keep
from prunescope.errors import PrunescopeError
from prunescope.report.compare import compare, records, side_by_side
from prunescope.report.summaries import gather
from report_fakes import plant_predictions

CLASS = "class,images,sensitivity,specificity,auc\n{rows}"


@pytest.fixture
def study(tree, tmp_path, monkeypatch) -> Path:
    """results/toy of two seeds in a folder that is no repository; class mel, of which one-shot finds 0.5 and 0.7."""
    metrics, grid = tree(models=("vgg16",), seeds=(0, 1))
    plant_predictions(metrics, grid, classes="ab")
    for file in metrics.glob("evaluate/*/*-classes.csv"):
        seed = int(file.parent.name[-1])
        found = 0.5 + 0.2 * seed if file.name.startswith("oneshot") else 0.75
        file.write_text(CLASS.format(rows=f"nv,40,0.9,0.6,\nmel,40,{found},0.9,0.8\n"))
    monkeypatch.chdir(tmp_path)
    return keep(metrics, grid, tmp_path / "results/toy")


def table(*names: str, measure: str = "accuracy") -> pd.DataFrame:
    found = side_by_side(gather(names, every_experiment=False, measure=measure), measure)
    return found[found["sparsity %"] == "80"]  # the base stands in a row of level 0


def test_a_kept_study_needs_no_git(study, tmp_path):
    shutil.rmtree("metrics")
    command = [sys.executable, "-m", "prunescope", "compare", "results/toy/", "--measure", "accuracy", "--format", "json"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=os.environ | {"PATH": str(tmp_path)})
    assert '"revision": "results/toy"' in done.stdout
    wanted = pd.read_csv(study / "summary.csv").query("method == 'oneshot'")["accuracy"]
    [found] = table("results/toy").to_dict("records")
    assert found["oneshot"] == f"{wanted.mean() * 100:.1f} ± {wanted.std(ddof=1) * 100:.1f}" and found["n"] == "2"
    assert table("results/toy/summary.csv").to_dict("records") == [found]
    with pytest.raises(PrunescopeError, match=r"found no metrics/summary.csv here"):
        table()


def test_folders_stand_beside_revisions_and_the_work_tree(study):
    shutil.copy("results/toy/summary.csv", "metrics/summary.csv")
    one = pd.read_csv("metrics/summary.csv")
    identity = ("-c", "user.name=t", "-c", "user.email=t@example.org")
    for number, words in enumerate((("init", "-q", "-b", "main"), ("add", "metrics/summary.csv"), ("commit", "-q", "-m", "a"))):
        subprocess.run(["git", *identity, *words], check=True)
        one.assign(accuracy=0.25 + number / 4).to_csv("metrics/summary.csv", index=False)
    found = table("results/toy", "main", ".").set_index("revision")
    assert list(found.index) == ["results/toy", "main", "work tree"]
    assert found.loc["work tree", "oneshot"] == "75.0 ± 0.0" and found.loc["main", "oneshot"] == "25.0 ± 0.0"
    assert found.loc["results/toy", "oneshot"] not in ("25.0 ± 0.0", "75.0 ± 0.0")
    every = gather(["results/toy"], every_experiment=True)
    assert list(dict.fromkeys(every["revision"])) == ["work tree", "results/toy"]


def test_the_sensitivity_of_a_class(study):
    [found] = table("results/toy", measure="sensitivity:mel").to_dict("records")
    assert found["oneshot"] == f"60.0 ± {100 * statistics.stdev((0.5, 0.7)):.1f}" and found["dense"] == "75.0 ± 0.0"
    assert table("results/toy", measure="specificity:nv")["iterative"].tolist() == ["60.0 ± 0.0"], "not critical, but asked for"
    shutil.copy("results/toy/summary.csv", "metrics/summary.csv")
    assert table(measure="sensitivity:mel").to_dict("records") == [found], "the work tree has class files too"
    text = compare(["results/toy"], every_experiment=False, measure="sensitivity:mel", form="table", figure=Path("curve.png"))
    assert text.startswith("sensitivity:mel, %: mean") and Path("curve.png").stat().st_size > 10_000


def test_data_sets_without_the_class_are_left_out(study):
    of_class = gather(["results/toy"], every_experiment=False, measure="auc:mel")
    rows = pd.concat([of_class, gather([str(study)], every_experiment=False).assign(dataset="other")])
    assert set(side_by_side(rows, "auc:mel")["data"]) == {"digits"}
    assert {entry["dataset"] for entry in records(rows, "auc:mel")} == {"digits"}


@pytest.mark.parametrize(
    ("measure", "found"), [("beauty", "found the measure 'beauty'"), ("sensitivity:wart", "no sensitivity:wart")]
)
def test_an_unknown_measure_names_those_there_are(study, measure, found):
    with pytest.raises(PrunescopeError, match=rf"{found}.*, wanted one of accuracy, .*, sensitivity:mel, .*auc:mel;") as error:
        compare(["results/toy"], every_experiment=False, measure=measure, form="table")
    named = str(error.value).partition("wanted one of ")[2].partition(";")[0].split(", ")
    for name in named:
        compare(["results/toy"], every_experiment=False, measure=name, form="table")
    assert "auc" not in named and "sensitivity:nv" not in named, "no number of it; and not critical"


def test_a_further_column_is_a_measure(study):
    pd.read_csv("results/toy/summary.csv").assign(watts=7.5, note="x").to_csv("results/toy/summary.csv", index=False)
    assert table("results/toy", measure="watts")["oneshot"].tolist() == ["7.500 ± 0.000"]
    with pytest.raises(PrunescopeError, match="found the measure 'note'"):
        table("results/toy", measure="note")


def test_a_name_that_is_neither_folder_nor_revision(study):
    with pytest.raises(
        PrunescopeError, match=r"in 'results', wanted .* or a folder with a summary.csv.*; here is no git repository"
    ):
        table("results")
