"""Latency: what is timed, and that the ratio to the unpruned network does not depend on what else the machine does."""

import time

import torch
from torch import nn

from prunescope.evaluation.latency import BATCH_SIZES, LEAST, latency


class Slow(nn.Module):
    """Takes as many milliseconds as it is told; `asked` has the batch sizes of its passes."""

    def __init__(self, milliseconds: float, growing: float = 0.0) -> None:
        super().__init__()
        self.milliseconds, self.growing, self.asked = milliseconds, growing, []

    def forward(self, images):
        assert not self.training
        self.asked.append(len(images))
        time.sleep(self.milliseconds / 1000)
        self.milliseconds += self.growing
        return images


def test_both_networks_take_turns():
    network, unpruned = Slow(40), Slow(20)
    found = latency(network.train(), unpruned.train(), 8, device=torch.device("cpu"), seconds=0.01)
    assert network.training
    assert unpruned.training
    assert network.asked == unpruned.asked
    for size in BATCH_SIZES:
        assert found[f"batch_{size}_passes"] == LEAST, "a hundredth of a second is less than seven passes of each"
        assert found[f"batch_{size}_low_ms"] <= found[f"batch_{size}_ms"] <= found[f"batch_{size}_high_ms"]
        assert found[f"batch_{size}_low_to_dense"] <= found[f"batch_{size}_to_dense"] <= found[f"batch_{size}_high_to_dense"]
        assert found[f"batch_{size}_ms"] >= 40
        assert 1.2 < found[f"batch_{size}_to_dense"] < 3
    assert found["images_per_second"] == 1000 * 32 / found["batch_32_ms"]


def test_a_machine_that_slows_down_slows_both():
    found = latency(Slow(20, growing=10), Slow(20, growing=10), 8, device=torch.device("cpu"), seconds=0.01)
    assert found["batch_32_ms"] > 1.5 * found["batch_1_ms"]
    for size in BATCH_SIZES:
        assert 0.7 < found[f"batch_{size}_to_dense"] < 1.4
