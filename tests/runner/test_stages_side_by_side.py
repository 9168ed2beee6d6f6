"""The loop on a small graph of its own, in this process, on an engine that is a shell."""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from dvc.exceptions import ReproductionError
from dvc.repo import Repo

from prunescope.runner import dvc_inside
from prunescope.runner.job import Job, unheard
from prunescope.runner.loop import Loop
from prunescope.runner.times import Times
from prunescope.runner.view import View

pytestmark = pytest.mark.filterwarnings("ignore:_NoneStep.value:DeprecationWarning")  # in DVC, of an own graph


class Shell:
    """An engine on which a job waits for a moment before it begins."""

    slots, apart, about = 2, False, "a shell"

    def __init__(self, queued: float = 0.0) -> None:
        self.queued, self.stopped = queued, False  # seconds before a job begins · whether that was asked

    def run(self, job: Job, begins: Callable[[], None] = unheard) -> int:
        time.sleep(self.queued)
        begins()
        with job.log.open("a") as log:
            return subprocess.run(job.command, shell=True, cwd=job.folder, stdout=log, stderr=log, check=False).returncode

    def stop(self) -> None:
        self.stopped = True

    def kill(self) -> None: ...
    def close(self) -> None: ...


@pytest.fixture
def graph(tmp_path, monkeypatch) -> Iterator[Callable[..., Loop]]:
    """Run stages that are given as name=(command, needs); each makes a file of its name."""
    monkeypatch.chdir(tmp_path)

    def run(on_error: str = "fail", engine: Any = None, **stages: tuple[str, list[str]]) -> Loop:
        graph = {name: {"cmd": command, "deps": needs, "outs": [name]} for name, (command, needs) in stages.items()}
        Path("dvc.yaml").write_text(yaml.safe_dump({"stages": graph}, sort_keys=False))
        times = Times(tmp_path / "logs" / "times.json")
        loop = Loop(engine or Shell(), View(times, plain=True), times)
        with Repo.init(no_scm=True, force=True) as repo, dvc_inside.replaced(loop.stages, loop.command):
            reproduce: Any = repo.reproduce
            reproduce(on_error=on_error)
        return loop

    yield run


BROKEN = {"a": ("false", []), "b": ("touch b", ["a"]), "c": ("cat a > c", ["b"]), "d": ("touch d", [])}


def test_errors_stop_what_depends_on_them_or_are_ignored_as_by_dvc(graph, capsys):
    with pytest.raises(ReproductionError, match=r"failed to reproduce a$"):
        graph(**BROKEN)
    assert Path("d").exists() and "left out: b, c" in capsys.readouterr().out
    for name in "bcd":
        Path(name).unlink(missing_ok=True)
    loop = graph("ignore", **BROKEN | {"d": ("echo d > d", [])})
    assert Path("d").exists() and [stage.addressing for stage in loop.done] == ["d"]
    said = capsys.readouterr().out
    assert "left out" not in said and "FAILED   a" in said and "FAILED   b: [Errno 2] No such file" in said
    assert "1 done, 3 failed" in said


def test_how_long_a_stage_took_is_without_its_wait_for_a_worker(graph):
    loop = graph(engine=Shell(queued=1.0), a=("sleep 0.2 && touch a", []))
    assert 0.15 < loop.times.seconds["a"] < 0.9


def test_what_a_stage_warns_of_is_shown(graph, capsys):
    graph(a=("echo 'warning: found a state' && echo 'no warning' && touch a", []))
    assert "\na: warning: found a state\n" in capsys.readouterr().out


def test_an_experiment_in_a_folder_of_its_own_leaves_its_logs_here(graph, tmp_path):
    loop = graph(a=("touch a", []))
    (tmp_path / "tmpxy").mkdir()
    stage = SimpleNamespace(repo=SimpleNamespace(root_dir=str(tmp_path / "tmpxy")), addressing="x@y")
    os.chdir(tmp_path / "tmpxy")  # as DVC does
    assert loop._log_of(stage, {"DVC_EXP_NAME": "flaky-name"}) == tmp_path / "logs" / "flaky-name" / "x@y.log"
    assert loop._log_of(stage, {}) == tmp_path / "logs" / "tmpxy" / "x@y.log"
    stage.repo.root_dir = str(tmp_path)
    assert loop._log_of(stage, {"DVC_EXP_NAME": "flaky-name"}) == tmp_path / "logs" / "x@y.log"


def test_a_stage_that_fails_before_its_command_shows_no_older_log(graph, capsys):
    Path("in").write_text("1")
    graph(a=("echo fine && touch a", ["in"]))
    Path("in").unlink()
    capsys.readouterr()
    with pytest.raises(ReproductionError):
        graph(a=("echo fine && touch a", ["in"]))
    said = capsys.readouterr().out
    assert "FAILED   a: [Errno 2] No such file" in said and "fine" not in said and "all it printed" not in said


@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="has no terminals that end")
def test_the_end_of_the_terminal_is_heard_unless_nohup_says_otherwise(graph):
    heard, engine = [], Shell()
    stages = {"a": (f"kill -HUP {os.getpid()} && sleep 0.2 && touch a", []), "b": ("touch b", ["a"])}
    before = signal.signal(signal.SIGHUP, lambda *_: heard.append(1))
    try:
        with pytest.raises(KeyboardInterrupt):
            graph(engine=engine, **stages)
        assert engine.stopped and not heard and not Path("b").exists()
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        graph(**stages)
    finally:
        signal.signal(signal.SIGHUP, before)
    assert Path("b").exists()
