"""How long a forward pass takes on this device: what unstructured zeros do not change."""

import statistics
import time

import torch
from torch import Tensor, nn

BATCH_SIZES = (1, 32)
WARM_UP, LEAST = 3, 7  # passes


def latency(network: nn.Module, image_size: int, *, device: torch.device, seconds: float) -> dict[str, float | int]:
    """Milliseconds of a float32 forward pass in eval mode for each of `BATCH_SIZES`: median and quartiles, with the number
    of passes, which are repeated for about `seconds`; and the images a second of the largest batch."""
    training = network.training
    network.eval().to(device).to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
    found: dict[str, float | int] = {}
    for size in BATCH_SIZES:
        images = torch.randn(size, 3, image_size, image_size, device=device).contiguous(memory_format=torch.channels_last)
        times = _times(network, images, seconds)
        low, median, high = (1000 * value for value in statistics.quantiles(times, n=4))
        found |= {f"batch_{size}_ms": median, f"batch_{size}_low_ms": low, f"batch_{size}_high_ms": high}
        found[f"batch_{size}_passes"] = len(times)
    network.train(training)
    return found | {"images_per_second": 1000 * BATCH_SIZES[-1] / found[f"batch_{BATCH_SIZES[-1]}_ms"]}


@torch.inference_mode()
def _times(network: nn.Module, images: Tensor, seconds: float) -> list[float]:
    for _ in range(WARM_UP):
        network(images)
    times: list[float] = []
    while len(times) < LEAST or sum(times) < seconds:
        _wait(images.device)
        started = time.perf_counter()
        network(images)
        _wait(images.device)
        times.append(time.perf_counter() - started)
    return times


def _wait(device: torch.device) -> None:
    if device.type != "cpu":
        getattr(torch, device.type).synchronize()
