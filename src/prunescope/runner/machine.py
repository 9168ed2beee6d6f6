"""What this machine has for stages: cores, memory, GPUs; and which variables a stage's environment must not or must have."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from itertools import takewhile
from pathlib import Path

from prunescope.errors import PrunescopeError

STAGE_BYTES = 2 << 30  # memory that a stage on a CPU is given; one of the shipped study takes 0.6 GB
NOT_PASSED_ON = ("CUDA_VISIBLE_DEVICES", "SLURM_", "RAY_", "DVC_", "RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_")
ALL_GPUS = "under dvc repro it has all of a machine"
DEVICE = re.compile(r"\d+|(GPU|MIG)-\S+")
THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


def cores() -> int:
    """Cores that this process may use: its affinity and its container's share."""
    found = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text(encoding="ascii").split()
        if quota != "max":
            found = min(found, max(1, int(quota) // int(period)))
    except (OSError, ValueError):
        pass
    return found


def fitting(jobs: int, most: int) -> int:
    """At least one, at most `most`, and no more than memory has room for."""
    import psutil

    return max(1, min(jobs, most, int(psutil.virtual_memory().available // STAGE_BYTES)))


def gpus() -> list[str]:
    """CUDA devices that this process may use, as CUDA_VISIBLE_DEVICES names them; torch is not asked, as it takes seconds."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        names = [name.strip() for name in visible.split(",")]
        return list(takewhile(DEVICE.fullmatch, names))  # as CUDA reads it: -1, or Slurm's NoDevFiles, ends the list
    if not shutil.which("nvidia-smi"):
        return []
    found = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, check=False).stdout
    return [str(number) for number, _ in enumerate(line for line in found.splitlines() if line.startswith("GPU "))]


def check_gpus(device: str, processes: str | int, *, each: int, none: str, way: str) -> None:
    """Raise PrunescopeError for a device that stages would not find, and for more processes of a stage than it gets GPUs.

    device, processes: as in params.yaml's runtime · each: GPUs that a stage gets · none: what to say where there are none ·
    way: how a stage gets more
    """
    if device == "cuda" and not each:
        raise PrunescopeError(f"runtime.device: found cuda, wanted auto or cpu: {none}")
    if each and number(processes) > each:
        raise PrunescopeError(
            f"runtime.processes: found {processes}, wanted auto or at most {each}, the GPUs that a stage gets here; {way}"
        )


def number(processes: str | int) -> int:
    """Processes that a stage is certain to have: `auto` is one a GPU."""
    return 1 if processes == "auto" else int(processes)


def clean(environment: Mapping[str, str]) -> dict[str, str]:
    """Without what belongs to the head alone: its devices, its place in a cluster's job, torchrun's."""
    return {name: value for name, value in environment.items() if not name.startswith(NOT_PASSED_ON)}


def this_python(environment: Mapping[str, str]) -> dict[str, str]:
    """With the interpreter that runs this first in PATH: stages begin with `python`."""
    beside = str(Path(sys.executable).parent)
    return dict(environment) | {"PATH": os.pathsep.join((beside, environment.get("PATH", "")))}


def lives(process: int) -> bool:
    """Whether a process of this machine has not ended, waited for by its parent or not."""
    import psutil

    try:
        return psutil.Process(process).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def threads(number: int) -> dict[str, str]:
    return dict.fromkeys(THREADS, str(number))
