"""Images of any kind as the batches that a network was trained on."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from prunescope.errors import PrunescopeError
from prunescope.networks.inputs import Inputs
from prunescope.sources.images import fit


@dataclass(frozen=True)
class Preprocess:
    """Call it with a PIL image, several of them, or a tensor; it gives a batch (N, 3, S, S) float32 on the CPU, or where the
    tensor is.

    PIL images become squares as in training (`sources.images.fit`), and the same numbers. A tensor is (3, H, W) or (N, 3, H, W),
    RGB, uint8 or floating point in 0..1; with one channel it is taken as grey. uint8 of another size is resized by Pillow as in
    training; floats, whose gradients are kept, by the same filter without its rounding to 8 bits.
    """

    inputs: Inputs

    def __call__(self, images: Image.Image | Sequence[Image.Image] | Tensor) -> Tensor:
        if isinstance(images, Tensor):
            return self.inputs.normalised(self._of_tensor(images))
        several = [images] if isinstance(images, Image.Image) else list(images)
        if not several or not all(isinstance(image, Image.Image) for image in several):
            found = ", ".join(sorted({type(image).__name__ for image in several})) or "no image"
            raise PrunescopeError(f"found {found}, wanted a PIL image, a list of them, or a tensor (N, 3, H, W)")
        try:
            squares = [fit(_own(image), self.inputs.image_size)[0] for image in several]
        except ValueError as error:
            raise PrunescopeError(f"found an image that cannot be taken: {error}") from error
        return self.inputs.normalised(_planes(squares))

    def of_squares(self, squares: np.ndarray) -> Tensor:
        """A batch of prepared squares (N, S, S, 3) uint8, as a store holds them."""
        return self.inputs.normalised(_planes(squares))

    def _of_tensor(self, images: Tensor) -> Tensor:
        """(N, 3, S, S) in 0..255, uint8 or float32."""
        batch = images[None] if images.ndim == 3 else images
        floating = batch.is_floating_point()
        if batch.ndim != 4 or batch.shape[1] not in (1, 3) or 0 in batch.shape or not (floating or batch.dtype == torch.uint8):
            raise PrunescopeError(
                f"found a tensor {tuple(images.shape)} {images.dtype}, wanted (3, H, W) or (N, 3, H, W), uint8 or float in 0..1"
            )
        if floating and not bool(((batch >= 0) & (batch <= 1)).all()):
            raise PrunescopeError(
                f"found floats from {float(batch.min()):.3g} to {float(batch.max()):.3g}, wanted 0 to 1: not normalised, not NaN"
            )
        batch, size = batch.expand(-1, 3, -1, -1), self.inputs.image_size
        if floating:
            return _squared(batch.to(torch.float32), size) * 255
        if batch.shape[2:] == (size, size):
            return batch
        squares = [fit(Image.fromarray(one.permute(1, 2, 0).cpu().numpy()), size)[0] for one in batch]
        return _planes(squares).to(images.device)


def _own(image: Image.Image) -> Image.Image:
    """A copy, as fitting turns an image upright in place; one of several frames, which it refuses, as it is."""
    if getattr(image, "n_frames", 1) > 1 and image.format != "MPO":
        return image
    mine = image.copy()
    mine.format = image.format
    return mine


def _planes(squares: Sequence[np.ndarray] | np.ndarray) -> Tensor:
    """(N, S, S, 3) uint8 as (N, 3, S, S), channels last as it lies."""
    return torch.from_numpy(np.ascontiguousarray(np.stack(list(squares)))).permute(0, 3, 1, 2)


def _squared(batch: Tensor, size: int) -> Tensor:
    """The centre square at `size` pixels by Pillow's bilinear filter, not rounded: it looks beyond the square's border too."""
    height, width = batch.shape[2:]
    if (height, width) == (size, size):
        return batch
    side = min(height, width)
    down, across = (_filter(length, (length - side) // 2, side, size).to(batch) for length in (height, width))
    return down @ batch @ across.T


def _filter(length: int, start: int, side: int, size: int) -> Tensor:
    """(size, length) weights of a triangle filter that makes `size` pixels of `side` ones from `start` on; rows sum to 1."""
    scale = side / size
    reach = max(scale, 1.0)
    centres = start + (torch.arange(size, dtype=torch.float64) + 0.5) * scale
    places = torch.arange(length, dtype=torch.float64) + 0.5
    weights = (1 - ((places - centres[:, None]) / reach).abs()).clamp(min=0)
    return weights / weights.sum(1, keepdim=True)
