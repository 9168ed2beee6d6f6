"""A pruned network as a file that really shrinks: one bit a weight, the values of those that are left, entropy coded.

Lossless with values in fp32: the weights come back bit for bit. Zeros that follow no pattern bring storage, not latency.

The file is a safetensors file of byte strings, each compressed with Zstandard, and a JSON header; nothing in it can execute.
Tensors follow each other in the order of the architecture's state dict: `masks` holds the bits of those that were pruned, and
streams.py says how values lie. Of int8, the stream of float32 has a tensor's scales where its values would be.
"""

import json
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
import zstandard
from safetensors import SafetensorError
from safetensors.numpy import save
from torch import Tensor

from prunescope.errors import PrunescopeError
from prunescope.evaluation.streams import PART, Piece, Reader, Writer, compressed
from prunescope.networks.architectures import Architecture, skeleton
from prunescope.networks.bits import Bits
from prunescope.networks.checkpoint import Checkpoint
from prunescope.networks.inputs import Inputs

FORMAT, KEY = 1, "prunescope-packed"
VALUES = {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16, "int8": torch.int8}


def pack(checkpoint: Checkpoint, values: str = "fp32") -> bytes:
    """The network of a checkpoint as a packed file; what training goes on from (an optimizer's state) is left out.

    values: how weights of two or more dimensions are stored: fp32 (lossless), fp16 or bf16 (rounded), or int8 (whole steps from
        -127 to 127 of 1/127 of the largest weight of each row, that is of each output channel, with a scale a row). Biases and
        batch-norm statistics always stay as they are. PrunescopeError where a weight is not finite, or too large for fp16.
    """
    wanted = skeleton(checkpoint.architecture)
    bits = {name: packed.numpy() for name, packed in checkpoint.masks.packed().items()}
    streams = {stored: Writer(stored, count) for stored, count in _counts(wanted, bits, values).items()}
    for name, like in wanted.items():
        stored, flat = _stored(like, values), checkpoint.state[name].detach().cpu().reshape(-1).numpy()
        scales = np.empty(0)
        if stored == torch.int8:
            scales = _scales(name, flat.reshape(len(like), -1))
            streams[torch.float32].put(torch.from_numpy(scales))
        for first, last, where in _parts(like.numel(), bits.get(name)):
            kept = flat[first:last][where]
            if stored == torch.int8:
                row = np.arange(first, last)[where] // (like.numel() // len(like))
                kept = np.rint(kept / scales[row])
            rounded = torch.from_numpy(kept).to(stored)
            if stored.is_floating_point and not bool(rounded.isfinite().all()):
                raise _unfit(name, stored)
            streams[stored].put(rounded)
    pieces = dict(piece for stream in streams.values() for piece in stream.pieces())
    masked = [name for name in wanted if name in bits]
    if masked:
        pieces["masks"] = compressed(np.concatenate([bits[name] for name in masked]))
    header = {
        "format": FORMAT,
        "values": values,
        "masked": masked,
        "kind": checkpoint.kind,
        "architecture": checkpoint.architecture.as_dict(),
        "parents": checkpoint.parents,
        "about": {key: value for key, value in checkpoint.about.items() if key != "values" or values == "fp32"},
    } | ({"inputs": checkpoint.inputs.as_dict()} if checkpoint.inputs else {})
    arrays = {name: np.frombuffer(piece, np.uint8) for name, piece in pieces.items()}
    return save(arrays, metadata={KEY: json.dumps(header, sort_keys=True)})


def unpack(data: bytes, path: Path) -> Checkpoint:
    """The checkpoint in the bytes of a packed file, its weights in float32 again; `path` is for messages.

    Beside the file's bytes and the network it needs a few MB. PrunescopeError for anything that is not a whole packed file of a
    network that can be built.
    """
    try:
        header, pieces = _opened(data)
        architecture, values, masked = Architecture(**header["architecture"]), header["values"], set(header["masked"])
        wanted = skeleton(architecture)  # a piece may only be as large as the network has room for
        bits = _masks(pieces, {name: math.ceil(like.numel() / 8) for name, like in wanted.items() if name in masked})
        counts = _counts(wanted, bits, values)
        streams = {stored: Reader(pieces, stored, count) for stored, count in counts.items()}
        state = {name: _read(like, bits.get(name), _stored(like, values), streams) for name, like in wanted.items()}
        for stream in streams.values():
            stream.end()
        masks = Bits.from_packed(
            {name: torch.from_numpy(packed) for name, packed in bits.items()}, {name: like.shape for name, like in wanted.items()}
        )
        inputs = Inputs.from_header(header["inputs"]) if "inputs" in header else None
        about, parents = header["about"], header["parents"]
        about |= {"values": values} if values != "fp32" else {}  # a rounded network is another one, whatever its header says
        return Checkpoint(header["kind"], architecture, state, masks, parents=parents, about=about, inputs=inputs)
    except (SafetensorError, zstandard.ZstdError, KeyError, TypeError, ValueError, RuntimeError, PrunescopeError) as error:
        raise PrunescopeError(
            f"{path} is no whole packed file of format {FORMAT} ({error}); pack its checkpoint again"
        ) from error


