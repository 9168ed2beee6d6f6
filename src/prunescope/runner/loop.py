"""The loop over DVC's stages, several at once, in place of DVC's own.

DVC decides for each stage whether it is out of date, restores it from the cache, hashes and records it. That is not made for
threads: a stage has a thread of its own, and one thread at a time has the baton and speaks to DVC, under DVC's own lock.
While a stage's command runs on the engine, its thread has neither.
"""

import signal
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

from prunescope.runner import lockfile
from prunescope.runner.dvc_inside import patient, whole_repository
from prunescope.runner.job import LOGS, Engine, Job, was_killed
from prunescope.runner.schedule import Schedule
from prunescope.runner.times import Times
from prunescope.runner.view import View


class Loop:
    """`stages` and `command` stand in for DVC's own (dvc_inside.REPLACED).

    fail_fast: whether a failed stage lets nothing else begin; else only what depends on it.
    """

    def __init__(self, engine: Engine, view: View, times: Times, *, fail_fast: bool = False) -> None:
        self.engine, self.view, self.times, self.fail_fast = engine, view, times, fail_fast
        self.baton = threading.Lock()  # who holds it may speak to DVC
        self.changed = threading.Condition()  # guards the schedule
        self.schedule: Schedule[Any] = Schedule({}, slots=engine.slots)
        self.done: list[Any] = []
        self.failed: list[tuple[Any, BaseException]] = []
        self.forced: set[Any] = set()
        self.home = Path.cwd()  # an experiment's own folder (`exp run --temp`) goes with it
        self.logs: dict[Any, Path] = {}  # of stages whose command was begun
        self.ignored = False  # whether errors are
        self.signals = 0

    def stages(
        self,
        stages: Sequence[Any],
        graph: Any = None,
        force_downstream: bool = False,
        on_error: str = "fail",
        force: bool = False,
        repro_fn: Callable[..., Any] | None = None,
        **options: Any,
    ) -> list[Any]:
        """In place of `dvc.repo.reproduce._reproduce`; returns the stages that ran or were restored."""
        from dvc.exceptions import ReproductionError
        from dvc.repo.reproduce import _reproduce_stage

        if not stages:
            return []
        needs = {stage: graph.successors(stage) if graph else () for stage in stages}
        alone = (lambda stage: False) if self.engine.apart else is_alone
        self.schedule = Schedule(needs, slots=self.engine.slots, seconds=self._expected, alone=alone)
        self.forced = set(stages) if force else set()
        self.ignored = on_error == "ignore"
        reproduce = repro_fn or _reproduce_stage

        def attend(stage: Any) -> Any:
            upstream = list(graph.successors(stage)) if graph else []
            ran = reproduce(stage, upstream=upstream, force=stage in self.forced, **options)
            if force_downstream and (ran or stage in self.forced):
                self.forced.update(graph.predecessors(stage) if graph else ())
            return ran

        lock, written = stages[0].repo.lock, Path(stages[0].path).with_suffix(".lock")
        before = lockfile.names(written)
        with (
            self._asked_to_stop(),
            patient(lock, self._busy, lambda: self.signals > 1),
            whole_repository(stages[0].repo),
            self.view.shown(self.schedule),
        ):
            lock.unlock()  # DVC holds it when it comes here
            try:
                self._go_through(attend, lock)
            finally:
                lock.lock()
                lockfile.put_in_order(written, before, [stage.addressing for stage in stages])
                self.times.save()
        if self.signals:
            raise KeyboardInterrupt
        if self.failed and not self.ignored:
            raise ReproductionError(f"failed to reproduce {', '.join(stage.addressing for stage, _ in self.failed)}")
        return self.done

    def command(self, stage: Any, dry: bool = False, run_env: dict[str, str] | None = None) -> None:
        """In place of `dvc.stage.run.cmd_run`: the stage's command on the engine; its thread gives the baton away meanwhile."""
        from dvc.stage.exceptions import StageCmdFailedError

        job = job_of(stage, run_env, self._log_of(stage, run_env or {}))
        self.logs[stage] = job.log
        job.log.parent.mkdir(parents=True, exist_ok=True)
        job.log.unlink(missing_ok=True)
        self.baton.release()
        try:
            code = self._run(stage, job)
        finally:
            with self.changed:
                self.schedule.free(stage)
                self.changed.notify_all()
            self.baton.acquire()
        if code:
            raise StageCmdFailedError(job.command, code)

    def _run(self, stage: Any, job: Job) -> int:
        """Run it; once more if it was killed, as it goes on from its saved state."""
        seconds = 0.0
        for first in (True, False):
            with self.view.running(job) as run:
                code = self.engine.run(job, run.begins)
            seconds += run.seconds
            if not (first and was_killed(code)) or self.signals:
                break
            self.view.note(f"{stage.addressing} was killed (exit {code}); it is started again and goes on from its saved state")
        if not code:
            self.times.keep(stage.addressing, seconds)
        self.view.warned(job)
        return code

    def _go_through(self, attend: Callable[[Any], Any], lock: Any) -> None:
        with self.changed:
            while not self.schedule.over:
                if self.signals:
                    self.schedule.close()
                stage = self.schedule.next()
                if stage is None:
                    self.changed.wait(timeout=1.0)  # signals are handled between waits
                    continue
                self.schedule.begin(stage)
                threading.Thread(target=self._attend, args=(stage, attend, lock), name=stage.addressing, daemon=True).start()

    def _attend(self, stage: Any, attend: Callable[[Any], Any], lock: Any) -> None:
        """In the stage's thread: all that DVC does with it."""
        ran, error = None, None
        lost: list[Any] = []
        try:
            with self.baton:
                lock.lock()
                try:
                    ran = attend(stage)
                finally:
                    if lock.is_locked:
                        lock.unlock()
        except BaseException as found:  # whatever it is, it ends this stage and not the others
            error = found
        with self.changed:
            if error is None:
                self.schedule.end(stage)
                self.done.extend([ran] if ran else [])
            else:
                self.failed.append((stage, error))
                if self.ignored:
                    self.schedule.end(stage)
                else:
                    lost = self.schedule.fail(stage)
                if self.fail_fast:
                    self.schedule.close()
            self.changed.notify_all()
        if error is None:
            self.view.ended(stage.addressing, ran=bool(ran))
        elif not self.signals:
            self.view.failed(stage.addressing, error, self.logs.get(stage), lost=[after.addressing for after in lost])

    def _log_of(self, stage: Any, run_env: Mapping[str, str]) -> Path:
        """In this folder's logs/; what runs in another has a folder of its own there, as both may run at once."""
        root = Path(stage.repo.root_dir)
        inside = "" if root.samefile(self.home) else run_env.get("DVC_EXP_NAME", root.name)
        return self.home / LOGS / inside / f"{stage.addressing}.log"

    def _expected(self, stage: Any) -> float:
        return self.times.expected(stage.addressing)

    def _busy(self) -> None:
        self.view.note("waiting for another DVC command, which holds the repository's lock")

    @contextmanager
    def _asked_to_stop(self) -> Iterator[None]:
        """Inside, the first Ctrl-C, SIGTERM or end of the terminal lets all stages save and end, the second one kills them."""

        def stop(number: int, frame: FrameType | None) -> None:
            self.signals += 1
            if self.signals == 1:
                self.view.note("stopping: running stages save their state; once more to end them now")
                self.engine.stop()
            else:
                self.engine.kill()

        if threading.current_thread() is not threading.main_thread():
            yield
            return
        numbers = {signal.SIGINT, signal.SIGTERM}
        if hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:  # as nohup sets it
            numbers.add(signal.SIGHUP)
        before = {number: signal.signal(number, stop) for number in numbers}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def is_alone(stage: Any) -> bool:
    """Whether dvc.yaml says, under `meta`, that the stage measures time and must have no neighbours."""
    return bool((stage.meta or {}).get("alone", False))


def job_of(stage: Any, run_env: dict[str, str] | None, log: Path) -> Job:
    """A stage as engines take it; log: the file for all that it prints."""
    commands = stage.cmd if isinstance(stage.cmd, list) else stage.cmd.splitlines()
    paths = [[item.def_path for item in items if item.hash_name == "md5"] for items in (stage.deps, stage.outs)]
    return Job(
        stage=stage.addressing,
        command=" && ".join(commands),
        folder=Path(stage.wdir),
        log=log,
        environment={"DVC_ROOT": stage.repo.root_dir, "DVC_STAGE": stage.addressing, **(run_env or {})},
        gpu=(stage.meta or {}).get("gpu", True),
        alone=is_alone(stage),
        inputs=tuple(paths[0]),
        outputs=tuple(paths[1]),
    )
