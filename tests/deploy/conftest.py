"""A prepared store on disk, for the tests of using a network."""

from pathlib import Path

import numpy as np
import pytest

from prunescope.data import store


@pytest.fixture(scope="session")
def digits_store(tmp_path_factory) -> Path:
    """Ten classes named 0 to 9, random pixels of 32 x 32 in colour, all splits."""
    folder = tmp_path_factory.mktemp("prepared") / "digits"
    labels = np.tile(np.arange(10), 30)
    store.write(
        folder,
        images=np.random.default_rng(0).integers(0, 256, (300, 32, 32, 3), dtype=np.uint8),
        labels=labels,
        splits=np.repeat([0, 1, 2], 100).astype(np.uint8),
        names=[f"{number}" for number in range(300)],
        groups=[f"{number}" for number in range(300)],
        classes=[str(number) for number in range(10)],
        source="random",
        image_size=32,
        provenance={},
    )
    return folder
