"""Mixed seeds."""

import itertools

import torch

from prunescope.seeds import mix


def test_every_number_and_the_order_count() -> None:
    numbers = [0, 1, 2, 86, 255, 256, 1 << 31]
    seeds = {mix(a, b) for a, b in itertools.product(numbers, repeat=2)}
    assert len(seeds) == len(numbers) ** 2
    assert all(0 <= seed < 1 << 32 for seed in seeds)


def test_torch_reads_32_bits_of_a_seed() -> None:
    """Why seeds are mixed and not shifted: if this ever fails, mixing is still right."""
    low, high = (torch.rand(3, generator=torch.Generator().manual_seed(seed)) for seed in (5, 5 + (1 << 32)))
    assert torch.equal(low, high)