def _opened(data: bytes) -> tuple[dict[str, Any], dict[str, memoryview]]:
    """Our header and each piece where it lies in `data`, uncopied; ValueError where pieces do not fill the file exactly."""
    start = 8 + int.from_bytes(data[:8], "little")
    listed = json.loads(data[8:start])
    header = json.loads(listed["__metadata__"][KEY])
    if header["format"] != FORMAT:
        raise ValueError(f"format {header['format']!r}")
    pieces, end = {}, 0
    of_pieces = ((name, one) for name, one in listed.items() if name != "__metadata__")
    for name, one in sorted(of_pieces, key=lambda piece: piece[1]["data_offsets"]):
        first, last = one["data_offsets"]
        if not end == first <= last or one["dtype"] != "U8" or one["shape"] != [last - first]:
            raise ValueError(f"{name}: a piece that does not follow the one before it")
        pieces[name], end = memoryview(data)[start + first : start + last], last
    if start + end != len(data):
        raise ValueError(f"{len(data)} bytes where {start + end} belong")
    return header, pieces


def _masks(pieces: Mapping[str, memoryview], lengths: Mapping[str, int]) -> dict[str, np.ndarray]:
    """Bits by the weight's name, each of its length in bytes."""
    if not lengths:
        return {}
    piece = Piece(pieces, "masks", sum(lengths.values()))
    bits = {name: piece.take(length) for name, length in lengths.items()}
    piece.end()
    return bits


def _read(like: Tensor, bits: np.ndarray | None, stored: torch.dtype, streams: Mapping[torch.dtype, Reader]) -> Tensor:
    """The next tensor of the streams, zero where its bits are."""
    flat = np.zeros(like.numel(), torch.empty(0, dtype=like.dtype).numpy().dtype)  # not torch's: numpy's is in huge pages, 0.2 s
    scales = streams[torch.float32].take(len(like)) if stored == torch.int8 else None
    for first, last, where in _parts(like.numel(), bits):
        count = last - first if isinstance(where, slice) else len(where)
        flat[first:last][where] = streams[stored].take(count).to(like.dtype).numpy()
    found = torch.from_numpy(flat).view(like.shape)
    if scales is not None:
        if not bool(scales.isfinite().all()):
            raise ValueError("scales that are not finite")
        found.view(len(like), -1).mul_(scales[:, None])
    return found


def _counts(wanted: Mapping[str, Tensor], bits: Mapping[str, np.ndarray], values: str) -> dict[torch.dtype, int]:
    """How many values each stream holds."""
    counts: dict[torch.dtype, int] = {}
    for name, like in wanted.items():
        stored = _stored(like, values)
        if stored == torch.int8:
            counts[torch.float32] = counts.get(torch.float32, 0) + len(like)
        kept = like.numel() if name not in bits else sum(len(where) for _, _, where in _parts(like.numel(), bits[name]))
        counts[stored] = counts.get(stored, 0) + kept
    return counts


def _parts(count: int, bits: np.ndarray | None) -> Iterator[tuple[int, int, Any]]:
    """(first, last, where) of each part of a flat tensor: `where` says which of its values are kept, all without bits."""
    for first in range(0, count, PART):
        last = min(first + PART, count)
        if bits is None:
            yield first, last, slice(None)
        else:  # positions: to fill by them takes a fifth of the time that a boolean mask does
            yield first, last, np.flatnonzero(np.unpackbits(bits[first // 8 : -(-last // 8)], count=last - first).view(np.bool_))


def _scales(name: str, rows: np.ndarray) -> np.ndarray:
    """The step of each row (n, weights), (n,) float32; of one without a weight some step, so that nothing is divided by zero."""
    largest = np.maximum(rows.max(1), -rows.min(1))
    if not np.isfinite(largest).all():
        raise _unfit(name, torch.int8)
    return np.maximum(largest / np.float32(127), np.finfo(np.float32).tiny)


def _stored(like: Tensor, values: str) -> torch.dtype:
    return VALUES[values] if like.ndim > 1 and like.dtype == torch.float32 else like.dtype


def _unfit(name: str, stored: torch.dtype) -> PrunescopeError:
    hint = "use bf16 or fp32" if stored.itemsize == 2 else "look why training gave others"
    return PrunescopeError(f"found values in {name} that {stored} cannot hold; wanted finite ones: {hint}")
