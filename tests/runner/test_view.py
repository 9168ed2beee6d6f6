"""What is shown where: a live table on a terminal that can show one, lines anywhere else, nothing where nobody reads."""

import os
import pty
import subprocess
import sys
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from prunescope.runner.job import Job
from prunescope.runner.times import Times
from prunescope.runner.view import View

CODE = """
import sys, time
from pathlib import Path
from prunescope.runner.job import Job
from prunescope.runner.schedule import Schedule
from prunescope.runner.times import Times
from prunescope.runner.view import View

view = View(Times(Path("none")))
with view.shown(Schedule({}, slots=1)), view.running(Job("x", "", Path(), Path("log"))) as run:
    run.begins()
    time.sleep(float(sys.argv[1]))
    view.ended("x", ran=True)
print("dvc's own words", flush=True)
print("its errors", file=sys.stderr, flush=True)
Path("ended").touch()
"""


def shown_on_a_terminal(**environment: str) -> str:
    """All that a terminal gets."""
    head, tail = pty.openpty()
    given = {"env": {**os.environ, "TERM": "xterm", **environment}, "stdout": tail, "stderr": tail}
    with subprocess.Popen((sys.executable, "-c", CODE, "0.7"), **given) as process:
        os.close(tail)
        said = b""
        try:
            while piece := os.read(head, 1000):
                said += piece
        except OSError:  # how a terminal ends
            pass
    os.close(head)
    assert process.returncode == 0
    return said.decode()


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("FORCE_COLOR", "NO_COLOR", "TERM", "TTY_COMPATIBLE", "COLUMNS"):
        monkeypatch.delenv(name, raising=False)


def test_the_table_moves_on_a_terminal_that_can_show_it():
    assert "\x1b[" in shown_on_a_terminal(NO_COLOR="1") and "\x1b[" in shown_on_a_terminal(FORCE_COLOR="1")
    dumb = shown_on_a_terminal(TERM="dumb")
    assert "\x1b" not in dumb and "begins   x\r\ndone     x" in dumb


def test_a_job_waits_until_it_begins():
    said = StringIO()
    console = Console(file=said, width=80)
    view = View(Times(Path("none")), console=console, plain=True)
    with view.running(Job("x", "", Path(), Path("log"))) as run:
        console.print(view)
        assert "x" in said.getvalue() and "waits" in said.getvalue() and run.seconds == 0 and "begins" not in said.getvalue()
        run.begins()
        run.begins()
        console.print(view)
    assert said.getvalue().count("waits") == said.getvalue().count("begins   x") == 1 and " 0 s " in said.getvalue()


@pytest.mark.parametrize("name", ["FORCE_COLOR", "TTY_COMPATIBLE"])
def test_a_file_gets_plain_lines_whatever_the_environment_says(name):
    given = {"env": {**os.environ, name: "1", "TERM": "xterm"}, "capture_output": True, "text": True, "check": True}
    said = subprocess.run((sys.executable, "-c", CODE, "0.7"), **given).stdout
    assert said.startswith("begins   x\ndone     x") and "\x1b" not in said


@pytest.mark.parametrize("shared", [False, True])
def test_a_closed_output_stops_nothing(shared):
    given: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT if shared else subprocess.PIPE}
    process = subprocess.Popen((sys.executable, "-c", CODE, "1"), **given)
    assert process.stdout
    process.stdout.readline()
    process.stdout.close()
    said = process.stderr.read() if process.stderr else b""
    assert process.wait() == 0 and said == b"its errors\n" * (not shared) and Path("ended").exists()
    if process.stderr:
        process.stderr.close()


def test_a_closed_terminal_stops_nothing():
    head, tail = pty.openpty()
    given: dict[str, Any] = {"env": {**os.environ, "TERM": "xterm"}, "stdout": tail, "stderr": tail}
    process = subprocess.Popen((sys.executable, "-c", CODE, "1"), **given)
    os.close(tail)
    os.read(head, 1)
    os.close(head)
    assert process.wait() == 0 and Path("ended").exists()
