"""The local engine by itself: a stop is heard whenever it comes, and hidden devices stay hidden."""

import sys
import threading
import time
from itertools import pairwise
from pathlib import Path

import pytest

from prunescope.runner import machine, warm
from prunescope.runner.job import Job, was_killed
from prunescope.runner.launcher import STOPPED
from prunescope.runner.local import Local


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
