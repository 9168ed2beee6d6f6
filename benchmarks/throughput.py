"""Training images/s on a GPU: ours (eager, compiled) against a plain loop (DataLoader, PIL transforms, fp32), and the floor.

    python benchmarks/throughput.py --sizes 32 128 224
    python benchmarks/throughput.py --device cpu --sizes 32 --steps 2 --batch-size 8 --images 64     # tries the path

The floor is the larger of arithmetic at 790 TFLOP/s (bf16) and memory traffic at 4.3 TB/s, both measured on an H200.
"""

import statistics
from collections.abc import Callable, Iterator
from functools import partial

import torch
import torch.nn.functional as F
from batches import Pictures, store
from common import interleaved, parser, train_step, where
from torch import nn
from torch.utils.data import DataLoader

from prunescope import runtime
from prunescope.data.batches import Batches
from prunescope.data.store import Store
from prunescope.networks.architectures import Architecture, build
from prunescope.networks.masks import apply_, ones, prunable
from prunescope.pruning.selection import keep_top
from prunescope.training.loop import as_factors
from prunescope.training.optimizers import make

FLOOR = {("vgg16", 32): 3.3, ("vgg16", 128): 39, ("vgg16", 224): 117, ("densenet169", 32): 3.3, ("densenet169", 128): 50,
         ("densenet169", 224): 154}  # microseconds an image  # fmt: skip


def ours(model: str, data: Store, batch_size: int, device: torch.device, compiled: bool) -> Callable[[], object]:
    """A pruned network's training step: what `fit` does on the device, without its bookkeeping."""
    network = build(Architecture(model, 100)).to(device, memory_format=torch.channels_last)
    weights = prunable(network)
    masks = keep_top({n: w.detach() for n, w in weights.items()}, ones(weights), sum(w.numel() for w in weights.values()) // 5)
    apply_(weights, masks)
    held, factors = as_factors(weights, masks)
    update = make("sgd", list(network.parameters()), momentum=0.9, weight_decay=5e-4)
    batches = Batches(data, "train", batch_size=batch_size, crop_padding=4, flip="horizontal", seed=0, device=device)
    called = network
    if compiled:
        called = torch.compile(network, mode="reduce-overhead" if device.type == "cuda" else "default")
    precision, count = runtime.precision("auto", device), iter(range(10**9))

    def step() -> None:
        torch.backends.cudnn.allow_tf32, torch.backends.cudnn.deterministic = False, True  # as runtime.prepare sets them
        images, labels = batches.at(next(count))
        train_step(called, images, labels, update, precision)
        torch._foreach_mul_(held, factors)

    return step


def plain(model: str, data: Store, batch_size: int, device: torch.device, workers: int) -> Callable[[], object]:
    """What a tutorial writes: DataLoader, PIL, fp32, contiguous, torch.optim."""
    network: nn.Module = build(Architecture(model, 100)).to(device)
    update = torch.optim.SGD(network.parameters(), lr=0.01, momentum=0.9, weight_decay=5e-4)
    loader = DataLoader(
        Pictures(data), batch_size, shuffle=True, num_workers=workers, drop_last=True, persistent_workers=workers > 0
    )

    def endless() -> Iterator:
        while True:
            yield from loader

    source = endless()

    def step() -> None:
        torch.backends.cudnn.allow_tf32, torch.backends.cudnn.deterministic = True, False  # torch's defaults
        images, labels = next(source)
        loss = F.cross_entropy(network(images.to(device)), labels.to(device))
        update.zero_grad()
        loss.backward()
        update.step()

    return step


def repeated(step: Callable[[], object], times: int) -> None:
    for _ in range(times):
        step()


def main() -> None:
    add = parser(__doc__)
    add.add_argument("--sizes", type=int, nargs="+", default=[32, 128, 224])
    add.add_argument("--models", nargs="+", default=["vgg16", "densenet169"])
    add.add_argument("--batch-size", type=int, default=128)
    add.add_argument("--steps", type=int, default=30, help="steps timed together, once a round")
    add.add_argument("--images", type=int, default=4096)
    add.add_argument("--workers", type=int, default=8)
    add.add_argument("--no-compile", action="store_true")
    args = add.parse_args()
    device = runtime.device(args.device)
    runtime.prepare(args.threads, device)
    print(where(device, runtime.precision("auto", device)), f"· batch {args.batch_size}")
    print(f"{'':44} {'images/s':>10} {'to plain':>9} {'of floor':>9}")
    for model in args.models:
        for size in args.sizes:
            data = store(size, args.images)
            kinds = {
                "plain": plain(model, data, args.batch_size, device, args.workers),
                "prunescope": ours(model, data, args.batch_size, device, False),
            }
            if not args.no_compile:
                kinds["prunescope, compiled"] = ours(model, data, args.batch_size, device, True)
            several = {kind: partial(repeated, step, args.steps) for kind, step in kinds.items()}
            seconds = interleaved(several, rounds=args.rounds, device=device)  # the first round warms up and compiles
            median = {kind: args.steps * args.batch_size / statistics.median(values) for kind, values in seconds.items()}
            for kind, speed in median.items():
                share = (
                    f"{speed * FLOOR[model, size] * 1e-6:9.1%}"
                    if (model, size) in FLOOR and device.type == "cuda"
                    else "        –"
                )
                print(f"{model} {size} px {kind:28} {speed:12.0f} {speed / median['plain']:9.2f} {share}", flush=True)


if __name__ == "__main__":
    main()
