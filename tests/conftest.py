"""What all tests share: fixed seeds, one thread, property tests that draw the same cases every time, a tiny store and network.

torch is imported by the fixtures that need it, so that tests of the report start without it.
"""

import random
import sys
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import settings

from report_fakes import tree

__all__ = ["tree"]  # a fake tree of metrics, for the tests of results, evidence, figures and report

settings.register_profile("suite", deadline=None, derandomize=True, database=None)
settings.load_profile("suite")


LONGEST = (
    "test_readme_commands.py",
    "test_readme_data.py",
    "test_workflow_experiments.py",
    "test_workflow.py",
    "test_workflow_code.py",
    "test_stages.py",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files of a minute first, so that one worker does not begin them when the other has finished."""
    items.sort(key=lambda item: LONGEST.index(item.path.name) if item.path.name in LONGEST else len(LONGEST))


@pytest.fixture(autouse=True)
def seeded() -> None:
    """Every test starts from the same random numbers, whichever ran before it; one thread, so that sums add up in one order."""
    random.seed(0)
    np.random.seed(0)  # noqa: NPY002 - libraries draw from it
    if (torch := sys.modules.get("torch")) is not None:
        torch.manual_seed(0)
        torch.set_num_threads(1)


@pytest.fixture
def make_store() -> Callable:
    """make_store(train=20, val=7, test=9, classes=3, size=8): a prepared store in memory, random pixels, classes in turn."""
    from prunescope.data.store import Store

    def make(train: int = 20, val: int = 7, test: int = 9, classes: int = 3, size: int = 8) -> Store:
        count = train + val + test
        splits = np.random.default_rng(1).permutation(np.repeat([0, 1, 2], [train, val, test])).astype(np.uint8)
        names = np.array([f"image-{number}" for number in range(count)])
        return Store(
            images=np.random.default_rng(2).integers(0, 256, (count, size, size, 3), dtype=np.uint8),
            labels=np.arange(count) % classes,
            splits=splits,
            groups=names,
            names=names,
            classes=tuple(f"class-{number}" for number in range(classes)),
            mean=(0.5, 0.4, 0.6),
            std=(0.3, 0.25, 0.2),
            image_size=size,
            provenance={},
        )

    return make


@pytest.fixture
def make_network() -> Callable:
    """make_network(seed=0): convolution, batch norm, two linear layers, no dropout; 3 classes, 260 prunable weights."""
    import torch
    from torch import nn

    def make(seed: int = 0) -> nn.Sequential:
        torch.manual_seed(seed)
        return nn.Sequential(
            nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.AdaptiveAvgPool2d(2),
            nn.Flatten(), nn.Linear(16, 8), nn.ReLU(), nn.Linear(8, 3),
        )  # fmt: skip

    return make


@pytest.fixture
def make_batches() -> Callable:
    """make_batches(store, batch_size=5, seed=0, crop_padding=2, flip="both", balanced=False): its train split on the CPU."""
    import torch

    from prunescope.data.batches import Batches

    def make(store, batch_size: int = 5, seed: int = 0, crop_padding: int = 2, flip: str = "both", balanced: bool = False):
        settings = {"batch_size": batch_size, "seed": seed, "crop_padding": crop_padding, "flip": flip, "balanced": balanced}
        return Batches(store, "train", device=torch.device("cpu"), **settings)

    return make
