"""What runs on Ray's workers. Ray carries this code there by value: a worker needs no prunescope of its own.

An attempt tells the head what happens as events: where it begins, what it printed and saved, files, its exit code.
"""

import os
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import nullcontext
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from prunescope.runner.job import STOPPED, Job
from prunescope.runner.launcher import command_line, lock_of, only_one
from prunescope.runner.machine import clean, this_python
from prunescope.runner.machine import threads as threads_of
from prunescope.runner.ship import Event, Sent, away

PAUSE = 0.2  # seconds between looks at a stage
ASKED = 1.0  # seconds between questions whether to stop


class Bell:
    """An actor at the head: 1 asks all attempts to save and end, 2 to end now."""

    def __init__(self) -> None:
        self.level = 0

    def ring(self, level: int) -> None:
        self.level = level

    def heard(self) -> int:
        return self.level


def look(token: Path, packages: tuple[str, ...]) -> tuple[str, list[str]]:
    """On a node: what a file of the head says there, or nothing; packages that it has not."""
    try:
        found = token.read_text(encoding="utf-8")
    except OSError:
        found = ""
    return found, [name for name in packages if not find_spec(name)]


def attempt(
    job: Job,
    heard: Callable[[], int],
    sent: list[Sent] | None,
    get: Callable[[Any], bytes],
    given: Mapping[str, str],
    threads: int,
) -> Iterator[Event]:
    """Run a stage; its events, of which the last is ("ended", exit code).

    heard: how often the head has asked to stop · sent: files, where no folder is shared, which `get` fetches ·
    given: variables of the head, for what this worker has not set itself.
    """
    yield "begun", socket.gethostname()
    with away() if sent is not None else nullcontext() as place:
        folder, log = (place.folder, place.log) if place else (job.folder, job.log)
        if place:
            place.unpack(sent or (), get)
        if heard():
            yield "ended", STOPPED
            return
        found = environment(job, folder, given, threads)
        process = subprocess.Popen(command_line(log, job.command), cwd=folder, env=found, start_new_session=True)
        try:
            asked, due = 0, time.monotonic() + ASKED
            while process.poll() is None:
                time.sleep(PAUSE)
                if time.monotonic() < due:
                    continue
                wanted, due = heard(), time.monotonic() + ASKED
                if asked < wanted:
                    process.terminate()
                    asked += 1
                    continue
                yield from place.news() if place else ()
            code = process.returncode
            if code < 0:  # the launcher itself was killed; its deputy lets the stage save
                wait_for_lock(log)
        finally:
            if process.poll() is None:
                process.terminate()
                process.wait()
        if place:
            yield from place.news(last=True)
            if not code:
                yield from place.results(job.outputs)
        yield "ended", code


def environment(job: Job, folder: Path, given: Mapping[str, str], threads: int) -> dict[str, str]:
    """A stage's variables: the worker's, with the job's folder, code, threads and GPU."""
    found = this_python(dict(given) | clean(os.environ) | threads_of(threads) | dict(job.environment))
    found["DVC_ROOT"] = str(folder)
    found["PYTHONPATH"] = os.pathsep.join(filter(None, (str(folder / "src"), found.get("PYTHONPATH"))))
    found["CUDA_VISIBLE_DEVICES"] = os.environ.get("CUDA_VISIBLE_DEVICES", "") if job.gpu else ""  # Ray set it for this task
    return found


def wait_for_lock(log: Path) -> None:
    """Until no process of the attempt lives."""
    if lock_of(log).exists():
        held = only_one(log)
        if held is not None:
            os.close(held)
