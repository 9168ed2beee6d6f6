"""What all benchmarks share: interleaved timing, peak memory of a fresh process, and the line that says where it ran."""

import argparse
import gc
import os
import platform
import random
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch
import torch.nn.functional as F
import torchvision
from torch import Tensor, nn

from prunescope import runtime
from prunescope.training.optimizers import Optimizer


def where(device: torch.device, precision: torch.dtype = torch.float32) -> str:
    """Hardware, versions and commit in one line."""
    ran = runtime.environment(device, precision)
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=Path(__file__).parent, capture_output=True, text=True)
    return (
        f"{ran['device']} · {ran['processor']} · {ran['threads']} threads · torch {torch.__version__} · torchvision "
        f"{torchvision.__version__} · Python {platform.python_version()} · commit {commit.stdout.strip() or 'unknown'}"
    )


def interleaved(
    candidates: dict[str, Callable[[], object]], *, rounds: int, device: torch.device | None = None
) -> dict[str, list[float]]:
    """Seconds of each candidate in each round; within a round they run once each, in an order drawn anew. One warm-up each."""
    seconds: dict[str, list[float]] = {name: [] for name in candidates}
    order = list(candidates)
    for number in range(rounds + 1):
        random.Random(number).shuffle(order)
        for name in order:
            gc.collect()
            wait(device)
            started = time.perf_counter()
            candidates[name]()
            wait(device)
            if number:
                seconds[name].append(time.perf_counter() - started)
    return seconds


def table(seconds: dict[str, list[float]], *, reference: str) -> str:
    """Medians, their ratio to `reference`, and that of the minima as a check on noise."""
    median = {name: statistics.median(values) for name, values in seconds.items()}
    lines = [f"{'':34} {'median s':>10} {'spread':>7} {'ratio':>8} {'of minima':>10}  (ratio to {reference})"]
    for name, values in seconds.items():
        spread = (max(values) - min(values)) / median[name]
        ratio, least = median[name] / median[reference], min(values) / min(seconds[reference])
        lines.append(f"{name:34} {median[name]:10.4f} {spread:7.0%} {ratio:8.3f} {least:10.3f}")
    return "\n".join(lines)


def train_step(network: nn.Module, images: Tensor, labels: Tensor, update: Optimizer, precision: torch.dtype) -> Tensor:
    """Forward, backward and update on the device that the images are on; returns the loss without waiting for it."""
    with runtime.autocast(images.device, precision):
        loss = F.cross_entropy(network(images).float(), labels)
    loss.backward()
    update.step_(0.01)
    return loss.detach()


def peak_mib(script: str, *arguments: str) -> float:
    """Peak memory in MiB that `script --memory-of ...` reports from a process of its own."""
    done = subprocess.run(
        [sys.executable, script, "--memory-of", *arguments], capture_output=True, text=True, check=True, env=os.environ
    )
    return float(done.stdout.split()[-1])


class Peak:
    """Highest resident memory of this process above what it had at the start of the block, in MiB (Linux)."""

    def __enter__(self) -> "Peak":
        gc.collect()
        Path("/proc/self/clear_refs").write_text("5")  # forget the peak so far
        self.before = _status("VmRSS")
        return self

    def __exit__(self, *_: object) -> None:
        self.mib = (_status("VmHWM") - self.before) / 1024


def parser(doc: str | None) -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("--rounds", type=int, default=7, help="measured rounds, each candidate once a round")
    made.add_argument("--threads", type=int, default=0, help="CPU threads; 0 = torch's choice")
    made.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:N")
    made.add_argument("--memory-of", help=argparse.SUPPRESS)
    return made


def wait(device: torch.device | None) -> None:
    if device is not None and device.type == "cuda":
        torch.cuda.synchronize(device)


def _status(key: str) -> int:
    """A field of /proc/self/status in KiB."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{key}:"):
            return int(line.split()[1])
    raise RuntimeError(f"no {key} in /proc/self/status: memory is measured on Linux only")
