"""What a stage needs of CPUs and GPUs, for each engine, and what is refused before any work."""

from types import SimpleNamespace
from typing import Any

import pytest

from prunescope.errors import PrunescopeError
from prunescope.runner import machine, warm
from prunescope.runner.local import Local
from prunescope.runner.ray import Ray
from prunescope.runner.slurm import Slurm

NODE = {"Alive": True, "Resources": {"CPU": 4.0, "memory": 64 << 30}}
WITH_GPUS = {"Alive": True, "Resources": {"CPU": 16.0, "GPU": 8.0, "memory": 64 << 30}}
TOO_FEW = "runtime.processes: found 8, wanted auto or at most 1, the GPUs that a stage gets here; under dvc repro it has all"


@pytest.mark.parametrize("processes, message", [(8, TOO_FEW), (1, ""), ("auto", "")])
def test_a_stage_has_one_gpu_of_this_machine(monkeypatch, processes, message):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1")
    monkeypatch.setattr(warm, "available", lambda: False)
    given: dict[str, Any] = {"jobs": None, "device": "cuda", "threads": 1, "processes": processes, "options": {}}
    if message:
        with pytest.raises(PrunescopeError, match=message):
            Local(**given)
    else:
        assert Local(**given).slots == 2


def test_cores_are_shared_by_all_processes_of_all_stages(monkeypatch):
    monkeypatch.setattr(machine, "cores", lambda: 8)
    monkeypatch.setattr(machine, "fitting", min)
    for jobs, threads, wanted in ((None, 1, (2, 1)), (None, 2, (1, 2)), (2, 0, (2, 1)), (1, 0, (1, 2))):
        made = Local(jobs=jobs, device="cpu", threads=threads, processes=4, options={})
        assert (made.slots, made.threads) == wanted


@pytest.mark.parametrize("node, device, processes, wanted", [
    (NODE, "auto", "auto", (8, 1, 1)), (NODE, "cpu", 2, (4, 1, 2)), (WITH_GPUS, "cuda", 1, (16, 1, 1)),
    (NODE, "cuda", "auto", "runtime.device: found cuda, wanted auto or cpu: the Ray cluster has no GPU"),
    (NODE, "cpu", 8, "runtime.threads times runtime.processes: found 8, wanted at most 4: no node of the cluster has more"),
    (WITH_GPUS, "auto", 8, TOO_FEW),
])  # fmt: skip
def test_what_tasks_of_ray_need(node, device, processes, wanted):
    made = object.__new__(Ray)
    made.resource = ""
    made.ray = SimpleNamespace(nodes=lambda: [node, node])
    if isinstance(wanted, str):
        with pytest.raises(PrunescopeError, match=wanted):
            made._count(None, device, 1, processes)
    else:
        made._count(None, device, 1, processes)
        assert (made.slots, made.threads, made.cpus) == wanted


def test_jobs_of_slurm_have_cpus_for_all_processes(monkeypatch):
    monkeypatch.setattr("os.environ", {})  # it takes the head's own place in a job away
    for threads, options, wanted in ((2, {}, (6, 2)), (0, {"cpus_per_task": "9"}, (9, 3)), (0, {}, (3, 1))):
        local = {"executor": "local"} | options
        made = Slurm(jobs=None, device="cpu", threads=threads, processes=3, options=local)
        assert (made.cpus, made.threads) == wanted
