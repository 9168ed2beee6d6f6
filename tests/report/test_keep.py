"""Keeping a study seed by seed: the joined folder has all seeds' numbers, whatever order they came in."""

import json
import re
import shutil
import subprocess
import tarfile
from contextlib import nullcontext
from dataclasses import asdict, replace
from pathlib import Path

import pandas as pd
import pytest

from graph import ROOT
from prunescope.errors import PrunescopeError
from prunescope.evidence import likeness
from prunescope.report.index import index
from prunescope.report.keep import _widest, _with_seeds, collect, finished_seeds
from prunescope.results.kept import archived
from prunescope.results.results import kept as kept_results
from prunescope.study.params import load
from report_fakes import make_study, opened, plant


def repository(folder: Path, seed: int) -> Path:
    """A repository in which one seed of a study ran."""
    folder.mkdir()
    text = (ROOT / "params.yaml").read_text(encoding="utf-8")
    text, count = re.subn(r"(?m)^(  seeds:.*\n)  - 0\n", rf"\g<1>  - {seed}\n", text)
    assert count == 1
    text = text.replace("  - vgg16_bn\n", "  - vgg16\n")  # as the fakes are called
    text = text.replace("  - densenet169\n", "")
    (folder / "params.yaml").write_text(text, encoding="utf-8")
    plant(folder / "metrics", make_study(seeds=(seed,), models=("vgg16",)), cka=False)
    (folder / "metrics/summary.csv").write_text("of this machine alone\n")
    (folder / "src").mkdir()
    (folder / "src/code.py").write_text("1\n")
    for command in (("init", "-q"), ("add", "params.yaml", "src"), ("commit", "-q", "-m", "study")):
        subprocess.run(["git", "-c", "user.name=t", "-c", "user.email=t@example.org", *command], cwd=folder, check=True)
    return folder


def keep(folders: list[Path], results: Path) -> Path:
    return collect(folders, results, load(folders[0] / "params.yaml").grid)


def test_seeds_of_two_machines_join(tmp_path):
    first, second = repository(tmp_path / "first", 0), repository(tmp_path / "second", 1)
    for folder, seconds in ((first, 60.5), (second, 30.0)):
        (folder / "logs").mkdir()
        noted = {
            f"evaluate@vgg16-digits-0.8-{int(seconds < 60)}": seconds,
            "evaluate@vgg16-digits-paper-0.8-0": 1.0,
            "cka@vgg16-digits-0.3-0": 1.0,
            "report": 2.0,
        }
        (folder / "logs/times.json").write_text(json.dumps(noted))
    kept = keep([first], tmp_path / "results")
    assert kept.name == "small"
    assert load(kept / "params.yaml").study.seeds == (0,)
    assert keep([second], tmp_path / "results") == kept
    assert load(kept / "params.yaml").study.seeds == (0, 1)
    summary = pd.read_csv(kept / "summary.csv")
    assert dict(summary["seed"].value_counts()) == {0: 10, 1: 10}
    assert "n seeds" in (kept / "report.md").read_text(encoding="utf-8")
    assert not (kept / "report.html").exists()
    with tarfile.open(kept / "metrics.tar.xz") as tar:
        names = tar.getnames()
    times = {"evaluate@vgg16-digits-0.8-0": 60.5, "evaluate@vgg16-digits-0.8-1": 30.0}
    assert archived(kept).json("runner/times.json") == times, "of this study's networks, and of both machines"
    assert "metrics/evaluate/vgg16-digits-1/dense.json" in names
    assert "metrics/evaluate/vgg16-digits-0.8-0/oneshot.json" in names
    assert not any(name.endswith((".npz", "/summary.csv")) for name in names)
    index = (tmp_path / "results/README.md").read_text(encoding="utf-8")
    assert index.count("| [small](small/report.md) | digits vgg16: n = 2 | – |") == 1
    assert '| `dvc exp run -S "study.seeds=[0,1]"` |' in index, "the others are the commit's"
    before = {file: file.read_bytes() for file in kept.rglob("*") if file.is_file()}
    keep([second], tmp_path / "results")
    assert {file: file.read_bytes() for file in before} == before, "the same bytes again"
    content = {name: b"" for name in archived(kept).content or {} if name != "evaluate/vgg16-digits-0/dense.json"}
    assert finished_seeds(content, kept_results(kept).grid) == (1,)


