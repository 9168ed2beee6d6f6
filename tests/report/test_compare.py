"""`prunescope compare`: in one revision, over revisions, over experiments, as table, Markdown, JSON and figure."""

import io
import json
import os
import statistics
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from prunescope.errors import PrunescopeError
from prunescope.report import compare as module
from prunescope.report.compare import compare, records, side_by_side
from prunescope.report.summaries import experiments, gather

ROWS = """dataset,model,kind,method,sparsity,seed,accuracy,balanced_accuracy,nll,size_packed_bytes,auc
digits,vgg16,dense,dense,0.0,0,0.98,0.97,0.1,4000000,
digits,vgg16,dense,dense,0.0,1,0.99,0.98,0.1,4000000,
digits,vgg16,pruned,oneshot,{level},0,0.90,0.{best},0.2,1000000,
digits,vgg16,pruned,oneshot,{level},1,0.92,0.91,0.2,1000000,
digits,vgg16,pruned,iterative,{level},0,0.93,0.93,0.2,1000000,
digits,vgg16,student,student-oneshot,{level},0,0.5,0.5,0.2,2000000,
"""


def git(*arguments: str, date: int = 0) -> str:
    identity = ("-c", "user.name=test", "-c", "user.email=test@example.org")
    environment = os.environ | {"GIT_COMMITTER_DATE": f"{1_700_000_000 + date} +0000"}
    done = subprocess.run(["git", *identity, *arguments], capture_output=True, text=True, check=True, env=environment)
    return done.stdout.strip()


def write(level: float, best: int = 89) -> None:
    Path("metrics").mkdir(exist_ok=True)
    Path("metrics/summary.csv").write_text(ROWS.format(level=level, best=best))


@pytest.fixture
def repository(tmp_path, monkeypatch) -> None:
    """A work tree at 80 %, and two experiments as DVC keeps them: at 50 %, and at 80 % with another number."""
    monkeypatch.chdir(tmp_path)
    git("init", "-q", "-b", "main")
    for date, (name, level, best) in enumerate((("half", 0.5, 89), ("again", 0.8, 80))):
        write(level, best)
        git("add", "-A")
        git("commit", "-q", "-m", name, date=date)
        head = git("rev-parse", "HEAD")
        git("update-ref", f"refs/exps/{head[:2]}/{head[2:]}/{name}", head)
    git("update-ref", "refs/exps/stash", "HEAD")  # not an experiment
    write(0.8)


def test_the_work_tree(repository):
    [found] = side_by_side(gather([], every_experiment=False), "balanced_accuracy").to_dict("records")
    mean, deviation = statistics.mean((89, 91)), statistics.stdev((89, 91))
    assert found == {
        "data": "digits", "model": "vgg16", "sparsity %": "80", "n": "1–2", "dense": "97.5 ± 0.7",
        "oneshot": f"{mean:.1f} ± {deviation:.1f}", "iterative": "93.0",
    }  # fmt: skip


def test_over_experiments_equal_arms_stand_once(repository):
    assert list(experiments()) == ["half", "again"]
    rows = gather([], every_experiment=True)
    table = side_by_side(rows, "accuracy")
    assert table[["revision", "sparsity %", "oneshot", "iterative"]].to_numpy().tolist() == [
        ["half", "50", "91.0 ± 1.4", "93.0"],
        ["work tree", "80", "91.0 ± 1.4", "93.0"],
        ["again", "80", "91.0 ± 1.4", "93.0"],
    ]
    assert set(table["dense"]) == {"98.5 ± 0.7"}, "the control has no level and stands beside each"
    write(0.5)
    assert set(gather([], every_experiment=True)["revision"]) == {"work tree", "again"}, "the same numbers stand once"


def test_revisions_are_not_mixed(repository):
    """One seed of one arm differs: both revisions show the mean of all their seeds."""
    table = side_by_side(gather(["main", "again"], every_experiment=False), "balanced_accuracy").set_index("revision")
    assert [str(table.loc[name, "oneshot"]) for name in ("main", "again")] == ["85.5 ± 7.8"] * 2, "main is at the second commit"
    write(0.8, 60)
    text = compare([], every_experiment=True, measure="balanced_accuracy", form="table")
    assert "75.5 ± 21.9" in text
    assert "85.5 ± 7.8" in text


