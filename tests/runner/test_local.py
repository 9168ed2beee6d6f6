"""The local engine by itself: a stop is heard whenever it comes, and hidden devices stay hidden."""

import threading
import time
from pathlib import Path

import pytest

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


def test_devices_that_the_user_hid_stay_hidden(engine, tmp_path, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    stage = job(tmp_path, "import os\nprint(repr(os.environ.get('CUDA_VISIBLE_DEVICES')))")
    assert engine.run(stage) == 0 and (tmp_path / "log").read_text() == "''\n"
