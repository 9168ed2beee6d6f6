"""Where a stage runs: device, numeric precision, seeds, and a record of it all for the metrics."""

import contextlib
import platform
import re
from importlib.metadata import version
from pathlib import Path

import torch
from threadpoolctl import threadpool_limits

from prunescope.errors import PrunescopeError
from prunescope.seeds import mix


def device(name: str = "auto") -> torch.device:
    """The device to compute on; auto = cuda if there is one, then mps, else cpu. Raises PrunescopeError where it is absent."""
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    if not re.fullmatch(r"cpu|mps|cuda(:\d+)?", name):
        raise PrunescopeError(f"found device {name}, wanted auto, cpu, mps, cuda, or cuda:1 and so on")
    if name.startswith("cuda") and not torch.cuda.is_available():
        raise PrunescopeError(f"found device {name}, but torch {torch.__version__} sees no CUDA device; use auto or cpu")
    if name == "mps" and not torch.backends.mps.is_available():
        raise PrunescopeError(f"found device mps, but torch {torch.__version__} sees no Apple GPU; use auto or cpu")
    chosen = torch.device(name)
    if chosen.type == "cuda" and (chosen.index or 0) >= torch.cuda.device_count():
        raise PrunescopeError(f"found device {name}, but there are {torch.cuda.device_count()} CUDA devices, numbered from 0")
    return chosen


def precision(name: str, on: torch.device) -> torch.dtype:
    """dtype of forward and backward; auto = bfloat16 where the hardware computes in it (it halves the time), else float32."""
    if name == "auto":
        native = (
            torch.cuda.is_bf16_supported(including_emulation=False) if on.type == "cuda" else on.type == "cpu" and _cpu_has_bf16()
        )
        name = "bf16" if native else "fp32"
    return {"bf16": torch.bfloat16, "fp32": torch.float32}[name]


def autocast(on: torch.device, dtype: torch.dtype) -> contextlib.AbstractContextManager:
    return torch.autocast(on.type, dtype) if dtype != torch.float32 else contextlib.nullcontext()


def seed_everything(*numbers: int) -> None:
    """Seed torch's global generators (weight start, dropout) with a mix of the given numbers, e.g. (seed, step)."""
    torch.manual_seed(mix(*numbers))


def prepare(threads: int, on: torch.device) -> None:
    """Settings that hold for a whole stage: threads (0 = torch's choice); on a GPU full float32 and repeatable algorithms.

    The threads are numpy's too: their number decides about the last bits of its matrix products.
    """
    if threads:
        torch.set_num_threads(threads)
        threadpool_limits(threads, user_api="blas")
    if on.type == "cuda":
        torch.backends.cuda.matmul.allow_tf32 = False  # what says fp32 is fp32; bf16 autocast is not concerned
        torch.backends.cudnn.allow_tf32 = False
        torch.backends.cudnn.deterministic = True


def environment(on: torch.device, dtype: torch.dtype) -> dict[str, str | int]:
    """What a number was measured on; goes into the metrics, never into a checkpoint."""
    return {
        "device": torch.cuda.get_device_name(on) if on.type == "cuda" else on.type,
        "precision": {torch.bfloat16: "bf16", torch.float32: "fp32"}[dtype],
        "threads": torch.get_num_threads(),
        "processor": _processor(),
        "platform": platform.system(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "torchvision": version("torchvision"),
    }


def _cpu_has_bf16() -> bool:
    """avx512_bf16 or AMX; without them bfloat16 is emulated and slower than float32."""
    checks = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    return any(getattr(torch.cpu, check)() for check in checks if hasattr(torch.cpu, check))


def _processor() -> str:
    """The processor's model name."""
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
