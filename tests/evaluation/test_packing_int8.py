"""Packed files with int8: within half a step of each row's scale, zeros exact, and small."""

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import load
from test_packing import HERE, pruned, same, tampered

from prunescope.errors import PrunescopeError
from prunescope.evaluation.packing import pack, unpack
from prunescope.evaluation.streams import Reader, Writer, compressed
from prunescope.networks.architectures import Architecture
from prunescope.networks.checkpoint import Checkpoint


@pytest.fixture(scope="module")
def vgg() -> Checkpoint:
    return pruned(Architecture("vgg16_bn", 10, width=0.125, head="compact"))


def changed(found: Checkpoint, name: str, rows: torch.Tensor) -> Checkpoint:
    """With the first rows of a tensor, where it is kept, as in `rows`."""
    weight = found.state[name].clone()
    weight[: len(rows)] = rows * found.masks[name][: len(rows)]
    return Checkpoint(
        found.kind, found.architecture, found.state | {name: weight}, found.masks, {}, {}, found.parents, found.about
    )


def steps(weight: torch.Tensor) -> torch.Tensor:
    """Of each row 1/127 of its largest weight, in the shape of the weight."""
    step = weight.double().reshape(len(weight), -1).abs().amax(1) / 127
    return step.reshape(-1, *[1] * (weight.ndim - 1)).expand_as(weight)


def test_half_a_step_of_each_row_and_nothing_else(vgg: Checkpoint) -> None:
    back = unpack(pack(vgg, "int8"), HERE)
    assert same(back.masks.packed(), vgg.masks.packed())
    assert (back.kind, back.parents, back.about, back.architecture) == (
        vgg.kind,
        vgg.parents,
        vgg.about | {"values": "int8"},
        vgg.architecture,
    )
    farthest = 0.0
    for name, tensor in vgg.state.items():
        if tensor.ndim > 1:
            off = ((back.state[name].double() - tensor.double()).abs() / steps(tensor).clamp(min=1e-30)).amax().item()
            assert off < 0.5001, name
            farthest = max(farthest, off)
            assert not back.state[name][~vgg.masks[name]].any(), "removed weights stay zero"
            assert len(back.state[name][0].unique()) <= 255
        else:
            assert torch.equal(back.state[name], tensor), f"{name}: biases and statistics stay as they are"
    assert farthest > 0.45, "else it was no rounding to whole steps"


def test_a_dense_network() -> None:
    dense = pruned(Architecture("vgg11", 5, width=0.125, head="compact"), 0)
    back = unpack(pack(dense, "int8"), HERE)
    for name in (name for name, tensor in dense.state.items() if tensor.ndim > 1):
        assert bool(((back.state[name] - dense.state[name]).abs() <= 0.5001 * steps(dense.state[name])).all()), name


def test_packing_again_gives_the_same_weights(vgg: Checkpoint) -> None:
    """A whole number of steps is that number again: the largest weight of a row is 127 of them."""
    once = unpack(pack(vgg, "int8"), HERE)
    again = unpack(pack(once, "int8"), HERE)
    for name, tensor in once.state.items():
        assert torch.allclose(again.state[name], tensor, rtol=1e-6, atol=0), name


def test_rows_of_zeros_and_of_tiny_and_huge_weights(vgg: Checkpoint) -> None:
    name = "features.0.weight"
    rows = torch.ones_like(vgg.state[name][:4])
    for row, size in enumerate((0.0, 1e-45, 1e-38, 3.4e38)):
        rows[row] *= size
    odd = changed(vgg, name, rows)
    back = unpack(pack(odd, "int8"), HERE).state[name]
    assert bool(back.isfinite().all())
    assert not back[0].any()
    assert not back[1:3].any() or float((back[1:3] - odd.state[name][1:3]).abs().max()) < 1e-38, "less than a float holds in full"
    assert torch.allclose(back[3], odd.state[name][3], rtol=1e-6)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_weights_that_are_not_finite(vgg: Checkpoint, value: float) -> None:
    name = "features.0.weight"
    bad = {key: tensor.clone() for key, tensor in vgg.state.items()}
    bad[name][vgg.masks[name]] = value
    with pytest.raises(PrunescopeError, match=r"found values in features.0.weight that torch.int8 cannot hold; wanted finite"):
        pack(Checkpoint(vgg.kind, vgg.architecture, bad, vgg.masks), "int8")


def test_hostile_scales_are_refused(vgg: Checkpoint) -> None:
    """Infinity times zero is no zero: removed weights would come back as NaN."""
    data = pack(vgg, "int8")
    pieces = {name: memoryview(piece.tobytes()) for name, piece in load(data).items()}
    count = sum(len(t) if t.ndim > 1 else t.numel() for t in vgg.state.values() if t.dtype == torch.float32)
    floats = Reader(pieces, torch.float32, count).take(count)
    assert bool(floats.isfinite().all())
    floats[0] = float("inf")  # the first tensor is a weight, and its first scale comes first
    writer = Writer(torch.float32, count)
    writer.put(floats)
    bad = {name: np.frombuffer(piece, np.uint8) for name, piece in writer.pieces()}
    assert bad.keys() == {f"float32|{place}" for place in range(4)}
    with pytest.raises(PrunescopeError, match="scales that are not finite"):
        unpack(tampered(data, bad), HERE)
    short = compressed(np.zeros(7, np.uint8))
    with pytest.raises(PrunescopeError, match=r"int8\|0: a piece of 7 bytes where \d+ belong"):
        unpack(tampered(data, {"int8|0": np.frombuffer(short, np.uint8)}), Path("here.packed"))
