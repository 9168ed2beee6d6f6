"""How long a forward pass takes on this device: what unstructured zeros do not change.

A machine is never the same for long (other processes, clock rates), so a network is timed in turn with the unpruned one: their
ratio says what pruning or distillation changed, which times of two separate moments do not.
"""

import statistics
import time
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

BATCH_SIZES = (1, 32)
WARM_UP, LEAST = 3, 7  # passes


def latency(
    network: nn.Module, unpruned: nn.Module, image_size: int, *, device: torch.device, seconds: float
) -> dict[str, float | int]:
    """Milliseconds of a float32 forward pass in eval mode for each of `BATCH_SIZES`, and their ratio to those of `unpruned`, the
    passes of both taking turns: medians and quartiles, with the number of passes of each, which are repeated until both together
    took `seconds`; and the images a second of the largest batch."""
    modes = [(one, one.training) for one in (network, unpruned)]
    for one, _ in modes:
        one.eval().to(device).to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]

    def images(size: int) -> Tensor:
        made = torch.randn(size, 3, image_size, image_size, device=device)
        return made.contiguous(memory_format=torch.channels_last)

    found = in_turn(network, unpruned, images, seconds=seconds, wait=lambda: _wait(device))
    for one, training in modes:
        one.train(training)
    return found


def in_turn(
    network: Callable[[Any], Any],
    other: Callable[[Any], Any],
    images: Callable[[int], Any],
    *,
    seconds: float,
    wait: Callable[[], None] = lambda: None,
) -> dict[str, float | int]:
    """The same of any two functions of a batch; `images(size)` makes one, `wait` ends when the device has computed."""
    found: dict[str, float | int] = {}
    for size in BATCH_SIZES:
        pairs = _turns(network, other, images(size), seconds, wait)
        found |= _quartiles(f"batch_{size}", "_ms", [1000 * mine for mine, _ in pairs])
        found |= _quartiles(f"batch_{size}", "_to_dense", [mine / its for mine, its in pairs])
        found[f"batch_{size}_passes"] = len(pairs)
    return found | {"images_per_second": 1000 * BATCH_SIZES[-1] / found[f"batch_{BATCH_SIZES[-1]}_ms"]}


def _quartiles(name: str, unit: str, values: list[float]) -> dict[str, float]:
    low, median, high = statistics.quantiles(values, n=4)
    return {f"{name}{unit}": median, f"{name}_low{unit}": low, f"{name}_high{unit}": high}


@torch.inference_mode()
def _turns(
    network: Callable[[Any], Any], other: Callable[[Any], Any], images: Any, seconds: float, wait: Callable[[], None]
) -> list[tuple[float, float]]:
    for one in (network, other) * WARM_UP:
        one(images)
    pairs: list[tuple[float, float]] = []
    while len(pairs) < LEAST or sum(map(sum, pairs)) < seconds:
        if len(pairs) % 2:  # whoever is second finds another cache and clock rate
            its = _time(other, images, wait)
            pairs.append((_time(network, images, wait), its))
        else:
            pairs.append((_time(network, images, wait), _time(other, images, wait)))
    return pairs


def _time(network: Callable[[Any], Any], images: Any, wait: Callable[[], None]) -> float:
    """Seconds of one pass."""
    wait()
    started = time.perf_counter()
    network(images)
    wait()
    return time.perf_counter() - started


def _wait(device: torch.device) -> None:
    if device.type != "cpu":
        getattr(torch, device.type).synchronize()
