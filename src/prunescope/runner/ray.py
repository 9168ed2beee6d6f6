"""Stages as tasks of a Ray cluster: the one that RAY_ADDRESS or the option `address` names, else one on this machine."""

import os
import uuid
from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

import prunescope
from prunescope.errors import PrunescopeError
from prunescope.files import write_text
from prunescope.runner import machine, warm
from prunescope.runner.job import LOGS, STOPPED, Job, unheard
from prunescope.runner.local import Local
from prunescope.runner.ray_cluster import connected
from prunescope.runner.ray_worker import Bell, attempt, look
from prunescope.runner.ship import Arriving, Parcels

OPTIONS = ("address", "ship", "resource")
SOME = 0.0001  # of a resource: the least that Ray hands out, so that it sets no limit
LOOK = 60.0  # seconds in which each node must have looked at the folder; its first worker process starts for that
LOST = -9  # exit code of a stage whose worker or node is gone: the loop starts it again
TOKEN = LOGS / ".ray-token"  # beginning of the name of a file that all nodes must see
PACKAGES = tuple(dict.fromkeys(name.partition(".")[0] for name in warm.PRELOADED))
"""What stages import from outside."""


class Ray:
    """At most `slots` tasks at once, each with its share of CPUs as threads, and a GPU where the cluster has some."""

    apart = False

    def __init__(
        self, *, jobs: int | None, device: str, threads: int, processes: str | int = "auto", options: Mapping[str, str]
    ) -> None:
        """jobs: how many at once, None: one a GPU, else one a CPU of the cluster · others: as in params.yaml's runtime.

        Raises PrunescopeError for unknown options, a cluster that does not answer or has less than what is asked, nodes that do
        not see this folder or have no torch.
        """
        if strange := [name for name in options if name not in OPTIONS]:
            raise PrunescopeError(f"--engine-option: found {strange[0]}, wanted one of {', '.join(OPTIONS)}")
        if options.get("ship", "false") not in ("true", "false"):
            raise PrunescopeError(f"--engine-option: found ship={options['ship']}, wanted ship=true or ship=false")
        self.resource = options.get("resource", "")  # that a node must have: stages run on no other
        self.level, self._rung = 0, 0  # how often to stop was asked, and what of it the workers were told
        self.ray, self.guard = connected(options.get("address") or os.environ.get("RAY_ADDRESS", ""))
        self.here: Local | None = None
        try:
            self._count(jobs, device, threads, processes)
            self._prepare(shipped=options.get("ship") == "true")
        except BaseException:
            self.close()
            raise

    def run(self, job: Job, begins: Callable[[], None] = unheard) -> int:
        if self.level:
            return STOPPED
        if self.here and not job.gpu:
            return self.here.run(job, begins)
        sent = self.parcels.of(job) if self.here else None
        given = {name: value for name, value in os.environ.items() if name.startswith("PRUNESCOPE_")}
        needs = {"num_cpus": self.cpus, "num_gpus": int(job.gpu and self.gpus > 0), "name": job.stage}
        needs |= {"resources": {self.resource: SOME}} if self.resource else {}
        events = self.attempt.options(**needs).remote(self.bell, job, sent, given, self.threads)
        arriving = Arriving(job.folder)
        try:
            return self._followed(events, job, arriving, begins)
        except self.gone as error:
            with job.log.open("a", encoding="utf-8") as log:
                log.write(f"its worker is gone: {first_line(error)}\n")
            return LOST
        except self.ray.exceptions.RayTaskError as error:
            raise PrunescopeError(f"on a worker: {first_line(error.cause)}") from error
        finally:
            arriving.drop()

    def stop(self) -> None:
        self.level = max(self.level, 1)
        if self.here:
            self.here.stop()

    def kill(self) -> None:
        self.level = 2
        if self.here:
            self.here.kill()

    def close(self) -> None:
        self.ray.shutdown()
        if self.guard:
            self.guard.communicate()

    def _followed(self, events: Any, job: Job, arriving: Arriving, begins: Callable[[], None]) -> int:
        """Take what the worker tells until the stage has ended; its exit code."""
        begun = False
        while True:
            if self.level > self._rung:  # threads of jobs do it: a signal handler must not wait for Ray
                self._rung = self.level
                self.bell.ring.remote(self.level)
            if self.level and not begun:
                self.ray.cancel(events)
                return STOPPED
            if not self.ray.wait([events], timeout=0.5, fetch_local=False)[0]:
                continue
            try:
                kind, *rest = self.ray.get(next(events))
            except StopIteration:
                return LOST
            if kind == "begun":
                begun = True
                begins()
            elif kind == "log":
                with job.log.open("ab") as log:
                    log.write(rest[0])
            elif kind == "folder":
                (job.folder / rest[0]).mkdir(parents=True, exist_ok=True)
            elif kind == "file":
                arriving.piece(*rest)
            elif kind == "gone":  # a state that is used up
                (job.folder / rest[0]).unlink(missing_ok=True)
            else:
                return rest[0]

    def _count(self, jobs: int | None, device: str, threads: int, processes: str | int) -> None:
        """How many tasks at once, and their threads."""
        alive = [node for node in self.ray.nodes() if node["Alive"]]
        self.nodes = [node for node in alive if not self.resource or node["Resources"].get(self.resource, 0) >= SOME]
        if not self.nodes:
            named = sorted({name for node in alive for name in node["Resources"]})
            raise PrunescopeError(f"--engine-option: found resource={self.resource}, wanted what a node has: {', '.join(named)}")
        have = [node["Resources"] for node in self.nodes]
        cpus = [int(of.get("CPU", 0)) for of in have]
        self.gpus = int(sum(of.get("GPU", 0) for of in have)) if device in ("auto", "cuda") else 0
        none = "the Ray cluster has no GPU"
        machine.check_gpus(device, processes, each=min(1, self.gpus), none=none, way=machine.ALL_GPUS)
        most, what = (self.gpus, "GPUs") if self.gpus else (sum(cpus), "CPUs")
        where = f"{len(self.nodes)} node{'s' * (len(self.nodes) != 1)}"
        if not most:
            raise PrunescopeError(f"the Ray cluster has no {what}: found {where}; start workers first")
        if jobs is not None and not 0 < jobs <= most:
            raise PrunescopeError(f"--jobs: found {jobs}, wanted 1 to {most}: the Ray cluster has {most} {what} on {where}")
        pairs = zip(cpus, have, strict=True)
        each = machine.number(processes)
        per_node = [min(cpu // (max(1, threads) * each), int(of.get("memory", 0) // machine.STAGE_BYTES)) for cpu, of in pairs]
        self.slots = jobs or self.gpus or max(1, sum(per_node))
        self.threads = threads or max(1, sum(cpus) // self.slots // each if self.gpus or jobs else 1)
        if not threads:
            self.threads = min(self.threads, max(1, max(cpus) // each))
        self.cpus = self.threads * each
        if self.cpus > max(cpus):
            key = "runtime.threads" + " times runtime.processes" * (each > 1)
            raise PrunescopeError(f"{key}: found {self.cpus}, wanted at most {max(cpus)}: no node of the cluster has more")
        self.about = f"{self.slots} at once on {where}, {self.threads} thread{'s' * (self.threads != 1)} each"
        self.about += ", a GPU each" * bool(self.gpus)

    def _prepare(self, *, shipped: bool) -> None:
        """What workers run; and whether they can, on each node."""
        ray, errors = self.ray, self.ray.exceptions
        ray.cloudpickle.register_pickle_by_value(prunescope)
        self.gone = (errors.WorkerCrashedError, errors.NodeDiedError, errors.OutOfMemoryError, errors.ObjectLostError)
        self._look(shipped)
        self.bell = ray.remote(num_cpus=0, scheduling_strategy=on(ray.get_runtime_context().get_node_id()))(Bell).remote()

        @ray.remote(max_retries=0)  # the loop does that
        def task(bell: Any, job: Job, sent: Any, given: Mapping[str, str], threads: int) -> Any:
            ray = import_module("ray")
            yield from attempt(job, lambda: ray.get(bell.heard.remote()), sent, ray.get, given, threads)

        self.attempt = task
        if shipped:
            self.parcels = Parcels(ray.put)
            self.here = Local(jobs=None, device="cpu", threads=self.threads, options={})
            self.about += "; files travel"

    def _look(self, shipped: bool) -> None:
        """Raise PrunescopeError for nodes that do not answer, do not see this folder, or lack packages."""
        said = uuid.uuid4().hex
        token = Path.cwd() / f"{TOKEN}-{said}"  # another run may look at the same time
        names = {node["NodeID"]: f"{node['NodeManagerHostname']} ({node['NodeManagerAddress']})" for node in self.nodes}
        task = self.ray.remote(num_cpus=0, max_retries=0)(look)
        write_text(token, said)
        try:
            asked = {task.options(scheduling_strategy=on(node)).remote(token, PACKAGES): node for node in names}
            answered, silent = self.ray.wait(list(asked), num_returns=len(asked), timeout=LOOK)
            try:
                found = [(names[asked[each]], *self.ray.get(each)) for each in answered]
            except self.ray.exceptions.RayError as error:
                raise PrunescopeError(f"a node of the Ray cluster failed at the first task: {first_line(error)}") from error
        finally:
            token.unlink(missing_ok=True)
        if silent:
            raise PrunescopeError(f"these nodes did not answer in {LOOK:.0f} s: {', '.join(names[asked[one]] for one in silent)}")
        if lacking := [f"{name}: {', '.join(lacks)}" for name, _, lacks in found if lacks]:
            raise PrunescopeError(
                f"these nodes lack packages that stages need: {'; '.join(dict.fromkeys(lacking))}; install prunescope there"
            )
        if not shipped and (blind := [name for name, seen, _ in found if seen != said]):
            raise PrunescopeError(
                f"these nodes do not see {Path.cwd()}: {', '.join(dict.fromkeys(blind))}; use a folder that all nodes share, or "
                "--engine-option ship=true"
            )


def on(node: str) -> Any:
    """On that node and no other."""
    return import_module("ray.util.scheduling_strategies").NodeAffinitySchedulingStrategy(node_id=node, soft=False)


def first_line(error: BaseException) -> str:
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)


def make(**settings: Any) -> Ray:
    return Ray(**settings)
