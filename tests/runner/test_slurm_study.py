"""`prunescope run --engine slurm` on the real dvc.yaml with fake stages, by submitit's local executor and a fake Slurm."""

import os
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import fake_slurm
import pytest
from running import RUN, alive, attempt, change, content, environment, until_nothing_runs

from clone import ALL, Clone

pytest.importorskip("submitit", reason="needs submitit: pip install 'prunescope[slurm]'")
LOCAL = ("--engine", "slurm", "--engine-option", "executor=local")
SLURM = ("--engine", "slurm", "--engine-option", "partition=gpu")


def with_neighbours(printed: str) -> bool:
    """Whether something else ran beside a stage that measures latency."""
    running: set[str] = set()
    found = False
    for word, stage in re.findall(r"^(begins|done) +(\S+)", printed, re.MULTILINE):
        (running.add if word == "begins" else running.discard)(stage)
        found |= len(running) > 1 and any(name.startswith("evaluate") for name in running)
    return found


def meet(clone: Clone, place: Path, *scripts: str) -> None:
    """None of these stages ends before all of them run; without it, who stands beside whom is chance."""
    wanted = [str(place / f"runs-{script}") for script in scripts]
    for script, mine in zip(scripts, wanted, strict=True):
        wait = f"until = time.monotonic() + 60\nwhile time.monotonic() < until and not all(map(os.path.exists, {wanted})):\n"
        change(clone, script, f"import os, time\nopen({mine!r}, 'w').close()\n{wait}    time.sleep(0.05)\n")


@pytest.mark.slow
def test_it_is_dvc_repro(clone, tmp_path, monkeypatch) -> None:
    for name, value in fake_slurm.install(tmp_path / "slurm").items():
        monkeypatch.setenv(name, value)
    assert clone.executed("dvc", "repro") == ALL
    for name, engine in (("local", LOCAL), ("cluster", SLURM)):
        other = Clone(tmp_path / name)
        if engine is SLURM:
            meet(other, tmp_path, "evaluate", "cka")
        printed = other.run(*RUN, *engine)
        assert Counter(other.log.read_text().split()) == ALL
        assert with_neighbours(printed) == (engine is SLURM), "there evaluate has a machine of its own"
        assert content(other.folder) == content(clone.folder)
        assert other.executed("dvc", "repro") == {}
        assert not [path for path in (other.folder / "logs" / "slurm").iterdir() if "result" in path.name]
    scripts = [path.read_text() for path in (tmp_path / "slurm").glob("*/script")]
    assert len(scripts) == sum(ALL.values())
    exclusive = {re.findall("--job-name='?([^@.]*)", text)[0] for text in scripts if "--exclusive" in text}
    assert exclusive == {"evaluate", "evaluate-dense"}


@pytest.mark.slow
def test_a_killed_stage_is_started_again_once(clone, tmp_path) -> None:
    once = f"import os, pathlib\nmark = pathlib.Path({str(tmp_path)!r}, 'mark')\n"
    change(clone, "pretrain", f"{once}if not mark.exists():\n    mark.touch()\n    os.kill(os.getpid(), 9)\n")
    done = attempt(clone, *LOCAL, "--", "repro", "pretrain")
    assert re.findall(r"^(\S+)@\S+ was killed \(exit 137\); it is started again", done.stdout, re.MULTILINE) == ["pretrain"]
    assert done.returncode == 0, done.stdout


def test_bad_input_is_refused_before_any_work(clone) -> None:
    for words, message in (
        (("--engine-option", "time=abc"), "error: --engine-option: found time=abc, wanted a whole number"),
        (("--jobs", "0"), "error: --jobs: found 0, wanted 1 or more"),
    ):
        refused = attempt(clone, *LOCAL, *words)
        assert refused.returncode == 1 and refused.stderr.startswith(message) and refused.stderr.count("\n") == 1
    assert not clone.log.exists() and not (clone.folder / "prepared").exists()


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self").exists(), reason="looks for processes in /proc")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL], ids=lambda number: number.name)
def test_nothing_is_left_behind_when_the_head_is_stopped_or_killed(clone, tmp_path, number) -> None:
    begun, saved = (f"__import__('pathlib').Path({str(tmp_path)!r}, {name!r}).touch()" for name in ("begun", "saved"))
    handler = f"lambda *_: (time.sleep(2), {saved}, sys.exit(130))"
    save = f"import signal, sys, time\nsignal.signal(15, {handler})\n{begun}\ntime.sleep(60)\n"
    change(clone, "pretrain", save)
    given = {"cwd": clone.folder, "env": environment(clone), "start_new_session": True}
    head = subprocess.Popen((sys.executable, *RUN[1:], *LOCAL), **given, stdout=subprocess.PIPE, text=True)
    assert head.stdout
    while not (tmp_path / "begun").exists():
        assert head.poll() is None
        time.sleep(0.1)
    if number == signal.SIGINT:
        os.killpg(head.pid, number)  # as a terminal does it: to all that the head started too
    else:
        head.send_signal(number)
    head.stdout.read()
    head.stdout.close()
    assert head.wait(timeout=60) != 0
    assert number == signal.SIGKILL or (alive(clone.folder) == [] and (tmp_path / "saved").exists()), "it waits for states"
    until_nothing_runs(clone.folder)
    assert (tmp_path / "saved").exists()
    change(clone, "pretrain", "import time\ntime.sleep = lambda seconds: None\n")
    assert attempt(clone, *LOCAL, "--", "repro", "pretrain").returncode == 0, "and the next one completes"
    assert clone.executed("dvc", "repro", "pretrain") == {}