def test_what_a_person_wrote_stays_and_the_index_says_what_did_not_run(tmp_path):
    folder = repository(tmp_path / "first", 0)
    kept = keep([folder], tmp_path / "results")
    made = json.loads((kept / "provenance.json").read_text())
    (kept / "provenance.json").write_text(json.dumps(made | {"before": ["cp a weights/b"], "note": "By hand."}))
    keep([folder], tmp_path / "results")
    assert json.loads((kept / "provenance.json").read_text())["note"] == "By hand."
    assert f"cp a weights/b\n    {made['command']}" in (kept / "report.md").read_text(encoding="utf-8")
    assert f"| – | {made['training_hours']:.1f} |" in index(tmp_path / "results")
    rows = pd.read_csv(kept / "summary.csv")
    rows[rows["kind"] != "student"].to_csv(kept / "summary.csv", index=False)
    text = index(tmp_path / "results")
    assert "| students of vgg16 on digits at 80 % |" in text and f"| `cp a weights/b`; `{made['command']}` |" in text


def test_a_seed_may_lack_the_students_that_another_has(tmp_path):
    """Three seeds of students are enough where eight of the rest are wanted; what the study asks for stays asked for."""
    first, second = repository(tmp_path / "first", 0), repository(tmp_path / "second", 1)
    path = second / "params.yaml"
    path.write_text(path.read_text(encoding="utf-8").replace("  teachers:\n  - vgg16\n", "  teachers: []\n"), encoding="utf-8")
    shutil.rmtree(second / "metrics/distill")
    kept = keep([first], tmp_path / "results")
    keep([second], tmp_path / "results")
    found = kept_results(kept)
    assert found.grid.teachers == ("vgg16",) and found.grid.seeds == (0, 1)
    assert load(kept / "params.yaml").distill.teachers == ("vgg16",) and load(kept / "params.yaml").study.seeds == (0, 1)
    text = re.sub(
        r"(?m)^compare_sparsities:.*\n(- .*\n)+", "compare_sparsities: [0.5, 0.5, 0.5, 0.5]\n", path.read_text(encoding="utf-8")
    )
    path.write_text(text, encoding="utf-8")
    with pytest.raises(PrunescopeError, match=r"second: found more sparsities than .* has, and fewer teachers; wanted all"):
        keep([second], tmp_path / "results")


def test_the_page_names_the_commits_that_made_numbers_and_checks_out_the_last(tmp_path):
    """Not that of a folder which only says what the whole study is; its command is told from the params.yaml there."""
    first, second = repository(tmp_path / "first", 0), repository(tmp_path / "second", 1)
    shutil.rmtree(first / "metrics")
    path = second / "params.yaml"
    path.write_text(re.sub(r"(?m)^sparsity: [\d.]+", "sparsity: 0.7", path.read_text("utf-8")), "utf-8")
    subprocess.run(["git", "-c", "user.name=t", "-c", "user.email=t@e.org", "commit", "-qam", "7"], cwd=second, check=True)
    made = json.loads((keep([first, second], tmp_path / "results") / "provenance.json").read_text("utf-8"))
    head = subprocess.run(["git", "rev-parse", "--short=12", "HEAD"], cwd=second, capture_output=True, text=True, check=True)
    assert made["commits"] == [head.stdout.strip()]
    assert "-S sparsity=0.8" in made["command"]
    keep([repository(tmp_path / "third", 2)], tmp_path / "results")
    keep([second, second], tmp_path / "results")
    commits = json.loads((tmp_path / "results/small/provenance.json").read_text("utf-8"))["commits"]
    assert len(commits) == 2 and commits[-1] == made["commits"][0], "what was kept last"


def test_what_decides_is_the_kept_study_s_where_a_folder_asks_for_less(tmp_path):
    """A network that ran alone knows neither the endpoint of the other data set nor the control among methods that it lacks."""
    more = {"datasets": ("digits", "skin"), "methods": ("oneshot", "random"), "seeds": (0, 1), "margin": 2.0}
    old = make_study(primary={"digits": "accuracy", "skin": "auc"}, chance=("random",), **more)
    (tmp_path / "provenance.json").write_text(json.dumps({"study": asdict(old)}))
    alone = make_study(models=("densenet169",), methods=("oneshot",), primary={"digits": "accuracy"}, seeds=(2,))
    found, asks = _widest(alone, tmp_path / "source", tmp_path)
    assert asks == tmp_path and found == replace(old, seeds=(2,))
    assert found.primary_of("skin") == "auc" and found.choices == ("oneshot",)


