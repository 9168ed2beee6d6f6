"""Masks at one bit a weight: what is held while a network trains, and what checkpoints store."""

import math
from collections.abc import Iterator, Mapping

import numpy as np
import torch
from torch import Tensor


class Bits(Mapping[str, Tensor]):
    """Boolean masks by parameter name, packed; a mask is unpacked, on its device, each time that it is read.

    Beside the 0/1 factors that a step multiplies by, unpacked masks would cost another quarter of the weights' memory.
    """

    def __init__(self, masks: Mapping[str, Tensor] | None = None) -> None:
        self._packed: dict[str, tuple[np.ndarray, torch.Size, torch.device]] = {}
        self.update(masks or {})

    @classmethod
    def from_packed(cls, packed: Mapping[str, Tensor], shapes: Mapping[str, torch.Size]) -> "Bits":
        """From `packed()` of a file and the weights' shapes. Raises ValueError where the lengths do not fit."""
        bits = cls()
        for name, data in packed.items():
            shape = shapes[name]
            if data.dtype != torch.uint8 or data.numel() != math.ceil(math.prod(shape) / 8):
                raise ValueError(f"{data.numel()} bytes of mask for {name} of shape {tuple(shape)}")
            bits._packed[name] = (data.numpy(), shape, torch.device("cpu"))
        return bits

    def update(self, masks: Mapping[str, Tensor]) -> None:
        """Take these masks over, in place of those of the same name."""
        for name, mask in masks.items():
            self._packed[name] = (np.packbits(mask.cpu().numpy().reshape(-1)), mask.shape, mask.device)

    def packed(self) -> dict[str, Tensor]:
        """Bits as uint8, eight weights a byte, the first weight highest."""
        return {name: torch.from_numpy(data) for name, (data, _, _) in self._packed.items()}

    def to(self, device: torch.device) -> "Bits":
        """The same masks, unpacked on another device from now on."""
        moved = Bits()
        moved._packed = {name: (data, shape, device) for name, (data, shape, _) in self._packed.items()}
        return moved

    def __getitem__(self, name: str) -> Tensor:
        data, shape, device = self._packed[name]
        flat = np.unpackbits(data, count=math.prod(shape)).view(np.bool_)
        return torch.from_numpy(flat).view(shape).to(device)

    def __iter__(self) -> Iterator[str]:
        return iter(self._packed)

    def __len__(self) -> int:
        return len(self._packed)
