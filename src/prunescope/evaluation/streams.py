"""Numbers as compressed bytes by significance, written and read a part at a time: a large network needs little more room.

A stream holds all values of one type; `float32|0` to `float32|3` are its pieces, the lowest byte first. A float's sign is
turned to the lowest bit, so that the exponents, which are much alike, fill bytes of their own.
"""

from collections.abc import Iterator, Mapping

import numpy as np
import torch
import zstandard
from torch import Tensor

LEVEL = 3  # of Zstandard; higher ones find hardly more (15: 1 % in mantissas; 19: 1 % of a file with int8)
PART = 1 << 17  # values at once: what is made of them stays in the processor's cache
WORDS = {1: "<u1", 2: "<u2", 4: "<u4", 8: "<u8"}


class Writer:
    """Takes exactly `count` values of the type `stored`."""

    def __init__(self, stored: torch.dtype, count: int) -> None:
        self._stored, self._at = stored, 0
        self._planes = [np.empty(count, np.uint8) for _ in range(stored.itemsize)]

    def put(self, values: Tensor) -> None:
        """The next values (n,), on the CPU."""
        if not len(values):  # torch has no view of nothing
            return
        words = values.contiguous().view(torch.uint8).numpy().view(WORDS[self._stored.itemsize])
        if self._stored.is_floating_point:
            words = (words << 1) | (words >> (8 * self._stored.itemsize - 1))
        columns, end = words.view(np.uint8).reshape(len(words), -1), self._at + len(words)
        for place, plane in enumerate(self._planes):
            plane[self._at : end] = columns[:, place]
        self._at = end

    def pieces(self) -> Iterator[tuple[str, bytes]]:
        """Each piece's name and compressed bytes; gives the room of its values back as it goes."""
        for place in range(len(self._planes)):
            yield _name(self._stored, place), compressed(self._planes[place])
            self._planes[place] = np.empty(0, np.uint8)


class Reader:
    """Gives `count` values of the type `stored` back, in the order in which they were put."""

    def __init__(self, pieces: Mapping[str, memoryview], stored: torch.dtype, count: int) -> None:
        self._stored = stored
        self._planes = [Piece(pieces, _name(stored, place), count) for place in range(stored.itemsize)]

    def take(self, count: int) -> Tensor:
        """The next values (count,). ValueError where the stream is shorter, ZstdError where it is damaged."""
        width = len(self._planes)
        columns = np.empty((count, width), np.uint8)
        for place, plane in enumerate(self._planes):
            columns[:, place] = plane.take(count)
        words = columns.view(WORDS[width]).reshape(-1)
        if self._stored.is_floating_point:
            words = (words >> 1) | (words << (8 * width - 1))
        return torch.from_numpy(words.view(np.uint8)).view(self._stored)

    def end(self) -> None:
        """All values were taken: only now are the checksums known to be right. Errors as those of `take`."""
        for plane in self._planes:
            plane.end()


class Piece:
    """The bytes of one compressed piece; one that claims another size than `wanted` is refused before it is unpacked."""

    def __init__(self, pieces: Mapping[str, memoryview], name: str, wanted: int) -> None:
        size = zstandard.get_frame_parameters(pieces[name]).content_size
        if size != wanted:
            raise ValueError(f"{name}: a piece of {size} bytes where {wanted} belong")
        self._name, self._reader = name, zstandard.ZstdDecompressor().stream_reader(pieces[name])

    def take(self, count: int) -> np.ndarray:
        """The next bytes (count,) uint8."""
        out = np.empty(count, np.uint8)
        at = 0
        while at < count:
            got = self._reader.readinto(out[at:])
            if not got:
                raise ValueError(f"{self._name}: a piece that ends early")
            at += got
        return out

    def end(self) -> None:
        if self._reader.read(1):
            raise ValueError(f"{self._name}: a piece that does not end")


def compressed(data: np.ndarray) -> bytes:
    """Bytes (n,) uint8 as one frame with its size and a checksum."""
    return zstandard.ZstdCompressor(level=LEVEL, write_checksum=True).compress(data.data)


def _name(stored: torch.dtype, place: int) -> str:
    return f"{str(stored).removeprefix('torch.')}|{place}"
