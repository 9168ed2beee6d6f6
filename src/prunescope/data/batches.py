"""Batches made on the device: the split lives there as uint8 if it fits; crop, flip and normalisation happen there per image.

What a batch holds is a pure function of (seed, step), so a run can be taken up at any step, and at equal seeds all methods
see the same images in the same order at the same step of the budget.
"""

import contextlib
import functools
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from prunescope.data.store import Store
from prunescope.errors import PrunescopeError
from prunescope.seeds import mix


class Batches:
    """Endless shuffled, augmented training batches of a split.

    batch_size: images a batch; the remainder of an epoch is left out, another one each epoch
    crop_padding: pixels of mirrored border, from which a random crop of the original size is taken
    flip: "none", "horizontal" or "both" (vertical too), each with probability 1/2
    balanced: an epoch has as many images of each class, give or take one: those of a rare class several times, each as often
        as the others of its class (give or take one), those of a common class not all
    part, parts: of every batch only this part of so many equal ones (the first ones may have an image more)
    """

    def __init__(
        self,
        store: Store,
        split: str,
        *,
        batch_size: int,
        crop_padding: int,
        flip: str,
        seed: int,
        device: torch.device,
        balanced: bool = False,
        part: int = 0,
        parts: int = 1,
    ):
        chosen = store.indices(split)
        if len(chosen) == 0:
            raise PrunescopeError(f"the {split} split is empty; prepare the data set with other fractions")
        if crop_padding >= store.image_size:
            raise PrunescopeError(f"crop_padding {crop_padding} must be below image_size {store.image_size}")
        self.size, self.padding, self.flip, self.seed, self.device = store.image_size, crop_padding, flip, seed, device
        self.batch_size = min(batch_size, len(chosen))
        self.steps_per_epoch = len(chosen) // self.batch_size
        if self.batch_size < 2 * parts:
            raise PrunescopeError(f"a batch of {self.batch_size} images is too small for {parts} processes; raise batch_size")
        even, more = divmod(self.batch_size, parts)
        self.mine = slice(part * even + min(part, more), (part + 1) * even + min(part + 1, more))
        self.labels = torch.from_numpy(store.labels[chosen]).to(device)
        self.classes = np.unique(store.labels[chosen], return_inverse=True)[1] if balanced else None
        self.source, self.chosen = store.images, chosen
        bytes_wanted = len(chosen) * 3 * (store.image_size + 2 * crop_padding) ** 2
        self.resident = _resident(store.images, chosen, crop_padding, device) if bytes_wanted <= free_bytes(device) // 2 else None
        self.scale, self.shift = normalisation(store.mean, store.std, device)
        self._epoch = functools.lru_cache(maxsize=1)(self._draw)

    def at(self, step: int) -> tuple[Tensor, Tensor]:
        """Step `step` of the run: images (B, 3, S, S) float32 normalised, channels last; labels (B,) int64."""
        rows, index = self._rows(step)
        rows = rows[self.mine]
        pixels = self._padded(rows).gather(2, self._positions(index[:, self.mine]))
        images = pixels.view(len(rows), 3, self.size, self.size).float().mul_(self.scale).add_(self.shift)
        return images.contiguous(memory_format=torch.channels_last), self.labels[rows]

    def labels_at(self, step: int) -> Tensor:
        """Labels (B,) of the whole batch, all parts."""
        return self.labels[self._rows(step)[0]]

    def _rows(self, step: int) -> tuple[Tensor, Tensor]:
        """The whole batch's rows (B,) and draws (4, B)."""
        epoch, position = divmod(step, self.steps_per_epoch)
        order, index = self._epoch(epoch)
        part = slice(position * self.batch_size, (position + 1) * self.batch_size)
        return order[part], index[:, part]

    def _draw(self, epoch: int) -> tuple[Tensor, Tensor]:
        """Order of the epoch's images (N,) and their row offset, column offset, row flip, column flip (4, N)."""
        generator = torch.Generator().manual_seed(mix(self.seed, epoch))
        count = len(self.labels)
        order = self._order(count, generator)
        offsets = torch.randint(0, 2 * self.padding + 1, (2, count), generator=generator)
        flips = torch.randint(0, 2, (2, count), generator=generator)
        flips *= torch.tensor([[self.flip == "both"], [self.flip in ("horizontal", "both")]])
        return order.to(self.device), torch.cat([offsets, flips]).to(self.device)

    def _order(self, count: int, generator: torch.Generator) -> Tensor:
        order = torch.randperm(count, generator=generator)
        if self.classes is None:
            return order
        classes = torch.from_numpy(self.classes)[order]
        members = [order[classes == k] for k in range(int(classes.max()) + 1)]
        even, more = divmod(count, len(members))
        one_more = set(torch.randperm(len(members), generator=generator)[:more].tolist())
        dealt = [of.repeat(1 + even // len(of))[: even + (k in one_more)] for k, of in enumerate(members)]
        return torch.cat(dealt)[torch.randperm(count, generator=generator)]

    def _padded(self, rows: Tensor) -> Tensor:
        """(B, 3, (S + 2 padding)^2) uint8 on the device."""
        if self.resident is not None:
            return self.resident.index_select(0, rows)
        return _planes(self.source[self.chosen[rows.cpu().numpy()]], self.padding, self.device)

    def _positions(self, draws: Tensor) -> Tensor:
        """(B, 3, S*S) flat positions in the padded image of each output pixel."""
        row0, column0, row_flip, column_flip = draws.unsqueeze(-1)
        line = torch.arange(self.size, device=self.device)
        rows = row0 + torch.where(row_flip.bool(), self.size - 1 - line, line)
        columns = column0 + torch.where(column_flip.bool(), self.size - 1 - line, line)
        flat = rows.unsqueeze(2) * (self.size + 2 * self.padding) + columns.unsqueeze(1)
        return flat.view(len(flat), 1, -1).expand(-1, 3, -1)


def in_order(store: Store, positions: np.ndarray, *, batch_size: int, device: torch.device) -> Iterator[tuple[Tensor, Tensor]]:
    """Images and labels at `positions` of the store in that order, not augmented, the last batch as long as it comes."""
    scale, shift = normalisation(store.mean, store.std, device)
    for start in range(0, len(positions), batch_size):
        rows = positions[start : start + batch_size]
        pixels = torch.from_numpy(np.ascontiguousarray(store.images[rows])).to(device)
        images = pixels.permute(0, 3, 1, 2).float().mul_(scale).add_(shift)  # NHWC read as NCHW: channels last as it lies
        yield images, torch.from_numpy(store.labels[rows]).to(device)


def balanced(store: Store, split: str, count: int, *, least: int = 1) -> np.ndarray:
    """About `count` positions of a split with equally many images of each class, or all of a class that has fewer; ascending.

    At least `least`, where the split has so many.
    """
    chosen = store.indices(split)
    members = [chosen[store.labels[chosen] == k] for k in range(len(store.classes))]
    share = max(1, count // len(members))
    while sum(len(of[:share]) for of in members) < min(least, len(chosen)):
        share += 1
    return np.sort(np.concatenate([of[:share] for of in members]))


def free_bytes(device: torch.device) -> int:
    """Memory that is free on a device; a split that takes more than half of it stays on disk and is read batch by batch."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    with contextlib.suppress(OSError):  # Linux
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:"))
    return 8 << 30  # systems that do not tell


def _resident(images: np.ndarray, chosen: np.ndarray, padding: int, device: torch.device, chunk: int = 256) -> Tensor:
    """The chosen images as (N, 3, (S + 2 padding)^2) uint8 on the device, borders mirrored once."""
    side = images.shape[1] + 2 * padding
    result = torch.empty((len(chosen), 3, side * side), dtype=torch.uint8, device=device)
    for start in range(0, len(chosen), chunk):
        result[start : start + chunk] = _planes(images[chosen[start : start + chunk]], padding, device)
    return result


def _planes(images: np.ndarray, padding: int, device: torch.device) -> Tensor:
    planes = torch.from_numpy(np.ascontiguousarray(images)).to(device).permute(0, 3, 1, 2)
    if padding:
        planes = F.pad(planes.float(), (padding,) * 4, mode="reflect").to(torch.uint8)
    return planes.reshape(len(planes), 3, -1)


def normalisation(of_mean: Sequence[float], of_std: Sequence[float], device: torch.device) -> tuple[Tensor, Tensor]:
    """(scale, shift) of shape (1, 3, 1, 1): (pixel / 255 - mean) / std as one multiplication and one addition."""
    mean = torch.tensor(of_mean, device=device).view(1, 3, 1, 1)
    std = torch.tensor(of_std, device=device).view(1, 3, 1, 1).clamp(min=1e-6)
    return 1 / (255 * std), -mean / std
