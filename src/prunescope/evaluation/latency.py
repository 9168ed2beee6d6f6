"""How long a forward pass takes on this device: what unstructured zeros do not change.

A machine is never the same for long (other processes, clock rates), so a network is timed in turn with the unpruned one: their
ratio says what pruning or distillation changed, which times of two separate moments do not.
"""

import statistics
import time

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
    found: dict[str, float | int] = {}
    for size in BATCH_SIZES:
        images = torch.randn(size, 3, image_size, image_size, device=device).contiguous(memory_format=torch.channels_last)
        pairs = _turns(network, unpruned, images, seconds)
        found |= _quartiles(f"batch_{size}", "_ms", [1000 * mine for mine, _ in pairs])
        found |= _quartiles(f"batch_{size}", "_to_dense", [mine / other for mine, other in pairs])
        found[f"batch_{size}_passes"] = len(pairs)
    for one, training in modes:
        one.train(training)
    return found | {"images_per_second": 1000 * BATCH_SIZES[-1] / found[f"batch_{BATCH_SIZES[-1]}_ms"]}


def _quartiles(name: str, unit: str, values: list[float]) -> dict[str, float]:
    low, median, high = statistics.quantiles(values, n=4)
    return {f"{name}{unit}": median, f"{name}_low{unit}": low, f"{name}_high{unit}": high}


@torch.inference_mode()
def _turns(network: nn.Module, unpruned: nn.Module, images: Tensor, seconds: float) -> list[tuple[float, float]]:
    for one in (network, unpruned) * WARM_UP:
        one(images)
    pairs: list[tuple[float, float]] = []
    while len(pairs) < LEAST or sum(map(sum, pairs)) < seconds:
        pairs.append((_time(network, images), _time(unpruned, images)))
    return pairs


def _time(network: nn.Module, images: Tensor) -> float:
    """Seconds of one pass."""
    _wait(images.device)
    started = time.perf_counter()
    network(images)
    _wait(images.device)
    return time.perf_counter() - started


def _wait(device: torch.device) -> None:
    if device.type != "cpu":
        getattr(torch, device.type).synchronize()
