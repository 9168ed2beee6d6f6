"""What a Slurm job does on its worker: one stage, through the launcher."""

import os
import signal
import socket
import subprocess
from collections.abc import Mapping
from pathlib import Path
from types import FrameType

from prunescope.runner import machine
from prunescope.runner.job import STOPPED, was_killed
from prunescope.runner.launcher import command_line, signal_group

TIME_LIMIT = signal.SIGUSR2  # what Slurm sends before a job's time is over; submitit asks for it


def work(
    command: str, folder: str, log: str, wanted: Mapping[str, str], *, threads: int, gpu: bool, stop: str, head: int | None
) -> tuple[int, bool, str]:
    """Run a stage; returns its exit code, whether the job's time was over, and what there is to say.

    wanted: variables of the stage's environment · gpu: whether the job has one · stop: a file that is there when the job is to
    end before it begins, as a signal may come too early to be heard · head: a process of this machine; when it is gone, the stage
    saves and ends.
    """
    if not Path(folder).is_dir():
        here = socket.gethostname()
        return 1, False, f"found no {folder} on {here}, wanted the head's folder: Slurm needs one that workers share"
    asked: list[int] = []
    running: list[subprocess.Popen] = []

    def pass_on(number: int, frame: FrameType | None) -> None:
        asked.append(number)
        for process in running:
            signal_group(process.pid, signal.SIGTERM)

    for number in (signal.SIGTERM, TIME_LIMIT):  # in place of submitit's, which ignores the first one
        signal.signal(number, pass_on)
    if asked or Path(stop).exists():
        return STOPPED, False, ""
    given = {"cwd": folder, "env": environment(wanted, threads, gpu=gpu), "start_new_session": True}
    process = subprocess.Popen(command_line(log, command), **given)
    running.append(process)
    if asked:
        signal_group(process.pid, signal.SIGTERM)
    while True:
        try:
            code = process.wait(timeout=0.5)
            return code, TIME_LIMIT in asked and was_killed(code), ""
        except subprocess.TimeoutExpired:
            if head and not asked and not machine.lives(head):
                pass_on(signal.SIGTERM, None)


def environment(wanted: Mapping[str, str], threads: int, *, gpu: bool) -> dict[str, str]:
    """The worker's own, with what Slurm set there (its devices); without the head's DVC and without submitit's."""
    found = {name: value for name, value in os.environ.items() if not name.startswith(("DVC_", "SUBMITIT_"))}
    found = machine.this_python(found | machine.threads(threads) | dict(wanted))
    return found if gpu else found | {"CUDA_VISIBLE_DEVICES": ""}
