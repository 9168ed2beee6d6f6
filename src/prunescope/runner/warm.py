"""Stages started from a process that has torch imported already: two seconds less for each.

Python's fork server imports what all stages need once; a stage is a fork of it. Only packages from outside are imported there:
ours are read anew by each stage, so that code edited while a study runs counts for the stages that begin after it.
"""

import multiprocessing
import multiprocessing.connection
import os
import runpy
import signal
import sys
import threading
import time
from collections.abc import Mapping
from multiprocessing import forkserver
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from unittest.mock import patch

from prunescope.runner import launcher
from prunescope.runner.job import was_killed

PRELOADED = ("torch", "torchvision.models", "safetensors.torch", "numpy", "pydantic", "yaml", "tqdm", "filelock")
SERVER_GONE = 255  # multiprocessing's word for "nobody knows"

_asking = threading.Lock()
"""An exit code can be read once. Starting a process asks for those of all others, so two threads must not ask at once."""


def available() -> bool:
    """On Linux alone: on macOS libraries that torch loads start threads of the system, which do not outlive a fork."""
    return sys.platform == "linux"


def script_of(command: str) -> list[str] | None:
    """The script and arguments of a plain `python script ...`; None for anything that needs a shell."""
    words = launcher.words_of(command) or []
    return words[1:] if words[:1] == ["python"] and words[1:2] and words[1].endswith(".py") else None


def begin(environment: Mapping[str, str]) -> None:
    """Start the server now, so that it has imported all when the first stage comes. `environment` as stages will have it:
    libraries read the number of their threads when they are loaded."""
    forkserver.set_forkserver_preload(list(PRELOADED))
    # Stages end by _exit, which leaves tqdm's semaphores to the tracker that starts here; it need not tell the user.
    with patch.dict(os.environ, {**environment, "PYTHONWARNINGS": "ignore:resource_tracker:UserWarning"}):
        forkserver.ensure_running()


def start(script: list[str], folder: Path, environment: Mapping[str, str], log: Path) -> ForkServerProcess:
    """A stage as a process; it ends when this process ends."""
    process = ForkServerProcess(target=_stage, args=(script, str(folder), dict(environment), str(log)), daemon=False)
    with _asking:
        process.start()
    return process


def wait(process: ForkServerProcess) -> int:
    """Its exit code when it has ended, and with it its children; negative for a signal.

    SERVER_GONE where the fork server, which knows the code, was killed.
    """
    multiprocessing.connection.wait([process.sentinel])
    with _asking:
        process.join()
        pid, code = process.pid, process.exitcode
        process.close()
    code = 1 if code is None else code
    if pid and was_killed(code) and launcher.alive(pid):
        if code != SERVER_GONE:  # then it asks itself to end
            launcher.signal_group(pid, signal.SIGTERM)
        launcher.outlast(pid)
    return code


def _stage(script: list[str], folder: str, environment: dict[str, str], log: str) -> None:
    """In the stage's process: what `python script` would do, output to the log."""
    os.setsid()
    output = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
    for number, stream in ((1, sys.stdout), (2, sys.stderr)):
        stream.flush()
        os.dup2(output, number)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    threading.Thread(target=_end_with_others, args=(os.getppid(),), daemon=True).start()
    held = launcher.only_one(Path(log))  # the stage may be there from a head that was killed, and saves its state
    if held is not None:
        os.set_inheritable(held, True)  # as the launcher gives it
    sys.argv = script
    sys.path.insert(0, str(Path(script[0]).resolve().parent))
    runpy.run_path(script[0], run_name="__main__")


def _end_with_others(server: int) -> None:
    """When the head or the fork server is gone: save and end, as on Ctrl-C; whoever does not, is killed."""
    head = multiprocessing.parent_process()
    assert head is not None
    while os.getppid() == server and not multiprocessing.connection.wait([head.sentinel], timeout=0.5):
        pass
    launcher.signal_group(os.getpid(), signal.SIGTERM)
    time.sleep(launcher.GRACE)
    launcher.signal_group(os.getpid(), signal.SIGKILL)
