"""Stages as jobs of Slurm, through submitit; or, to try that, as processes of this machine by submitit's local executor."""

import hashlib
import os
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from prunescope.errors import PrunescopeError
from prunescope.runner import machine, slurm_options
from prunescope.runner.job import KILLED, LOGS, STOPPED, Job, unheard
from prunescope.runner.slurm_worker import work

COMMANDS = ("sbatch", "srun", "sinfo", "squeue", "sacct", "scancel")
AT_ONCE = 64  # jobs in the queue
PIECES = 20  # jobs that one stage may take, each to its time limit
ASKED = 30.0  # seconds between two looks at all jobs' states; an ended stage's result is seen within a second
PATIENCE = 120.0  # seconds for jobs to leave the queue


class Slurm:
    """At most `slots` jobs in the queue; each has its CPUs and, where it can use one, a GPU. All machines see one folder."""

    def __init__(
        self, *, jobs: int | None, device: str, threads: int, processes: str | int = "auto", options: Mapping[str, str]
    ) -> None:
        """jobs: how many in the queue at once · device, threads, processes: as in params.yaml's runtime.

        Raises PrunescopeError for options, for missing commands and for a Slurm that does not answer.
        """
        self.options = slurm_options.parsed(options)
        if jobs is not None and jobs < 1:
            raise PrunescopeError(f"--jobs: found {jobs}, wanted 1 or more: how many jobs are in the queue at once")
        self.local = self.options["executor"] == "local"
        has_gpus = not self.local and _answer(self.options.get("partition") or os.environ.get("SBATCH_PARTITION"))
        self.gpus = self.options.get("gpus", int(has_gpus)) if device in ("auto", "cuda") else 0
        none = "there are no GPUs to ask for; name a partition with GPUs, or gpus=1"
        way = "--engine-option gpus=N asks for more"
        machine.check_gpus(device, processes, each=self.gpus, none=none, way=way)
        each = machine.number(processes)
        self.cpus = self.options.get("cpus_per_task") or (threads or 1) * each
        self.threads = threads or max(1, self.cpus // each)
        self.slots = jobs or (machine.cores() if self.local else AT_ONCE)
        self.apart = bool(self.options["exclusive"]) and not self.local
        self.folder = (LOGS / "slurm").resolve()
        self._stop = self.folder / "stop"
        self.mark = hashlib.sha256(str(self.folder).encode()).hexdigest()[:8]
        where = "processes of this machine" if self.local else "Slurm jobs"
        self.about = f"at most {self.slots} {where} at once, {self.cpus} CPU{'s' * (self.cpus != 1)} each"
        self.about += f", {self.gpus} GPU{'s' * (self.gpus != 1)}" * bool(self.gpus)
        for name in os.environ.keys() - machine.clean(os.environ).keys() - {"SLURM_CONF", "SLURM_CLUSTERS"}:
            if not name.startswith("DVC_"):  # sbatch would take the head's devices and its own place in a job to the workers
                del os.environ[name]
        self._stopped, self._killed, self._ready, self._asked = False, 0.0, False, 0.0
        self._submitting, self._looking = threading.Lock(), threading.Lock()  # neither is taken in a signal handler
        self._going: dict[str, None] = {}  # ids
        self._cancels: list[subprocess.Popen] = []

    def run(self, job: Job, begins: Callable[[], None] = unheard) -> int:
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})  # for what this thread starts: Ctrl-C is the head's
        try:
            code = STOPPED
            for _ in range(PIECES):
                code, out_of_time = self._run(job, begins)
                if self._stopped or not out_of_time:
                    break
                _say(job.log, "the job's time was over: the stage has saved its state and goes on in another job")
            return code
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)

    def stop(self) -> None:
        self._stopped = True
        with suppress(OSError):
            self._stop.touch()
        self._cancel(tuple(self._going))

    def kill(self) -> None:
        self._stopped, self._killed = True, time.monotonic()
        self._cancel(tuple(self._going), now=True)

    def close(self) -> None:
        for process in self._cancels:
            with suppress(subprocess.TimeoutExpired):
                process.wait(timeout=10)

    def _run(self, job: Job, begins: Callable[[], None]) -> tuple[int, bool]:
        """One Slurm job; the stage's exit code, and whether the job's time was over."""
        from submitit.core.utils import FailedJobError, UncompletedJobError

        with self._submitting:
            self._begin()
            if self._stopped:
                return STOPPED, False
            task = self._submit(job)
            self._going[task.job_id] = None
        _say(job.log, f"{'process' if self.local else 'Slurm job'} {task.job_id}")
        if self._stopped:
            self._cancel([task.job_id])
        try:
            self._wait(task, begins)
            if self._stopped and not task.paths.result_pickle.exists():
                return STOPPED, False
            code, out_of_time, said = task.result()
        except FailedJobError as error:
            code, out_of_time, said = 1, False, str(error)
        except UncompletedJobError:
            (code, said), out_of_time = _lost(task), False
        finally:
            del self._going[task.job_id]
            task.paths.result_pickle.unlink(missing_ok=True)  # another job may have this id one day
        _say(job.log, said)
        return code, out_of_time

    def _submit(self, job: Job) -> Any:
        import submitit
        from submitit.core.utils import UncompletedJobError

        executor = submitit.AutoExecutor(self.folder, cluster="local" if self.local else "slurm")
        gpus = self.gpus if job.gpu else 0
        executor.update_parameters(
            **slurm_options.parameters(self.options),
            name=f"{job.stage}.{self.mark}",
            nodes=1,
            tasks_per_node=1,
            cpus_per_task=self.cpus,
            gpus_per_node=gpus or None,
            slurm_srun_args=["-c", str(self.cpus)],  # srun no longer takes it from sbatch
            slurm_exclusive=True if job.alone and self.apart else None,
        )
        place = (job.command, str(job.folder), str(job.log), dict(job.environment))
        head = os.getpid() if self.local else None
        try:
            return executor.submit(work, *place, threads=self.threads, gpu=bool(gpus), stop=str(self._stop), head=head)
        except UncompletedJobError as error:
            raise PrunescopeError(f"sbatch refused the job: {error}") from error

    def _wait(self, task: Any, begins: Callable[[], None]) -> None:
        """Until it has ended; when it was to be killed and Slurm says nothing, for some time only."""
        while not (self._killed and time.monotonic() > self._killed + PATIENCE):
            with self._looking:  # one thread asks for all
                due = time.monotonic() > self._asked + (2 if self._stopped else ASKED)
                self._asked = time.monotonic() if due else self._asked
                ended = task.done(force_check=due)
            if task.paths.stdout.exists():  # of the job on its worker
                begins()
            if ended:
                return
            time.sleep(1)

    def _cancel(self, ids: Sequence[str], *, now: bool = False) -> None:
        """Running stages save and end, waiting ones leave the queue. Who asks twice does not want to wait: see the launcher."""
        if self.local:
            for number in ids:
                with suppress(ProcessLookupError):
                    os.kill(int(number), signal.SIGTERM)
        elif ids:  # without one scancel would take all of the user's jobs
            filters = [[]] if now else [["--state=PENDING"], ["--state=RUNNING", "--signal=TERM"]]
            for words in filters:
                command = ["scancel", *words, *ids]
                self._cancels.append(subprocess.Popen(command, stderr=subprocess.DEVNULL, start_new_session=True))

    def _begin(self) -> None:
        """Before the first job, while this head has the repository's lock: what an earlier head left in the queue ends."""
        if self._ready:
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        if not self.local and (left := self._left()):
            self._stop.touch()
            self._cancel(left)
            until = time.monotonic() + PATIENCE
            while self._left() and not self._stopped:
                if time.monotonic() > until:
                    raise PrunescopeError(
                        f"found jobs of an earlier run in the queue; end them with: scancel {' '.join(self._left())}"
                    )
                time.sleep(1)
        for path in self.folder.iterdir():
            path.unlink(missing_ok=True)
        self._ready = True

    def _left(self) -> list[str]:
        """Ids of this folder's jobs in the queue."""
        lines = [line.split() for line in _said("squeue", "--me", "--noheader", "--format=%i %j").splitlines()]
        return [words[0] for words in lines if words and words[-1].endswith(f".{self.mark}")]


