"""Kept studies: summary and report, to the last number, come from the metrics files in the archive."""

import io
import json
import re
import tarfile
from pathlib import Path

import collect_results
import pandas as pd
import pytest

from graph import ROOT
from prunescope.figures import look
from prunescope.results import tables
from prunescope.study.params import load_grid

RESULTS = ROOT / "results"
STUDIES = sorted(of.parent for of in RESULTS.glob("*/provenance.json"))
studies = pytest.mark.parametrize("study", STUDIES, ids=lambda of: of.name)


@studies
def test_the_summary_comes_from_the_archive(study, tmp_path):
    collect_results.unpack(study / "metrics.tar.xz", tmp_path)
    again = tables.summarise(tmp_path / "metrics", load_grid(study / "params.yaml"))
    pd.testing.assert_frame_equal(pd.read_csv(study / "summary.csv"), pd.read_csv(io.StringIO(_csv(again, tmp_path))))


def _csv(summary: pd.DataFrame, folder: Path) -> str:
    tables.save(summary, folder / "again.csv")
    return (folder / "again.csv").read_text(encoding="utf-8")


@studies
@pytest.mark.slow
def test_the_report_comes_from_the_archive(study, tmp_path, monkeypatch):
    monkeypatch.setattr(look, "png", lambda *_: b"")  # the text does not depend on the pictures
    collect_results.unpack(study / "metrics.tar.xz", tmp_path)
    made = json.loads((study / "provenance.json").read_text(encoding="utf-8"))
    collect_results.write_page(load_grid(study / "params.yaml"), tmp_path / "metrics", tmp_path / "out", made)
    assert (tmp_path / "out/report.md").read_text(encoding="utf-8") == (study / "report.md").read_text(encoding="utf-8")


@studies
def test_no_images_of_the_data_and_no_networks(study):
    with tarfile.open(study / "metrics.tar.xz") as tar:
        assert {Path(name).suffix for name in tar.getnames()} == {".json", ".csv"}
    figures = {file.relative_to(study).as_posix() for file in study.rglob("*.png")}
    named = set(re.findall(r"\]\((figures/[^)]+)\)", (study / "report.md").read_text(encoding="utf-8")))
    assert figures == named, "only what the report shows"
    assert {file.suffix for file in study.rglob("*") if file.is_file()} <= {".md", ".csv", ".json", ".yaml", ".png", ".xz"}


def test_the_index_has_every_study():
    assert STUDIES
    assert (RESULTS / "README.md").read_text(encoding="utf-8") == collect_results.index(RESULTS)
