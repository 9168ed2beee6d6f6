"""What a user sees while stages run: one live table on a terminal, plain lines anywhere else."""

import os
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any, TextIO, cast

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from prunescope.runner.job import Job
from prunescope.runner.schedule import Schedule
from prunescope.runner.times import Times

TAIL = 12  # lines of a failed stage's log that are shown
NAMED = 12  # stages that are listed where a failed one leaves some out


class Output:
    """Standard output. Once nobody reads it (`| head`, a closed terminal), the study goes on without words: stages print into
    their logs."""

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)

    def write(self, text: str) -> int:
        with self._while_read():
            self.stream.write(text)
        return len(text)

    def flush(self) -> None:
        with self._while_read():
            self.stream.flush()

    @contextmanager
    def _while_read(self) -> Iterator[None]:
        try:
            yield
        except OSError:
            gone, nowhere = os.fstat(self.stream.fileno()), os.open(os.devnull, os.O_WRONLY)
            for stream in (sys.stderr, self.stream):  # DVC's own words too
                if os.path.samestat(os.fstat(stream.fileno()), gone):
                    os.dup2(nowhere, stream.fileno())
            os.close(nowhere)


class Running:
    """A job at work: since when, once it has begun on its worker."""

    def __init__(self, job: Job, said: Callable[[], None]) -> None:
        self.job, self.said = job, said
        self.began: float | None = None

    def begins(self) -> None:
        if self.began is None:
            self.began = time.monotonic()
            self.said()

    @property
    def seconds(self) -> float:
        return 0.0 if self.began is None else time.monotonic() - self.began


class View:
    """Counts, what runs and how far it is, the time left. Called from several threads."""

    def __init__(self, times: Times, *, plain: bool = False, console: Console | None = None) -> None:
        self.times = times
        # FORCE_COLOR means colours in a file, not a table that moves
        file, terminal = cast(TextIO, Output(sys.stdout)), None if sys.stdout.isatty() else False
        self.console = console or Console(file=file, highlight=False, force_terminal=terminal)
        self.live = self.console.is_terminal and not self.console.is_dumb_terminal and not plain
        self.schedule: Schedule[Any] = Schedule({}, slots=1)
        self._lock = threading.Lock()
        self._jobs: dict[str, Running] = {}
        self._counts = {"done": 0, "unchanged": 0, "failed": 0, "left out": 0}

    @contextmanager
    def shown(self, schedule: Schedule[Any]) -> Iterator[None]:
        """Inside, the live table stands at the foot of the terminal; notes scroll above it."""
        self.schedule = schedule
        began = time.monotonic()
        live = Live(self, console=self.console, refresh_per_second=2, transient=True) if self.live else nullcontext()
        with live:
            yield
        self.note(f"{self._counted()}, {_clock(time.monotonic() - began)}")

    @contextmanager
    def running(self, job: Job) -> Iterator[Running]:
        """Inside, the job is shown; as waiting until it begins."""
        run = Running(job, lambda: None if self.live else self.note(f"begins   {job.stage}"))
        with self._lock:
            self._jobs[job.stage] = run
        try:
            yield run
        finally:
            with self._lock:
                del self._jobs[job.stage]

    def ended(self, stage: str, *, ran: bool) -> None:
        """`ran`: it ran or was restored from the cache; else it was up to date."""
        with self._lock:
            self._counts["done" if ran else "unchanged"] += 1
        if ran:
            self.note(f"done     {stage}{self._place()}")

    def failed(self, stage: str, error: BaseException, log: Path | None, *, lost: Sequence[str] = ()) -> None:
        """Show why, with the last lines of what it printed."""
        with self._lock:
            self._counts["failed"] += 1
            self._counts["left out"] += len(lost)
        shown = "".join(f"\n    {line}" for line in lines_of(log)[-TAIL:])
        self.note(f"FAILED   {stage}: {error}{shown}" + f"\n    all it printed: {log}" * bool(log))
        if lost:
            more = f" and {len(lost) - NAMED} more, which need them" if len(lost) > NAMED else ""
            self.note(f"         left out: {', '.join(lost[:NAMED])}{more}")

    def warned(self, job: Job) -> None:
        """Show what a stage warned of, such as a saved state that another machine left and it cannot use."""
        lines = dict.fromkeys(line for line in lines_of(job.log) if line.startswith("warning: "))
        for line in tuple(lines)[:TAIL]:
            self.note(f"{job.stage}: {line}")

    def note(self, text: str) -> None:
        self.console.print(Text(text), soft_wrap=True)

    def __rich__(self) -> Table:
        table = Table.grid(padding=(0, 2))
        with self._lock:
            jobs = list(self._jobs.values())
        for run in jobs:
            table.add_row(run.job.stage, "waits" if run.began is None else _clock(run.seconds), last_line(run.job.log))
        table.add_row(f"{self._counted()}{self._place()}", "", f"about {_clock(self.left())} left")
        return table

    def left(self) -> float:
        """Seconds left by what is known from earlier runs: the longest path, or all that is to do over all slots."""
        with self._lock:
            running = {name: run.seconds for name, run in self._jobs.items()}
        going = [max(0.0, self.times.expected(name) - passed) for name, passed in running.items()]
        waiting = list(self.schedule.waiting)
        work = sum(going) + sum(self.times.expected(stage.addressing) for stage in waiting)
        paths = [self.schedule.path[stage] for stage in waiting]
        return max([work / self.schedule.slots, *paths, *going])

    def _counted(self) -> str:
        with self._lock:
            return ", ".join(f"{number} {what}" for what, number in self._counts.items() if number or what == "done")

    def _place(self) -> str:
        with self._lock:
            over = sum(self._counts.values())
        return f"  ({over} of {len(self.schedule.needs)})"


def lines_of(log: Path | None) -> list[str]:
    return log.read_text(encoding="utf-8", errors="replace").splitlines() if log and log.is_file() else []


def last_line(log: Path, room: int = 100) -> str:
    """The last line that a stage printed: where it stands."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - 4096))
            lines = file.read().decode("utf-8", errors="replace").replace("\r", "\n").split("\n")
    except OSError:
        return ""
    return next((line.strip()[:room] for line in reversed(lines) if line.strip()), "")


def _clock(seconds: float) -> str:
    whole = round(seconds)
    return f"{whole} s" if whole < 100 else f"{whole // 60} min" if whole < 6000 else f"{whole / 3600:.1f} h"
