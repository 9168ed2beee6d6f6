"""A stage's command as an engine gets it, and what an engine is."""

import signal
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

LOGS = Path("logs")  # all that stages print
KILLED = 128  # exit codes above: the shell's word for a command that a signal ended; below 0 it is Python's
STOPPED = KILLED + signal.SIGTERM  # of what was asked to stop before it began


@dataclass(frozen=True)
class Job:
    """stage: DVC's name of it · command: as in dvc.yaml · folder: where it runs · environment: variables beside the usual ones ·
    log: the file for all it prints · gpu: whether it can use one · alone: whether it must run without neighbours ·
    inputs, outputs: its files and folders, relative to `folder`, for engines that share no folder with the workers."""

    stage: str
    command: str
    folder: Path
    log: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    gpu: bool = True
    alone: bool = False
    inputs: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()


def unheard() -> None:
    """Nobody asks when a job begins."""


class Engine(Protocol):
    """Where commands run. `run` is called in a thread for each job, by at most `slots` of them at once."""

    slots: int
    apart: bool  # whether a job that must run alone gets a machine of its own, so that others may run meanwhile
    about: str  # where stages run, for the first line of the run

    def run(self, job: Job, begins: Callable[[], None] = unheard) -> int:
        """Run it to its end; returns its exit code, negative or above KILLED where a signal ended it.

        begins: called when it begins on its worker, until when it waits; the first call counts.
        """
        ...

    def stop(self) -> None:
        """Ask all that runs to save and end; what begins later ends at once. May be called in a signal handler."""
        ...

    def kill(self) -> None:
        """End all that runs now. May be called in a signal handler."""
        ...

    def close(self) -> None:
        """Nothing runs any more; give back what the engine holds."""
        ...


def was_killed(code: int) -> bool:
    return code < 0 or code > KILLED