def test_other_recipes_and_uncommitted_code_are_refused(tmp_path):
    first, second = repository(tmp_path / "first", 0), repository(tmp_path / "second", 1)
    path = second / "params.yaml"
    path.write_text(path.read_text(encoding="utf-8").replace("learning_rate: 0.03", "learning_rate: 9.9", 1), encoding="utf-8")
    with pytest.raises(PrunescopeError, match=r"second: found other values of data.digits in its params.yaml"):
        keep([first, second], tmp_path / "results")
    (first / "src/code.py").write_text("2\n")
    with pytest.raises(PrunescopeError, match=r"first: found code that is not committed"):
        keep([first], tmp_path / "results")
    assert not (tmp_path / "results").exists()


def test_a_folder_without_a_finished_seed_or_without_git_is_refused(tmp_path):
    """With nothing written: an index of results/ that has half a study could not be made again."""
    folder = repository(tmp_path / "first", 0)
    (folder / "metrics/evaluate/vgg16-digits-0/dense.json").unlink()
    with pytest.raises(PrunescopeError, match=r"first: found no evaluated dense network of small under metrics/evaluate"):
        keep([folder], tmp_path / "results")
    shutil.rmtree(folder / ".git")
    with pytest.raises(PrunescopeError, match=r"first: wanted the git repository in which the study ran, but fatal: not a git"):
        keep([folder], tmp_path / "results")
    assert not (tmp_path / "results").exists()


def test_layer_sensitivity_is_kept_with_its_seeds(tmp_path):
    folders = [repository(tmp_path / name, seed) for seed, name in enumerate(("first", "second"))]
    for seed, folder in enumerate(folders):
        path = folder / "params.yaml"
        path.write_text(path.read_text(encoding="utf-8").replace("  models: []", "  models: [vgg16]"), encoding="utf-8")
        rows = ",0.0,90,0.0,0.9,0.3,50\n" + "".join(f"{seed}.{n},0.5,10,0.5,0.{n},0.3,50\n" for n in range(1, 9))
        (folder / "metrics/sensitivity").mkdir()
        head = "layer,level,weights,achieved,accuracy,loss,images\n"
        (folder / "metrics/sensitivity" / f"vgg16-digits-{seed}.csv").write_text(head + rows)
    kept = keep([folders[0]], tmp_path / "results")
    assert "## Layer sensitivity" in (kept / "report.md").read_text(encoding="utf-8")
    for level, refused in (("0.95", False), ("0.96", True)):
        path.write_text(path.read_text(encoding="utf-8").replace("  - 0.95", f"  - {level}"), encoding="utf-8")
        with pytest.raises(PrunescopeError, match="second: found other values of sensitivity in") if refused else nullcontext():
            keep(folders, tmp_path / "results")
    found = kept_results(kept)
    assert found.grid.sensitivity == ("vgg16",)
    for seed in (0, 1):
        table = found.layer_sensitivity("vgg16", "digits", seed)
        assert table is not None and table["layer"].tolist() == ["", *(f"{seed}.{n}" for n in range(1, 9))]
    assert replace(found, grid=replace(found.grid, sensitivity=())).layer_sensitivity("vgg16", "digits", 0) is None


@pytest.mark.parametrize(("seeds", "wanted"), [
    ("  seeds:\n  - 0\n", "  seeds:\n  - 3\n  - 4\n"),
    ("  seeds:  # each\n  - 0  # the first\n  - 1\n", "  seeds:  # each\n  - 3\n  - 4\n"),
    ("  seeds: [0, 1]\n", "  seeds:\n  - 3\n  - 4\n"),
    ("  seeds: [0]  # each\n", "  seeds:  # each\n  - 3\n  - 4\n"),
])  # fmt: skip
def test_seeds_are_written_however_they_were_spelled(seeds, wanted):
    assert _with_seeds(f"study:\n{seeds}  name: small\n", (3, 4)) == f"study:\n{wanted}  name: small\n"
    with pytest.raises(PrunescopeError, match="found no list of numbers"):
        _with_seeds("study:\n  seeds:\n  # none\n", (3, 4))


def test_the_similarity_of_seeds_outlives_its_kernels(tmp_path):
    folder = repository(tmp_path / "first", 0)
    study = make_study(seeds=(0, 1), models=("vgg16",))
    plant(folder / "metrics", study)
    kept = keep([folder], tmp_path / "results")
    assert "dense of two seeds" in (kept / "report.md").read_text(encoding="utf-8")
    found = kept_results(kept)
    assert not [name for name in found.files.content or {} if name.endswith(".npz")]
    table = likeness.similarity_table(found)
    pd.testing.assert_frame_equal(table, likeness.similarity_table(opened(folder / "metrics", study)))
