"""A fine-tuning step of the shipped study by threads and by how OpenMP's threads wait, on a quiet machine and on a busy one.

    python benchmarks/threads.py                 # quarter-width networks, digits' size: 32 px, batches of 64
    python benchmarks/threads.py --width 1

Busy: a process that only counts, on one core or on every core. How threads wait is read when torch is loaded, so each candidate
is a process of its own; all but the one that is measured are stopped. `default` leaves waiting to OpenMP (libgomp spins for some
milliseconds, then sleeps), `passive` sleeps at once, `bound` keeps each thread on a core of its own. A measurement during which
processes of others took more than a tenth of a core is made again. CPU seconds count waiting that spins, not waiting for a core.
"""

import os
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from common import parser, train_step, where

from prunescope import runtime
from prunescope.networks.architectures import Architecture, build
from prunescope.networks.bits import Bits
from prunescope.networks.masks import apply_, ones, prunable
from prunescope.pruning.scopes import kept_count
from prunescope.pruning.selection import keep_top
from prunescope.training.loop import as_factors
from prunescope.training.optimizers import make

WAYS = {
    "1 thread": ("1", {}),
    "2 threads, default": ("2", {}),
    "2 threads, passive": ("2", {"OMP_WAIT_POLICY": "PASSIVE"}),
    "2 threads, active": ("2", {"OMP_WAIT_POLICY": "ACTIVE"}),
    "2 threads, bound": ("2", {"OMP_PROC_BIND": "TRUE"}),
    "2 threads, bound passive": ("2", {"OMP_PROC_BIND": "TRUE", "OMP_WAIT_POLICY": "PASSIVE"}),
}
BATCH = 64


def work(model: str, width: float, threads: int, steps: int) -> None:
    """For each line read, train `steps` steps and print wall and CPU seconds of a step."""
    device = torch.device("cpu")
    runtime.prepare(threads, device)
    torch.manual_seed(0)
    network = build(Architecture(model, 10, width=width, head="compact")).to(memory_format=torch.channels_last)
    weights = prunable(network)
    scores = {name: weight.detach() for name, weight in weights.items()}
    masks = Bits(keep_top(scores, ones(weights), kept_count(sum(weight.numel() for weight in weights.values()), 0.8)))
    apply_(weights, masks)
    held, factors = as_factors(weights, masks)
    update = make("nesterov", list(network.parameters()), momentum=0.9, weight_decay=5e-4)
    images = torch.randn(BATCH, 3, 32, 32).contiguous(memory_format=torch.channels_last)
    labels = torch.arange(BATCH) % 10
    precision = runtime.precision("auto", device)
    print("ready", flush=True)
    for _ in sys.stdin:
        for number in range(steps + 1):
            if number == 1:  # the first one after it was stopped finds its threads on any core
                wall, cpu, others = time.perf_counter(), time.process_time(), _busy_seconds()
            train_step(network, images, labels, update, precision)
            torch._foreach_mul_(held, factors)  # pyright: ignore[reportPrivateImportUsage]
        wall, cpu, others = time.perf_counter() - wall, time.process_time() - cpu, _busy_seconds() - others
        print(wall / steps, cpu / steps, (others - cpu) / wall, flush=True)


@contextmanager
def busy(processes: int) -> Iterator[None]:
    """Processes that only count, one a core."""
    spinning = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(processes)]
    try:
        yield
    finally:
        for process in spinning:
            process.kill()
            process.wait()


def measured(workers: dict[str, subprocess.Popen[str]], rounds: int, spinning: int) -> dict[str, list[tuple[float, float]]]:
    """(wall, CPU) seconds of a step in each round; in a round each once, in turn from another one on."""
    seconds: dict[str, list[tuple[float, float]]] = {name: [] for name in workers}
    names, again = list(workers), 0
    for number in range(rounds):
        todo = names[number % len(names) :] + names[: number % len(names)]
        while todo:
            worker = workers[todo[0]]
            assert worker.stdin and worker.stdout
            worker.send_signal(signal.SIGCONT)
            print("go", file=worker.stdin, flush=True)
            wall, cpu, others = map(float, worker.stdout.readline().split())
            worker.send_signal(signal.SIGSTOP)  # threads that spin would disturb the next one
            cores = os.cpu_count() or 1
            if others > (0.1 if not spinning else 1.1) and spinning < cores and again < 20 * rounds:
                again += 1
                time.sleep(1)
                continue
            seconds[todo.pop(0)].append((wall, cpu))
    print(f"\n({again} measurements made again)", end="")
    return seconds


def _busy_seconds() -> float:
    """CPU seconds of all processes since the system's start."""
    user, nice, system, _, _, irq, softirq, *_ = map(int, Path("/proc/stat").read_text().split("\n")[0].split()[1:])
    return (user + nice + system + irq + softirq) / os.sysconf("SC_CLK_TCK")


def report(title: str, seconds: dict[str, list[tuple[float, float]]]) -> None:
    reference = statistics.median(wall for wall, _ in seconds["1 thread"])
    print(f"\n{title}\n{'':24} {'wall ms':>8} {'spread':>7} {'ratio':>6} {'of minima':>10} {'CPU ms':>8}  (ratios to 1 thread)")
    least = min(seconds["1 thread"])[0]
    for name, found in seconds.items():
        walls, cpus = zip(*found, strict=True)
        wall, spread = statistics.median(walls), (max(walls) - min(walls)) / statistics.median(walls)
        row = f"{wall * 1000:8.1f} {spread:7.0%} {wall / reference:6.2f} {min(walls) / least:10.2f}"
        print(f"{name:24} {row} {statistics.median(cpus) * 1000:8.1f}", flush=True)


def main() -> None:
    made = parser(__doc__)
    made.add_argument("--width", type=float, default=0.25)
    made.add_argument("--models", nargs="+", default=["vgg16_bn", "densenet169"])
    made.add_argument("--steps", type=int, default=4, help="steps of a measurement")
    made.add_argument("--work", help=made.epilog)
    args = made.parse_args()
    if args.work:
        work(args.work, args.width, args.threads, args.steps)
        return
    print(where(torch.device("cpu"), runtime.precision("auto", torch.device("cpu"))), f"· {os.cpu_count()} cores")
    for model in args.models:
        workers = {}
        for name, (threads, waiting) in WAYS.items():
            environment = {key: value for key, value in os.environ.items() if not key.startswith(("OMP_", "GOMP_"))}
            environment |= waiting
            command = [sys.executable, __file__, "--work", model, "--threads", threads]
            command += ["--width", str(args.width), "--steps", str(args.steps)]
            pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
            workers[name] = subprocess.Popen(command, env=environment, **pipes)
            workers[name].stdout.readline()
            workers[name].send_signal(signal.SIGSTOP)
        try:
            for processes in (0, 1, os.cpu_count() or 1):
                with busy(processes):
                    found = measured(workers, args.rounds, processes)
                report(f"{model}, width {args.width:g}, {processes} busy processes", found)
        finally:
            for worker in workers.values():
                worker.kill()
                worker.wait()


if __name__ == "__main__":
    main()
