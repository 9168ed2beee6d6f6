"""A head that is killed (SIGKILL, a crash of the machine) loses at most what ran just then: the rest comes back."""

import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest
from running import RUN, attempt, content, environment, until_nothing_runs

from clone import ALL, Clone

KILLED = """
import os, signal, sys
import dvc.stage
from prunescope.__main__ import main

real = dvc.stage.Stage.{step}

def kill(stage, *arguments, **options):
    if stage.addressing.startswith("finetune@"):
        os.kill(os.getpid(), signal.SIGKILL)
    return real(stage, *arguments, **options)

dvc.stage.Stage.{step} = kill
sys.argv = ["prunescope", "run", "--plain", "--jobs", "1"]
main()
"""


@pytest.mark.parametrize("step, again", [
    ("dump", {}),  # outputs are in the cache, dvc.lock does not know yet
    ("commit", {"finetune": 1}),  # outputs are hashed, but not in the cache: they cannot be trusted
])  # fmt: skip
def test_what_is_in_the_cache_is_not_run_again(clone, step, again):
    command = (sys.executable, "-c", KILLED.format(step=step))
    given = {"cwd": clone.folder, "env": environment(clone), "capture_output": True, "timeout": 240, "check": False}
    assert subprocess.run(command, **given).returncode == -signal.SIGKILL
    before = Counter(clone.log.read_text().split())
    assert before["finetune"] == 1 and "finetune@" not in (clone.folder / "dvc.lock").read_text()
    assert before + Counter(clone.executed(*RUN)) == Counter(ALL) + Counter(again)
    assert clone.executed("dvc", "repro") == {}


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self").exists(), reason="looks for processes in /proc")
def test_random_kills_end_as_a_run_in_one_go(clone, tmp_path):
    drawn, kills = random.Random(17), 4
    given = {"cwd": clone.folder, "env": environment(clone), "start_new_session": True}
    for _ in range(kills):
        head = subprocess.Popen((sys.executable, *RUN[1:]), **given, stdout=subprocess.PIPE, text=True)
        assert head.stdout
        next(line for line in head.stdout if line.startswith("begins"))
        time.sleep(drawn.uniform(0.0, 1.0))
        head.kill()
        head.stdout.read()
        head.stdout.close()
        assert head.wait(timeout=60) == -signal.SIGKILL, "the study is too small for so many kills"
        until_nothing_runs(clone.folder)
    assert attempt(clone).returncode == 0
    ran = Counter(clone.log.read_text().split())
    assert ran.keys() == ALL.keys() and ran.total() <= sum(ALL.values()) + kills * 3, "two ran and one was being recorded"
    other = Clone(tmp_path / "other")
    assert other.executed(*RUN) == ALL and content(clone.folder) == content(other.folder)
    assert clone.executed("dvc", "repro") == {}
