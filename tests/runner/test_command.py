"""What `prunescope run` makes of its words before any work."""

import shutil
import subprocess
import sys

import pytest

from graph import ROOT
from prunescope.__main__ import main
from prunescope.runner import command


@pytest.fixture
def said(tmp_path, monkeypatch, capsys):
    """Give the command in a folder with the shipped params.yaml; its exit code, and what it said of an error."""
    shutil.copy(ROOT / "params.yaml", tmp_path)
    monkeypatch.chdir(tmp_path)

    def say(*words: str) -> tuple[object, str]:
        monkeypatch.setattr(sys, "argv", ["prunescope", "run", *words])
        try:
            code = main()
        except SystemExit as stop:
            code = stop.code
        return code, capsys.readouterr().err

    return say


@pytest.mark.parametrize("words", [
    ("-S", "study.seeds=3"), ("-Sstudy.seeds=3",), ("--set-param=study.seeds=3",), ("--set-param", "study.seeds=3"),
    ("--set-para", "study.seeds=3"), ("--set-p=study.seeds=3",), ("-fSstudy.seeds=3",),
])  # fmt: skip
def test_what_dvc_would_set_is_checked_however_it_is_written(said, words):
    code, error = said("--", "exp", "run", *words)
    assert code == 1 and "study.seeds: found 3" in error


def test_a_python_without_dvc_is_named(said, monkeypatch):
    monkeypatch.setattr(command, "find_spec", lambda name: None)
    code, error = said()
    assert code == 1 and f"found no package dvc in the Python {sys.executable}, wanted it: activate" in error


@pytest.mark.parametrize("words", [("repro", "--dry"), ("repro", "--dr"), ("exp", "run", "--dry")])
def test_a_look_is_for_the_run_itself(said, words):
    code, error = said("--", *words)
    assert code == 1 and f"found a look at {' '.join(words)}, wanted `prunescope run --dry` alone" in error


def test_words_that_dvc_cannot_read_end_as_with_dvc(said, tmp_path):
    given = {"capture_output": True, "text": True, "check": False, "cwd": tmp_path}
    ended = subprocess.run((sys.executable, "-m", "prunescope", "run", "--", "repro", "--abacus"), **given)
    assert ended.returncode == 254 and "unrecognized arguments: --abacus" in ended.stderr and "Traceback" not in ended.stderr


def test_a_file_in_the_place_of_logs_is_refused(said, tmp_path):
    (tmp_path / "logs").write_text("mine")
    assert said() == (1, "error: found logs that is no folder, wanted one for what stages print; move it away\n")