def test_dense_alone_and_partial_cells(repository):
    Path("metrics/summary.csv").write_text("".join(ROWS.format(level=0.8, best=89).splitlines(keepends=True)[:3]))
    [found] = side_by_side(gather([], every_experiment=False), "accuracy").to_dict("records")
    assert found == {"data": "digits", "model": "vgg16", "sparsity %": "0", "n": "2", "dense": "98.5 ± 0.7"}
    assert "98.5" in compare([], every_experiment=False, measure="accuracy", form="markdown")
    Path("metrics/summary.csv").write_text("")
    with pytest.raises(PrunescopeError, match="of work tree cannot be read"):
        gather([], every_experiment=False)


def test_data_sets_may_have_any_name(repository):
    Path("metrics/summary.csv").write_text(ROWS.format(level=0.8, best=89).replace("digits", "NA"))
    assert side_by_side(gather([], every_experiment=False), "accuracy")["data"].tolist() == ["NA"]


def test_experiments_of_one_name_on_two_commits(repository):
    head = git("rev-parse", "HEAD~1")
    git("update-ref", f"refs/exps/ab/{'c' * 38}/half", head)
    assert sorted(experiments()) == sorted(["again", f"half@{head[:7]}", "half@abccccc"])


def test_named_revisions(repository):
    rows = gather(["half", "main"], every_experiment=False)
    assert set(rows["revision"]) == {"half", "main"}
    with pytest.raises(PrunescopeError, match=r"found no metrics/summary.csv in 'nothing'.*experiments here: half, again"):
        gather(["nothing"], every_experiment=False)


def test_json_has_numbers(repository):
    found = json.loads(compare([], every_experiment=False, measure="accuracy", form="json"))
    assert [entry["method"] for entry in found] == ["dense", "oneshot", "iterative"]
    assert found[1] | {"std": round(found[1]["std"], 9)} == {
        "revision": "work tree", "dataset": "digits", "model": "vgg16", "method": "oneshot", "sparsity": 0.8,
        "measure": "accuracy", "n": 2, "mean": pytest.approx(0.91), "std": round(statistics.stdev((0.9, 0.92)), 9),
    }  # fmt: skip
    assert found[2]["std"] is None


def test_markdown_and_bytes(repository):
    lines = compare([], every_experiment=False, measure="size_packed_bytes", form="markdown").splitlines()
    assert lines[1] == "| :-- | :-- | :-- | --: | --: | --: | --: |"
    assert lines[2] == "| digits | vgg16 | 80 | 1–2 | 4,000,000 ± 0 | 1,000,000 ± 0 | 1,000,000 |"


def test_the_curve(repository, tmp_path):
    path = tmp_path / "curve.png"
    compare([], every_experiment=True, measure="accuracy", form="table", figure=path)
    with Image.open(io.BytesIO(path.read_bytes())) as image:
        assert image.width > 400
    rows = module._measured(gather([], every_experiment=True), "balanced_accuracy")
    figure = module.sparsity_curves(rows, "balanced_accuracy", percent=True)
    keys = [text.get_text() for text in figure.legends[0].get_texts()]
    assert "oneshot (again)" in keys, "two revisions have other numbers at 80 %, so each has its own lines"
    same = module.sparsity_curves(rows[rows["revision"] != "again"], "balanced_accuracy", percent=True)
    assert [text.get_text() for text in same.legends[0].get_texts()] == ["dense control", "oneshot", "iterative"]
    lines = [np.asarray(of[0].get_data()) for of in same.axes[0].containers]
    assert [line.T.tolist() for line in lines] == [[[50.0, pytest.approx(90.0)], [80.0, pytest.approx(90.0)]],
                                                   [[50.0, pytest.approx(93.0)], [80.0, pytest.approx(93.0)]]]  # fmt: skip


@pytest.mark.parametrize(
    ("measure", "message"), [("beauty", "wanted one of accuracy"), ("auc", "found no auc"), ("steps", "found no steps")]
)
def test_wrong_measures(repository, measure, message):
    with pytest.raises(PrunescopeError, match=message):
        records(gather([], every_experiment=False), measure)


def test_old_or_no_summary(repository):
    Path("metrics/summary.csv").write_text("dataset,model\n")
    with pytest.raises(PrunescopeError, match="of work tree has no column kind, method"):
        gather([], every_experiment=False)
    Path("metrics/summary.csv").unlink()
    done = subprocess.run([sys.executable, "-m", "prunescope", "compare"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert "found no metrics/summary.csv here" in done.stderr


def test_the_command_prints_the_table(repository):
    command = [sys.executable, "-m", "prunescope", "compare", "again", "--measure", "accuracy"]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert "accuracy, %: mean ± sample standard deviation over n seeds" in printed
    assert len(pd.read_csv(io.StringIO(printed), skiprows=1)) == 1
