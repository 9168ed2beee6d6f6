"""Runs one stage on a worker, in a process group of its own, and ends it when whoever started this launcher is gone.

python -m prunescope.runner.launcher LOG COMMAND

A killed head or worker would leave the stage behind: it would go on to compute for nobody, and the lock in resume/ would keep
its second attempt out.
"""

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import FrameType

GRACE = 30.0  # seconds in which an orphan may save its state before it is killed


def main() -> int:
    """Exit code of the command, 128 + n where signal n ended it."""
    log, command = Path(sys.argv[1]), sys.argv[2]
    parent = os.getppid()
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab", buffering=0) as output:
        stage = subprocess.Popen(
            command, shell=True, stdout=output, stderr=output, stdin=subprocess.DEVNULL, start_new_session=True
        )

    asked: list[int] = []

    def pass_on(number: int, frame: FrameType | None) -> None:
        signal_group(stage.pid, signal.SIGKILL if asked else number)  # who asks twice does not want to wait
        asked.append(number)

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, pass_on)
    while True:
        try:
            code = stage.wait(timeout=0.5)
            return code if code >= 0 else 128 - code
        except subprocess.TimeoutExpired:
            if os.getppid() != parent:
                signal_group(stage.pid, signal.SIGTERM)
                outlast(stage.pid)
                return 1


def signal_group(leader: int, number: int) -> None:
    """Send a signal to a process group that may be gone."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(leader, number)


def outlast(leader: int, grace: float = GRACE) -> None:
    """Wait until a process group that was asked to end has saved its state; then kill what is left of it.

    Its leader may be anyone's child.
    """
    until = time.monotonic() + grace
    while _lives(leader) and time.monotonic() < until:
        time.sleep(0.1)
    signal_group(leader, signal.SIGKILL)


def _lives(pid: int) -> bool:
    """Whether a process has not ended; one that has, and that nobody asks for its exit code, counts as ended."""
    import psutil

    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


if __name__ == "__main__":
    sys.exit(main())
