"""What a network takes and tells: the images that it was trained on, so that a finished file can be used without its store."""

import math
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor

from prunescope.data.batches import normalisation
from prunescope.data.store import Store


@dataclass(frozen=True)
class Inputs:
    """dataset: its row in params.yaml · classes: names by output · mean, std: (red, green, blue) of the train split as fractions
    of 255 · image_size: pixels of a side."""

    dataset: str
    classes: tuple[str, ...]
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    image_size: int

    @classmethod
    def of(cls, store: Store, dataset: str) -> "Inputs":
        """Of a prepared store and its data set's name."""
        return cls(dataset, store.classes, store.mean, store.std, store.image_size)

    @classmethod
    def from_header(cls, found: dict[str, Any]) -> "Inputs":
        """From `as_dict` in a file. Raises KeyError, TypeError or ValueError for what is not one."""
        mean, std = (tuple(float(value) for value in found[key]) for key in ("mean", "std"))
        classes, size = tuple(str(name) for name in found["classes"]), found["image_size"]
        if not all(map(math.isfinite, (*mean, *std))) or type(size) is not int or size < 1:
            raise ValueError(f"inputs {found}")
        if len(mean) != 3 or len(std) != 3 or len(classes) < 2:
            raise ValueError(f"inputs {found}")
        return cls(str(found["dataset"]), classes, mean, std, size)

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)

    def normalised(self, pixels: Tensor) -> Tensor:
        """(N, 3, S, S) of 0..255 as the network takes it, float32: exactly the numbers that it was trained with."""
        scale, shift = normalisation(self.mean, self.std, pixels.device)
        return pixels.to(torch.float32).mul(scale).add(shift)
