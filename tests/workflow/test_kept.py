"""Kept studies: summary and report, to the last number, come from the metrics files in the archive."""

import re
from pathlib import Path

import pandas as pd
import pytest

from graph import ROOT
from prunescope.report import keep
from prunescope.report.index import index
from prunescope.results import summary
from prunescope.results.kept import kept_grid, provenance, unpack
from prunescope.results.results import kept
from prunescope.study.params import load

RESULTS = ROOT / "results"
STUDIES = sorted(of.parent for of in RESULTS.glob("*/provenance.json"))
studies = pytest.mark.parametrize("study", STUDIES, ids=lambda of: of.name)


@studies
def test_the_summary_comes_from_the_archive(study, tmp_path):
    summary.save(kept(study).summary, tmp_path / "again.csv")
    pd.testing.assert_frame_equal(pd.read_csv(study / "summary.csv"), pd.read_csv(tmp_path / "again.csv"))


@studies
@pytest.mark.slow
def test_the_report_comes_from_the_archive(study, tmp_path, monkeypatch):
    monkeypatch.setattr("prunescope.report.drawn._png", lambda *_: b"")  # the text does not depend on the pictures
    keep.write_page(kept(study), tmp_path / "out", provenance(study))
    assert (tmp_path / "out/report.md").read_text(encoding="utf-8") == (study / "report.md").read_text(encoding="utf-8")


@studies
def test_the_settings_are_spelled_as_today(study):
    """`prunescope keep` joins further seeds to a study whose recipes are those of the repository that ran them."""
    assert load(study / "params.yaml").grid == kept_grid(study)


@studies
def test_no_images_of_the_data_and_no_networks(study):
    assert {Path(name).suffix for name in unpack(study / "metrics.tar.xz")} == {".json", ".csv"}
    figures = {file.relative_to(study).as_posix() for file in study.rglob("*.png")}
    named = set(re.findall(r"\]\((figures/[^)]+)\)", (study / "report.md").read_text(encoding="utf-8")))
    assert figures == named, "only what the report shows"
    assert {file.suffix for file in study.rglob("*") if file.is_file()} <= {".md", ".csv", ".json", ".yaml", ".png", ".xz"}


def test_the_index_has_every_study():
    assert STUDIES
    assert (RESULTS / "README.md").read_text(encoding="utf-8") == index(RESULTS)
