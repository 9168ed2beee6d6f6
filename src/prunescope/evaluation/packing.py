"""A pruned network as a file that really shrinks: one bit a weight, the values of those that are left, entropy coded.

Lossless with values in fp32: the weights come back bit for bit. Zeros that follow no pattern bring storage, not latency.

The file is a safetensors file of byte strings, each compressed with Zstandard, and a JSON header; nothing in it can execute.
Tensors follow each other in the order of the architecture's state dict: `masks` holds the bits of those that were pruned, and
`float32|0` to `float32|3` the bytes of all values of that type by significance, the lowest first. A float's sign is turned to
the lowest bit, so that the exponents, which are much alike, fill bytes of their own.
"""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import torch
import zstandard
from safetensors import SafetensorError
from safetensors.numpy import load, save
from torch import Tensor

from prunescope.errors import PrunescopeError
from prunescope.networks.architectures import Architecture, skeleton
from prunescope.networks.bits import Bits
from prunescope.networks.checkpoint import Checkpoint

FORMAT = 1
VALUES = {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}
LEVEL = 3  # of Zstandard; higher ones find hardly more in random mantissas (15: 1 %)
WORDS = {1: np.uint8, 2: np.uint16, 4: np.uint32, 8: np.uint64}


def pack(checkpoint: Checkpoint, values: str = "fp32") -> bytes:
    """The network of a checkpoint as a packed file; what training goes on from (an optimizer's state) is left out.

    values: how weights of two or more dimensions are stored: fp32 (lossless), fp16 or bf16 (rounded). Biases and batch-norm
        statistics always stay as they are. PrunescopeError where a weight is not finite, or too large for fp16.
    """
    wanted, bits = skeleton(checkpoint.architecture), checkpoint.masks.packed()
    masked = [name for name in wanted if name in bits]
    streams: dict[torch.dtype, list[Tensor]] = {}
    for name, like in wanted.items():
        kept = checkpoint.state[name].reshape(-1)
        if name in bits:
            kept = kept[checkpoint.masks[name].reshape(-1)]
        stored = _stored(like, values)
        rounded = kept.to(stored)
        if stored.is_floating_point and not bool(rounded.isfinite().all()):
            raise PrunescopeError(f"found values in {name} that {stored} cannot hold; wanted finite ones: use bf16 or fp32")
        streams.setdefault(stored, []).append(rounded)
    pieces = {
        f"{str(stored).removeprefix('torch.')}|{place}": plane
        for stored, parts in streams.items()
        for place, plane in enumerate(_planes(torch.cat(parts)))
    }
    if masked:
        pieces["masks"] = np.concatenate([bits[name].numpy() for name in masked])
    header = {
        "format": FORMAT,
        "values": values,
        "masked": masked,
        "kind": checkpoint.kind,
        "architecture": checkpoint.architecture.as_dict(),
        "parents": checkpoint.parents,
        "about": checkpoint.about,
    }
    compressed = {name: _compressed(piece) for name, piece in pieces.items()}
    return save(compressed, metadata={"prunescope-packed": json.dumps(header, sort_keys=True)})


def unpack(data: bytes, path: Path) -> Checkpoint:
    """The checkpoint in the bytes of a packed file, its weights in float32 again; `path` is for messages.

    PrunescopeError for anything that is not a whole packed file of a network that can be built.
    """
    try:
        header = _header(data)
        architecture, values, masked = Architecture(**header["architecture"]), header["values"], set(header["masked"])
        wanted, pieces = skeleton(architecture), load(data)  # a piece may only be as large as the network has room for
        lengths = {name: math.ceil(like.numel() / 8) for name, like in wanted.items() if name in masked}
        bits = iter(np.split(_bytes(pieces, "masks", sum(lengths.values())), np.cumsum(list(lengths.values()))) if masked else ())
        shapes = {name: like.shape for name, like in wanted.items()}
        masks = Bits.from_packed({name: torch.from_numpy(next(bits)) for name in lengths}, shapes)
        kept = {name: int(masks[name].sum()) if name in masks else like.numel() for name, like in wanted.items()}
        counts: dict[torch.dtype, int] = {}
        for name, like in wanted.items():
            counts[_stored(like, values)] = counts.get(_stored(like, values), 0) + kept[name]
        streams = {stored: _joined(pieces, stored, count) for stored, count in counts.items()}
        state = {}
        for name, like in wanted.items():
            stored = _stored(like, values)
            mine, streams[stored] = streams[stored][: kept[name]], streams[stored][kept[name] :]
            state[name] = torch.zeros(like.shape, dtype=like.dtype)
            where = masks[name] if name in masks else torch.ones(like.shape, dtype=torch.bool)
            state[name][where] = mine.to(like.dtype)
        return Checkpoint(header["kind"], architecture, state, masks, parents=header["parents"], about=header["about"])
    except (SafetensorError, zstandard.ZstdError, KeyError, TypeError, ValueError, RuntimeError) as error:
        raise PrunescopeError(
            f"{path} is no whole packed file of format {FORMAT} ({error}); pack its checkpoint again"
        ) from error


def _header(data: bytes) -> dict[str, Any]:
    length = int.from_bytes(data[:8], "little")
    header = json.loads(json.loads(data[8 : 8 + length])["__metadata__"]["prunescope-packed"])
    if header["format"] != FORMAT:
        raise ValueError(f"format {header['format']!r}")
    return header


def _stored(like: Tensor, values: str) -> torch.dtype:
    return VALUES[values] if like.ndim > 1 and like.dtype == torch.float32 else like.dtype


def _planes(values: Tensor) -> list[np.ndarray]:
    """Bytes of values (n,) by significance, the lowest first, each (n,) uint8; the sign turned to the lowest bit of floats."""
    width = values.element_size()
    words = values.contiguous().view(torch.uint8).numpy().view(WORDS[width])
    if values.is_floating_point():
        words = (words << words.dtype.type(1)) | (words >> words.dtype.type(8 * width - 1))
    return [(words >> words.dtype.type(8 * place)).astype(np.uint8) for place in range(width)]


def _joined(pieces: dict[str, np.ndarray], stored: torch.dtype, count: int) -> Tensor:
    """The reverse of `_planes`."""
    width, kind = stored.itemsize, WORDS[stored.itemsize]
    words = np.zeros(count, dtype=kind)
    for place in range(width):
        words |= _bytes(pieces, f"{str(stored).removeprefix('torch.')}|{place}", count).astype(kind) << kind(8 * place)
    if stored.is_floating_point:
        words = (words >> kind(1)) | (words << kind(8 * width - 1))
    return torch.from_numpy(words.view(np.uint8)).view(stored)


def _compressed(data: np.ndarray) -> np.ndarray:
    return np.frombuffer(zstandard.ZstdCompressor(level=LEVEL, write_checksum=True).compress(data.tobytes()), np.uint8)


def _bytes(pieces: dict[str, np.ndarray], name: str, wanted: int) -> np.ndarray:
    """Exactly `wanted` bytes; a piece that claims another size is refused before it is unpacked."""
    raw = pieces[name].tobytes()
    size = zstandard.get_frame_parameters(raw).content_size
    if size != wanted:
        raise ValueError(f"{name}: a piece of {size} bytes where {wanted} belong")
    return np.frombuffer(bytearray(zstandard.ZstdDecompressor().decompress(raw)), np.uint8)
