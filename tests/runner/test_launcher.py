"""The launcher between an engine and a stage: nothing outlives what started it, and no two attempts of a stage run at once."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from graph import ROOT
from prunescope.runner.launcher import command_line, words_of
from prunescope.runner.machine import lives

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="process groups and locks of POSIX")
SAVES = """
import signal, sys, time, os
def save(number, frame):
    time.sleep(float(sys.argv[1]))
    print("saved", flush=True)
    os._exit(int((sys.argv[2:] or ["130"])[0]))
signal.signal(signal.SIGTERM, save)
signal.signal(signal.SIGINT, save)
print("begun", os.getpid(), flush=True)
time.sleep(60)
"""


@pytest.fixture
def stage(tmp_path) -> str:
    (tmp_path / "stage.py").write_text(SAVES)
    return f"{sys.executable} {tmp_path / 'stage.py'}"


def launch(log: Path, command: str) -> subprocess.Popen:
    environment = os.environ | {"PYTHONPATH": str(ROOT / "src")}
    return subprocess.Popen(command_line(log, command), start_new_session=True, env=environment)


def text(log: Path) -> str:
    return log.read_text() if log.is_file() else ""


def until(holds: Callable[[], bool], seconds: float = 10) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.05)


def pid_in(log: Path) -> int:
    until(lambda: re.search(r"begun \d+\n", text(log)) is not None)
    return int(re.findall(r"begun (\d+)\n", text(log))[-1])


@pytest.mark.parametrize("shell, code", [
    ("{} 0.3", 130), ("true && {} 0.3 || exit 7", 130), ("({} 0.3) && touch after; touch after", 130),
    ("{} 0.3 0", 0), ("{} 0.3 0 && touch after", 143), ("{} 0.3 0; touch after", 143),
])  # fmt: skip
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda number: number.name)
def test_a_signal_reaches_the_stage_which_saves(tmp_path, stage, shell, code, number):
    log = tmp_path / "log"
    launcher = launch(log, shell.format(stage).replace("after", str(tmp_path / "after")))
    running = pid_in(log)
    launcher.send_signal(number)
    assert launcher.wait(timeout=10) == code, "the stage's own; 143 where it ended well and more was to come"
    assert "saved" in text(log) and not lives(running) and not (tmp_path / "after").exists()


def test_who_asks_twice_does_not_wait(tmp_path, stage):
    log = tmp_path / "log"
    launcher = launch(log, f"{stage} 50")
    running = pid_in(log)
    launcher.send_signal(signal.SIGTERM)
    time.sleep(0.3)
    launcher.send_signal(signal.SIGTERM)
    assert launcher.wait(timeout=10) in (137, 143) and "saved" not in text(log)
    until(lambda: not lives(running), seconds=1)


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere nobody adopts them")
@pytest.mark.parametrize("killed, saved", [("stage", True), ("twice", False)])
def test_workers_of_a_killed_stage_end_with_it_in_whatever_session(tmp_path, killed, saved):
    """As torchrun's are."""
    (tmp_path / "worker.py").write_text(SAVES)
    begin = "import subprocess, sys, time, signal; signal.signal(signal.SIGTERM, lambda *_: None); "
    begin += "subprocess.Popen([sys.executable, *sys.argv[1:]], start_new_session=True).wait()"
    log = tmp_path / "log"
    launcher = launch(log, f'exec {sys.executable} -c "{begin}" {tmp_path / "worker.py"} 0.5')
    worker = psutil.Process(pid_in(log))
    stage = worker.parent()
    assert stage
    if killed == "stage":
        stage.kill()
    else:
        launcher.terminate()
        time.sleep(0.2)
        launcher.terminate()
    assert launcher.wait(timeout=10) == 137
    assert not lives(worker.pid) and ("saved" in text(log)) == saved


@pytest.mark.parametrize("victim", ["launcher", "parent"])
def test_an_orphan_saves_and_ends(tmp_path, stage, victim):
    log = tmp_path / "log"
    code = (
        "import subprocess, sys; p = subprocess.Popen(sys.argv[1:], start_new_session=True); print(p.pid, flush=True); p.wait()"
    )
    words = [sys.executable, "-c", code, *command_line(log, f"{stage} 0.2")]
    environment = os.environ | {"PYTHONPATH": str(ROOT / "src")}
    with subprocess.Popen(words, env=environment, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout
        launcher = int(parent.stdout.readline())
        running = pid_in(log)
        os.kill(launcher if victim == "launcher" else parent.pid, signal.SIGKILL)
        until(lambda: not lives(running) and not lives(launcher))
    assert "saved" in text(log)


def test_a_second_attempt_waits_until_the_first_has_ended(tmp_path, stage):
    log = tmp_path / "log"
    first = launch(log, f"{stage} 1.5")
    running = pid_in(log)
    first.kill()
    first.wait()
    second = launch(log, "echo second")
    assert second.wait(timeout=10) == 0
    assert not lives(running)
    lines = text(log).splitlines()
    assert lines[-2:] == ["saved", "second"] and lines[1].startswith("an earlier attempt of this stage still runs")


def test_a_second_attempt_waits_for_a_stage_that_nobody_watches(tmp_path):
    log = tmp_path / "log"
    first = launch(log, f"{sys.executable} -c \"import time; print('begun', flush=True); time.sleep(3); print('done')\"")
    until(lambda: "begun" in text(log))
    [deputy] = [each for each in psutil.Process(first.pid).children() if "launcher" in " ".join(each.cmdline())]
    deputy.kill()
    first.kill()
    first.wait()
    second = launch(log, "echo second")
    assert second.wait(timeout=20) == 0 and text(log).splitlines()[-2:] == ["done", "second"]


def test_a_second_attempt_that_waits_can_be_stopped(tmp_path, stage):
    log = tmp_path / "log"
    first = launch(log, f"{stage} 0")
    pid_in(log)
    second = launch(log, "echo second")
    until(lambda: "an earlier attempt" in text(log))
    second.send_signal(signal.SIGTERM)
    assert second.wait(timeout=10) == 143 and "second" not in text(log)
    first.send_signal(signal.SIGTERM)
    assert first.wait(timeout=10) in (130, 143)


@pytest.mark.parametrize("command, words", [
    ("python a.py  --b c=1,2 ", ["python", "a.py", "--b", "c=1,2"]),
    *((command, None) for command in ("a && b", "a\nb", "a $B", "a *", "a > b", "a 'b'", "a # isn't", 'a "', "a ~/b", "a \\ b")),
])  # fmt: skip
def test_what_needs_a_shell_is_known(command, words):
    assert words_of(command) == words


def test_a_plain_stage_is_a_child_of_the_launcher(tmp_path):
    """Then it can tell when it is an orphan; training keeps its state by that."""
    (tmp_path / "parent.py").write_text("import os, sys\nprint(os.getppid())\n")
    launcher = launch(tmp_path / "log", f"{sys.executable} {tmp_path / 'parent.py'}")
    assert launcher.wait(timeout=10) == 0 and text(tmp_path / "log") == f"{launcher.pid}\n"
