"""Stages as processes of this machine: one a GPU, else one a core with one thread."""

import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from prunescope.errors import PrunescopeError
from prunescope.runner import machine, warm
from prunescope.runner.job import STOPPED, Job, unheard
from prunescope.runner.launcher import command_line, signal_group

NO_GPU = "nvidia-smi shows no GPU on this machine; others are named in CUDA_VISIBLE_DEVICES"


class Local:
    """At most `slots` jobs at once; each has its share of the cores as threads, and a GPU of its own where there are some."""

    apart = False

    def __init__(
        self, *, jobs: int | None, device: str, threads: int, processes: str | int = "auto", options: Mapping[str, str]
    ) -> None:
        """jobs: how many at once, None: one a GPU, else one a core · device, threads, processes: as in params.yaml's runtime.

        Raises PrunescopeError for options, for more jobs than GPUs or cores, and for GPUs that are not there.
        """
        if options:
            raise PrunescopeError(f"--engine-option: found {', '.join(options)}, wanted none: the local engine has no options")
        gpus = machine.gpus() if device in ("auto", "cuda") else []
        machine.check_gpus(device, processes, each=min(1, len(gpus)), none=NO_GPU, way=machine.ALL_GPUS)
        if device == "mps" and sys.platform != "darwin":
            raise PrunescopeError("runtime.device: found mps, wanted auto or cpu: this machine is not Apple's")
        cores, each = machine.cores(), machine.number(processes)
        most, what = (len(gpus), "GPUs") if gpus else (cores, "cores")
        if jobs is not None and not 0 < jobs <= most:
            raise PrunescopeError(f"--jobs: found {jobs}, wanted 1 to {most}: this machine has {most} {what}, a stage each")
        self.slots = jobs or (len(gpus) if gpus else max(1, machine.fitting(cores // max(1, threads), cores) // each))
        self.threads = threads or (cores // self.slots // each if gpus or jobs else 1) or 1
        self.about = f"{self.slots} at once, {self.threads} thread{'s' * (self.threads != 1)} each" + ", a GPU each" * bool(gpus)
        self._room = threading.BoundedSemaphore(self.slots)
        self._gpus: queue.SimpleQueue[str] = queue.SimpleQueue()
        for gpu in gpus[: self.slots]:
            self._gpus.put(gpu)
        self._has_gpus, self._stopped = bool(gpus), False
        self._leaders: dict[int, signal.Signals] = {}  # of process groups, with the signal that ends them at once
        self._warm = warm.available() and each == 1  # one that becomes torchrun gains nothing; the launcher ends it with its head
        if self._warm:
            warm.begin(self._environment({}, None))

    def run(self, job: Job, begins: Callable[[], None] = unheard) -> int:
        with self._room:  # another engine may hand over more than there is room for
            if self._stopped:
                return STOPPED
            begins()
            gpu = self._gpus.get() if job.gpu and self._has_gpus else None
            try:
                return self._run(job, self._environment(job.environment, gpu))
            finally:
                if gpu is not None:
                    self._gpus.put(gpu)

    def stop(self) -> None:
        self._stopped = True
        for leader in tuple(self._leaders):
            signal_group(leader, signal.SIGTERM)

    def kill(self) -> None:
        self._stopped = True
        for leader, number in tuple(self._leaders.items()):
            signal_group(leader, number)

    def close(self) -> None:
        """Nothing is held between jobs; the fork server ends with this process."""

    def _run(self, job: Job, environment: dict[str, str]) -> int:
        script = warm.script_of(job.command) if self._warm else None
        if script:
            process = warm.start(script, job.folder, environment, job.log)
            with self._running(process.pid, signal.SIGKILL):
                return warm.wait(process)
        # a session of its own: Ctrl-C in the terminal reaches the head alone, which passes it on
        process = subprocess.Popen(command_line(job.log, job.command), cwd=job.folder, env=environment, start_new_session=True)
        with self._running(process.pid, signal.SIGTERM):  # the launcher kills its stage when asked twice
            return process.wait()

    @contextmanager
    def _running(self, leader: int | None, end: signal.Signals) -> Iterator[None]:
        assert leader is not None
        self._leaders[leader] = end
        if self._stopped:
            signal_group(leader, signal.SIGTERM)
        try:
            yield
        finally:
            del self._leaders[leader]

    def _environment(self, wanted: Mapping[str, str], gpu: str | None) -> dict[str, str]:
        found = machine.this_python(machine.clean(os.environ) | machine.threads(self.threads) | dict(wanted))
        if self._has_gpus or "CUDA_VISIBLE_DEVICES" in os.environ:  # devices that the user hid stay so
            found["CUDA_VISIBLE_DEVICES"] = gpu or ""
        return found


def make(**settings: Any) -> Local:
    return Local(**settings)