def _answer(partition: str | None) -> bool:
    """Whether there are GPUs; raises PrunescopeError where Slurm does not answer or has no such partition."""
    missing = [name for name in COMMANDS if not shutil.which(name)]
    if missing:
        raise PrunescopeError(
            f"--engine slurm: found no {', '.join(missing)} on this machine, wanted Slurm's commands, as on a login node; "
            "to try without: --engine-option executor=local"
        )
    _said("sacct", "--noheader", "--allocations", "--format=JobID", "--starttime=now")  # tells what became of jobs
    lines = _said("sinfo", "--noheader", "--format=%P %G", *([f"--partition={partition}"] if partition else [])).splitlines()
    if not lines:
        raise PrunescopeError(f"--engine-option: found partition={partition}, wanted one of those that sinfo lists")
    usual = [line for line in lines if line.split()[0].endswith("*")]
    return any("gpu" in line for line in (lines if partition else usual))


def _said(*command: str) -> str:
    """What a command of Slurm prints; raises PrunescopeError with its own words."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60, start_new_session=True)
    except subprocess.TimeoutExpired:
        raise PrunescopeError(f"--engine slurm: {command[0]} did not answer in a minute; is Slurm up? Try: sinfo") from None
    if done.returncode:
        words = " ".join(done.stderr.split()) or f"exit {done.returncode}"
        raise PrunescopeError(f"--engine slurm: {command[0]} did not answer: {words}")
    return done.stdout


def _lost(task: Any) -> tuple[int, str]:
    """Exit code and what to say of a job that ended without a result: killed, or never begun."""
    state, own = task.state, task.paths.stderr
    if state.startswith(("FAILED", "COMPLETED")) and not own.is_file():
        wanted = f"wanted a folder that workers share: does the worker see {task.paths.folder}?"
        return 1, f"Slurm job {task.job_id} ended ({state}) before it wrote anything, {wanted}"
    lines = own.read_text(encoding="utf-8", errors="replace").split("\n") if own.is_file() else []
    words = [f": {line}" for line in lines if line.strip()]
    return KILLED + signal.SIGKILL, f"job {task.job_id} ended without a result ({state}){''.join(words[-1:])}"


def _say(log: Path, text: str) -> None:
    if text:
        with log.open("a", encoding="utf-8") as file:
            file.write(f"{text}\n")


def make(**settings: Any) -> Slurm:
    return Slurm(**settings)
