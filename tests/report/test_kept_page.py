"""`prunescope report`: the page of a kept study comes from its archive, where there is no git, no DVC and no training."""

import os
import subprocess
import sys

import pytest

from kept_fakes import keep
from prunescope.errors import PrunescopeError
from prunescope.report import keep as module
from prunescope.report.index import INDEX
from prunescope.report.keep import page_of
from prunescope.results.kept import provenance
from prunescope.results.results import kept
from report_fakes import plant_predictions


@pytest.fixture
def study(tree, tmp_path, monkeypatch):
    """results/toy in a folder that is no repository."""
    metrics, grid = tree(models=("vgg16",), teachers=())
    plant_predictions(metrics, grid)
    monkeypatch.chdir(tmp_path)
    folder = keep(metrics, grid, tmp_path / "results/toy")
    (tmp_path / "results/README.md").write_text(INDEX, encoding="utf-8")
    return folder


def test_the_command_writes_the_page_without_git(study, tmp_path, monkeypatch):
    before = {path: path.read_bytes() for path in (tmp_path / "results").rglob("*") if path.is_file()}
    nothing = os.environ | {"PATH": str(tmp_path / "no-programs")}
    words = [sys.executable, "-m", "prunescope", "report", "results/toy"]
    done = subprocess.run(words, capture_output=True, text=True, check=False, env=nothing)
    assert (done.returncode, done.stdout) == (0, "open reports/toy/report.html\n"), done.stderr
    html = (tmp_path / "reports/toy/report.html").read_text(encoding="utf-8")
    assert "git checkout 0123456789ab" in html and "97.5" in html, "provenance as kept, and the control's accuracy"
    assert list((tmp_path / "reports/toy/figures").glob("*.png"))
    monkeypatch.setattr("prunescope.report.drawn.write", lambda *_: None)  # the text does not depend on the pictures
    module.write_page(kept(study), tmp_path / "beside", provenance(study))
    assert (tmp_path / "reports/toy/report.md").read_bytes() == (tmp_path / "beside/report.md").read_bytes(), "as keep writes it"
    assert {path: path.read_bytes() for path in before} == before
    assert {path for path in (tmp_path / "results").rglob("*") if path.is_file()} == set(before)


@pytest.mark.parametrize("out", ["results/toy", "results/toy/page", "results/page"])
def test_nothing_is_written_among_kept_studies(study, tmp_path, out):
    with pytest.raises(PrunescopeError, match=r"found the output folder .* inside .*results.*, wanted one beside"):
        page_of(study, tmp_path / out)
    assert not (study / "report.html").exists() and not (tmp_path / "results/page").exists()


def test_figures_of_something_else_stay(study, tmp_path):
    (tmp_path / "paper/figures").mkdir(parents=True)
    (tmp_path / "paper/figures/mine.png").write_bytes(b"mine")
    with pytest.raises(PrunescopeError, match=r"found figures of something else in .*paper, wanted a new folder"):
        page_of(study, tmp_path / "paper")
    assert (tmp_path / "paper/figures/mine.png").read_bytes() == b"mine"


def test_what_is_no_kept_study_is_refused(study, tmp_path):
    with pytest.raises(
        PrunescopeError, match=r"results: found no provenance.json and no metrics.tar.xz, wanted .*: results/toy$"
    ):
        page_of((tmp_path / "results").relative_to(tmp_path))
    (study / "provenance.json").write_text("{}", encoding="utf-8")
    with pytest.raises(PrunescopeError, match="found no commits and command in it"):
        page_of(study)
    (study / "provenance.json").write_text("{", encoding="utf-8")
    with pytest.raises(PrunescopeError, match=r"provenance.json: found no valid JSON \(.*\); keep the study again"):
        page_of(study)
    assert not (tmp_path / "reports").exists()
