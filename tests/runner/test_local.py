"""The local engine by itself: a stop is heard whenever it comes, and hidden devices stay hidden."""

import os
import subprocess
import sys
import threading
import time
from itertools import pairwise
from pathlib import Path

import pytest
from running import alive, until_nothing_runs

from graph import ROOT
from prunescope.runner import machine, warm
from prunescope.runner.job import Job, was_killed
from prunescope.runner.launcher import STOPPED
from prunescope.runner.local import Local

HEAD = """
import sys
from pathlib import Path
from prunescope.runner import warm
from prunescope.runner.job import Job
from prunescope.runner.local import Local

warm.PRELOADED = ()  # without the seconds for torch
engine = Local(jobs=1, device="cpu", threads=1, options={}, **eval(sys.argv[2]))
sys.exit(engine.run(Job("stage", "python stage.py", Path(sys.argv[1]), Path(sys.argv[1], "log"))))
"""
SAVES = """
import fcntl, os, pathlib, signal, sys, time
held = open("resume", "a")
fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)  # as the lock in resume/: a second copy is refused
def save(number, frame):
    time.sleep(1)
    pathlib.Path("saved").touch()
    os._exit(130)
signal.signal(signal.SIGTERM, save)
if pathlib.Path("saved").exists():
    sys.exit()
pathlib.Path("begun").touch()
time.sleep(60)
"""


def head(folder: Path, code: str, **settings) -> subprocess.Popen:
    (folder / "stage.py").write_text(code)
    given = {"env": os.environ | {"PYTHONPATH": str(ROOT / "src")}, "start_new_session": True}
    process = subprocess.Popen((sys.executable, "-c", HEAD, str(folder), repr(settings)), **given)
    until = time.monotonic() + 30
    while not (folder / "begun").exists() and process.poll() is None and time.monotonic() < until:
        time.sleep(0.02)
    return process


@pytest.fixture
def engine() -> Local:
    return Local(jobs=1, device="cpu", threads=1, options={})


def job(folder: Path, code: str) -> Job:
    (folder / "stage.py").write_text(code)
    return Job("stage", "python stage.py", folder, folder / "log")


def test_what_begins_after_the_stop_ends_at_once(engine, tmp_path):
    engine.stop()
    assert engine.run(job(tmp_path, "open('ran', 'w')")) == STOPPED and not (tmp_path / "ran").exists()


@pytest.mark.parametrize("after", [0.0, 0.005, 0.03, 0.3])
def test_a_stop_is_heard_however_young_the_stage_is(engine, tmp_path, after):
    codes: list[int] = []
    stage = job(tmp_path, "import time\ntime.sleep(60)\n")
    thread = threading.Thread(target=lambda: codes.append(engine.run(stage)))
    thread.start()
    while not engine._leaders:
        time.sleep(0.001)
    time.sleep(after)
    engine.stop()
    thread.join(timeout=30)
    assert len(codes) == 1 and was_killed(codes[0])


@pytest.mark.parametrize("visible, wanted", [
    ("0,1", ["0", "1"]), ("0, 2", ["0", "2"]), ("", []), ("-1", []), ("NoDevFiles", []), ("0,-1,1", ["0"]), ("1,x,0", ["1"]),
    ("GPU-8932f937-d72c,MIG-40f4", ["GPU-8932f937-d72c", "MIG-40f4"]), ("0,,1", ["0"]),
])  # fmt: skip
def test_the_list_of_devices_ends_where_cuda_ends_it(monkeypatch, visible, wanted):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert machine.gpus() == wanted


def test_more_jobs_than_there_is_room_for_wait(engine, tmp_path):
    """As the Ray engine hands them over when files travel: what needs no GPU runs on its own machine."""
    stage = job(tmp_path, "import time\nopen('times', 'a').write(f'{time.time()} ')\ntime.sleep(0.3)\n")
    begun: list[float] = []
    threads = [threading.Thread(target=engine.run, args=(stage, lambda: begun.append(time.time()))) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    times = [float(word) for word in (tmp_path / "times").read_text().split()]
    assert all(later - earlier > 0.3 for earlier, later in pairwise(times)) and len(times) == len(begun) == 3
    assert all(said < ran for said, ran in zip(begun, times, strict=True)) and begun[1] > times[0]


def test_the_warm_start_is_for_linux_alone(monkeypatch):
    for system in ("linux", "darwin", "win32"):
        monkeypatch.setattr(sys, "platform", system)
        assert warm.available() == (system == "linux")


def test_devices_that_the_user_hid_stay_hidden(engine, tmp_path, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    stage = job(tmp_path, "import os\nprint(repr(os.environ.get('CUDA_VISIBLE_DEVICES')))")
    assert engine.run(stage) == 0 and (tmp_path / "log").read_text() == "''\n"


def test_a_stage_waits_for_one_whose_head_was_killed(tmp_path):
    first = head(tmp_path, SAVES)
    first.kill()
    first.wait()
    assert not (tmp_path / "saved").exists()
    assert head(tmp_path, SAVES).wait(timeout=30) == 0, (tmp_path / "log").read_text()
    assert "an earlier attempt of this stage still runs" in (tmp_path / "log").read_text()


def test_an_orphan_that_does_not_end_is_killed(tmp_path):
    stubborn = "import signal, time\nfrom prunescope.runner import launcher\nlauncher.GRACE = 0.5\n"
    stubborn += "signal.signal(signal.SIGTERM, lambda *_: None)\nopen('begun', 'w')\nwhile True:\n    time.sleep(0.1)\n"
    first = head(tmp_path, stubborn)
    first.kill()
    first.wait()
    until_nothing_runs(tmp_path, seconds=5)


CHILD = """
import os, signal, time
def save(number, frame):
    time.sleep(0.5)
    os._exit(1)
if not os.fork():
    signal.signal(signal.SIGTERM, save)
    open("begun", "w")
    time.sleep(60)
while not os.path.exists("begun"):
    time.sleep(0.01)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_children_of_a_stage_that_was_killed_end_before_it_is_started_again(engine, tmp_path):
    assert engine.run(job(tmp_path, CHILD)) == -9 and alive(tmp_path) == []


def test_a_stage_that_becomes_torchrun_does_not_outlive_its_head(tmp_path):
    code = "import os, sys\nopen('begun', 'w')\nos.execv(sys.executable, [sys.executable, '-c', 'import time; time.sleep(60)'])\n"
    first = head(tmp_path, code, processes=2)
    time.sleep(0.3)
    first.kill()
    first.wait()
    until_nothing_runs(tmp_path, seconds=5)
