"""A study's files: read once, from a folder or an archive alike, and named where they are broken."""

import shutil
from collections import Counter
from dataclasses import replace

import pandas as pd
import pytest

from prunescope.errors import PrunescopeError
from prunescope.report import page
from prunescope.results.kept import archived, kept_grid, pack, provenance
from prunescope.results.reading import Files
from prunescope.results.results import Results, of_summary
from prunescope.results.summary import save
from report_fakes import opened, plant_predictions


class Counted(Files):
    """Files that note every reading."""

    def read(self, name):
        COUNTS[name] += 1
        return super().read(name)


COUNTS: Counter[str] = Counter()


def test_the_page_reads_every_file_once(tree, tmp_path):
    metrics, study = tree(seeds=(0, 1))
    plant_predictions(metrics, study)
    COUNTS.clear()
    page.write(Results(study, Counted(metrics)), tmp_path / "out", provenance={}, reproduce=[])
    names = {file.relative_to(metrics).as_posix() for file in metrics.rglob("*") if file.is_file()}
    assert len(names) > 200
    assert {name: count for name, count in COUNTS.items() if count > 1} == {}
    unread = {name for name in names if name not in COUNTS}
    assert not {name for name in unread if "/student-" not in name and not name.startswith("cka/")}, "all but maps of other seeds"


def test_what_nobody_asks_for_is_not_read(tree):
    metrics, study = tree()
    COUNTS.clear()
    assert len(Results(study, Counted(metrics)).summary) == 15
    assert {name.rpartition(".")[2] for name in COUNTS} == {"json"}


def test_an_archive_gives_the_same_as_the_folder(tree, tmp_path):
    metrics, study = tree(seeds=(0, 1))
    plant_predictions(metrics, study)
    content = {file.relative_to(metrics).as_posix(): file.read_bytes() for file in metrics.rglob("*") if file.is_file()}
    pack(content, tmp_path / "kept/metrics.tar.xz")
    shutil.rmtree(metrics)
    found = Results(study, archived(tmp_path / "kept"))
    assert found.files.content == content
    shutil.rmtree(tmp_path / "kept")
    assert len(found.summary) == 30, "the archive is in memory"
    assert found.files.path("a.json").endswith("metrics.tar.xz/a.json")


def test_a_broken_archive_and_a_provenance_without_study_are_named(tmp_path):
    (tmp_path / "metrics.tar.xz").write_bytes(b"no archive")
    with pytest.raises(PrunescopeError, match=r"metrics\.tar\.xz cannot be read as an archive"):
        archived(tmp_path)
    assert provenance(tmp_path) == {}
    with pytest.raises(PrunescopeError, match="found study None, wanted a table of name, models"):
        kept_grid(tmp_path)


def test_a_summary_alone_tells_the_accuracies(tree, tmp_path):
    metrics, study = tree()
    whole = opened(metrics, study)
    save(whole.summary, tmp_path / "summary.csv")
    alone = of_summary(tmp_path / "summary.csv", study)
    pd.testing.assert_frame_equal(alone.summary, whole.summary, check_dtype=False)
    (tmp_path / "summary.csv").write_text("a,b\n1,2\n")
    with pytest.raises(PrunescopeError, match=r"summary\.csv has no column dataset"):
        of_summary(tmp_path / "summary.csv", study)


def test_results_are_frozen(tree):
    metrics, study = tree()
    found = opened(metrics, study)
    with pytest.raises(AttributeError):
        found.grid = replace(study, name="another")  # type: ignore[misc]
