"""Runs one stage on a worker, in a process group of its own, and ends it when whoever started this launcher is gone.

python -m prunescope.runner.launcher LOG COMMAND

A killed head or worker would leave the stage behind: it would go on to compute for nobody, and the lock in resume/ would keep
its second attempt out. So a launcher waits until the stage's earlier attempt has ended, down to its last process; and where it
is killed itself, its deputy ends the stage.
"""

import contextlib
import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import FrameType

from prunescope.runner.job import STOPPED, was_killed

PR_SET_CHILD_SUBREAPER = 36  # in Linux's prctl.h
GRACE = 30.0  # seconds in which an orphan may save its state before it is killed


def command_line(log: Path | str, command: str) -> list[str]:
    """What starts a launcher."""
    return [sys.executable, "-m", "prunescope.runner.launcher", str(log), command]


def main() -> int:
    """Exit code of the command, 128 + n where signal n ended it."""
    log, command = Path(sys.argv[1]), sys.argv[2]
    parent = os.getppid()
    asked: list[int] = []
    stage: subprocess.Popen | None = None

    def pass_on(number: int, frame: FrameType | None) -> None:
        if stage:
            signal_group(stage.pid, signal.SIGKILL if asked else number)  # who asks twice does not want to wait
        asked.append(number)

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, pass_on)
    adopt()
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab", buffering=0) as output:
        held = only_one(log, lambda: bool(asked) or os.getppid() != parent)
        if asked or os.getppid() != parent:
            return STOPPED
        given = {"stdout": output, "stderr": output, "stdin": subprocess.DEVNULL, "start_new_session": True}
        words = words_of(command) or [""]
        shell = not shutil.which(words[0])  # without one a stage's parent is this process: it can tell when it is an orphan
        begun = patient(command) if shell else words
        stage = subprocess.Popen(begun, shell=shell, pass_fds=() if held is None else (held,), **given)
    if asked:
        signal_group(stage.pid, signal.SIGTERM)
    watcher, done = deputy(stage.pid)
    while True:
        try:
            code = stage.wait(timeout=0.5)
            break
        except subprocess.TimeoutExpired:
            if os.getppid() != parent:
                code = 1
                break
    if was_killed(code) or stage.returncode is None:  # it alone may have died
        if not asked:  # who is asked twice does not save
            signal_group(stage.pid, signal.SIGTERM)
        outlast(stage.pid, reap=stage.poll)
        stage.wait()
        end_adopted(signal.SIGKILL if len(asked) > 1 else signal.SIGTERM, but=watcher)
    done()
    return code if code >= 0 else 128 - code


def patient(command: str) -> str:
    """The command for a shell that, asked to stop, waits for what runs and ends with its exit code; else it would end at once.

    None of its commands begins any more; as that is not done, 0 becomes STOPPED.
    """
    last = f"code=$?; [ $code -ne 0 ] || code={STOPPED}; exit $code"
    return f"trap '{last}' INT TERM; {command}" if os.name == "posix" else command


def words_of(command: str) -> list[str] | None:
    """The words of a command that has nothing of a shell's in it: no quotes, variables or second command; else None."""
    words = command.split()
    return words if shlex.join(words) == " ".join(words) and "\n" not in command.strip() else None


def only_one(log: Path, given_up: Callable[[], bool] = lambda: False) -> int | None:
    """Wait until no process of an earlier attempt with this log lives; then a descriptor that holds others off.

    The stage inherits it: the system frees the lock when the last process that has it is gone, also one that was killed.
    None where the system has no such locks (nor has resume/ there), and where `given_up`.
    """
    try:
        import fcntl
    except ImportError:
        return None
    held = os.open(lock_of(log), os.O_RDWR | os.O_CREAT, 0o666)
    said = False
    while not given_up():
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return held
        except BlockingIOError:
            if not said:
                with log.open("a", encoding="utf-8") as file:
                    file.write("an earlier attempt of this stage still runs; waiting until it has saved its state and ended\n")
            said = True
            time.sleep(0.1)
        except OSError:
            break
    os.close(held)
    return None


def lock_of(log: Path) -> Path:
    return log.with_name(f".{log.name}.lock")


def deputy(leader: int) -> tuple[int, Callable[[], None]]:
    """A process that ends the group when this one is killed: its number, 0 for none, and what sends it away."""
    if not hasattr(os, "fork"):
        return 0, lambda: None
    heard, said = os.pipe()
    if number := os.fork():
        os.close(heard)
        return number, lambda: _say(said)
    os.close(said)
    os.setsid()
    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, signal.SIG_IGN)
    if not os.read(heard, 1):  # the pipe's other end is gone, and with it the launcher
        end_group(leader)
    os._exit(0)


def _say(pipe: int) -> None:
    with contextlib.suppress(BrokenPipeError):
        os.write(pipe, b".")


def signal_group(leader: int, number: int) -> None:
    """Send a signal to a process group that may be gone, or to its leader where that has not yet made it."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        try:
            os.killpg(leader, number)
        except ProcessLookupError:
            os.kill(leader, number)


def end_group(leader: int) -> None:
    """Let a process group save its state, then kill what is left of it."""
    signal_group(leader, signal.SIGTERM)
    outlast(leader)


def adopt() -> None:
    """Be the parent of what a killed stage leaves, also in sessions of its own, as torchrun's workers have (on Linux alone)."""
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def end_adopted(number: int, *, but: int) -> None:
    """End all processes below this one, but for one, and wait for them; what has not saved its state in time is killed."""
    import psutil

    left = [each for each in psutil.Process().children(recursive=True) if each.pid != but]
    for sent in (number, signal.SIGKILL):
        for each in left:
            with contextlib.suppress(psutil.NoSuchProcess):
                each.send_signal(sent)
        _, left = psutil.wait_procs(left, timeout=GRACE)


def outlast(leader: int, grace: float = GRACE, reap: Callable[[], object] = lambda: None) -> None:
    """Wait until a process group that was asked to end has saved its state; then kill what is left of it.

    Its leader may be anyone's child · reap: asks for the exit code of one's own.
    """
    until = time.monotonic() + grace
    while alive(leader) and time.monotonic() < until:
        reap()
        time.sleep(0.1)
    signal_group(leader, signal.SIGKILL)


def alive(leader: int) -> bool:
    """Whether a process or any of its group lives. Zombies do not: in a container there may be nobody who takes them away."""
    import psutil

    for process in psutil.process_iter(["status"]):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            if leader in (process.pid, os.getpgid(process.pid)) and process.info["status"] != psutil.STATUS_ZOMBIE:
                return True
    return False


if __name__ == "__main__":
    sys.exit(main())
