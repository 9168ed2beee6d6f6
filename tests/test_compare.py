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

from prunescope import compare as module
from prunescope.compare import compare, experiments, gather, records, side_by_side
from prunescope.errors import PrunescopeError

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
        "data": "digits", "model": "vgg16", "sparsity %": "80", "n": "2", "dense": "97.5 ± 0.7",
        "oneshot": f"{mean:.1f} ± {deviation:.1f}", "iterative": "93.0",
    }  # fmt: skip


def test_over_experiments_equal_arms_stand_once(repository):
    assert list(experiments()) == ["half", "again"]
    rows = gather([], every_experiment=True)
    table = side_by_side(rows, "accuracy")
    assert table[["revision", "sparsity %", "oneshot"]].to_numpy().tolist() == [
        ["half", "50", "91.0 ± 1.4"],
        ["work tree", "80", "91.0 ± 1.4"],
        ["again", "80", "90.0"],
    ], "of `again` only what is new"
    assert set(table["dense"]) == {"98.5 ± 0.7"}, "the control has no level and stands beside each"


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
    assert lines[2] == "| digits | vgg16 | 80 | 2 | 4,000,000 ± 0 | 1,000,000 ± 0 | 1,000,000 |"


def test_the_curve(repository, tmp_path):
    path = tmp_path / "curve.png"
    compare([], every_experiment=True, measure="accuracy", form="table", figure=path)
    with Image.open(io.BytesIO(path.read_bytes())) as image:
        assert image.width > 400
    figure = module.sparsity_curves(gather([], every_experiment=True), "accuracy", percent=True)
    lines = {line.get_label(): np.asarray(line.get_ydata()).tolist() for line in figure.axes[0].get_lines()}
    assert lines["dense control"] == pytest.approx([98.5, 98.5])
    shown = {of.get_label(): [tuple(np.asarray(of[0].get_data())[:, n]) for n in (0, 1)] for of in figure.axes[0].containers}
    assert shown["iterative"] == [(50.0, pytest.approx(93.0)), (80.0, pytest.approx(93.0))]


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
