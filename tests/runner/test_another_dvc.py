"""`prunescope run` with a DVC whose inside is not known: it is DVC alone."""

import os
import signal
import subprocess
import sys
import time

import pytest
from running import change, environment

HEAD = """
import sys
from prunescope.__main__ import main
from prunescope.runner import dvc_inside

dvc_inside.version = lambda name: "3.99.1"
sys.argv = ["prunescope", "run", *sys.argv[1:]]
sys.exit(main())
"""
SAVES = """
import signal, sys, time
def save(number, frame):
    time.sleep(1)
    open("saved", "w")
    sys.exit(130)
signal.signal(signal.SIGINT, save)
open("begun", "w")
time.sleep(60)
"""


def head(clone, *words: str) -> subprocess.Popen:
    given = {"cwd": clone.folder, "env": environment(clone), "start_new_session": True}
    return subprocess.Popen((sys.executable, "-c", HEAD, *words), **given, stderr=subprocess.PIPE, text=True)


def test_it_is_dvc_which_waits_for_a_stage_that_saves(clone):
    change(clone, "download", SAVES)
    with head(clone, "--", "repro", "download") as process:
        while not (clone.folder / "begun").exists() and process.poll() is None:
            time.sleep(0.05)
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does on Ctrl-C
        process.wait(timeout=30)
        assert (clone.folder / "saved").exists(), "it ends after the stage"
        _, said = process.communicate(timeout=30)
    assert process.returncode == 255 and "this DVC, 3.99.1, is none of 3.67" in said
    # DVC's shell steps aside for the stage (bash) or ends by the signal itself once the stage has ended (dash)
    assert "exited with 130" in said or "exited with -2" in said


@pytest.mark.parametrize("engine, message", [
    ("ray", "--engine ray: found DVC 3.99.1, wanted one of 3.67; install such a one, or leave --engine away"),
    ("abacus", "--engine: found abacus, wanted one of local"),
])  # fmt: skip
def test_another_engine_is_refused(clone, engine, message):
    with head(clone, "--engine", engine) as process:
        _, said = process.communicate(timeout=30)
    assert process.returncode == 1 and message in said and not clone.log.exists()
