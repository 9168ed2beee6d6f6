"""Packed files: bit for bit the same network, small, and refused when they are anything else."""

import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import zstandard
from safetensors.numpy import load, save

from prunescope.errors import PrunescopeError
from prunescope.evaluation import packing
from prunescope.evaluation.packing import pack, unpack
from prunescope.networks import checkpoint
from prunescope.networks.architectures import Architecture, build
from prunescope.networks.bits import Bits
from prunescope.networks.checkpoint import Checkpoint
from prunescope.networks.masks import apply_, ones, prunable
from prunescope.pruning.selection import keep_top

HERE = Path("here.packed")


def pruned(architecture: Architecture, sparsity: float = 0.8) -> Checkpoint:
    torch.manual_seed(0)
    network = build(architecture)
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.uniform_(-1, 1)  # type: ignore[union-attr]
    weights = prunable(network)
    keep = round(sum(weight.numel() for weight in weights.values()) * (1 - sparsity))
    masks = keep_top({name: weight.detach().abs() for name, weight in weights.items()}, ones(weights), keep) if sparsity else {}
    apply_(weights, masks)
    return Checkpoint("finetuned", architecture, network.state_dict(), Bits(masks), parents={"base": "1" * 64}, about={"seed": 3})


@pytest.fixture(scope="module")
def vgg() -> Checkpoint:
    return pruned(Architecture("vgg16_bn", 10, width=0.25))


def same(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> bool:
    """Bit for bit: -0 is not 0 here, and NaNs of the same bits are equal."""
    return list(a) == list(b) and all(
        x.dtype == b[n].dtype and x.numpy().tobytes() == b[n].numpy().tobytes() for n, x in a.items()
    )


def test_bit_for_bit_and_what_is_left_out(vgg: Checkpoint) -> None:
    state = {name: tensor.clone() for name, tensor in vgg.state.items()}
    mask = vgg.masks["features.0.weight"]
    kept = torch.tensor([-0.0, 0.0, 1e-45, -3e38, float("inf"), float("nan")])[: int(mask.sum())]
    state["features.0.weight"][mask] = torch.cat([kept, state["features.0.weight"][mask][len(kept) :]])
    odd = Checkpoint(vgg.kind, vgg.architecture, state, vgg.masks, {"momentum": torch.ones(3)}, {}, vgg.parents, vgg.about)
    with pytest.raises(PrunescopeError, match=r"features.0.weight that torch.float32 cannot hold"):
        pack(odd)
    state["features.0.weight"][mask] = state["features.0.weight"][mask].nan_to_num(1.0, 2.0, 3.0)
    back = unpack(pack(odd), HERE)
    assert same(back.state, state)
    assert same(back.masks.packed(), vgg.masks.packed())
    assert (back.kind, back.parents, back.about, back.architecture) == (odd.kind, odd.parents, odd.about, odd.architecture)
    assert not back.optimizer
    assert pack(back) == pack(odd), "the same network gives the same bytes"


@pytest.mark.parametrize("name", ["densenet169", "vgg16"])
def test_published_networks_shrink_as_much_as_promised(name: str) -> None:
    """At full width (DenseNet169; VGG16 at half width, 34 M weights): 5 times at 80 %, 9 times with 16 bit, 14 with 8."""
    found = pruned(Architecture(name, 100, width=1.0 if name == "densenet169" else 0.5))
    dense = sum(tensor.numel() * tensor.element_size() for tensor in found.state.values())
    sizes = {values: len(pack(found, values)) for values in packing.VALUES}
    assert dense / sizes["fp32"] > 5
    assert dense / sizes["bf16"] > 9
    assert dense / sizes["fp16"] > 9
    assert dense / sizes["int8"] > 14


@pytest.mark.parametrize("values, least", [("fp16", 2**-11), ("bf16", 2**-8)])
def test_sixteen_bits_round_the_weights_and_nothing_else(vgg: Checkpoint, values: str, least: float) -> None:
    back = unpack(pack(vgg, values), HERE)
    for name, tensor in vgg.state.items():
        if tensor.ndim > 1:
            assert torch.equal(back.state[name], tensor.to(packing.VALUES[values]).float())
            assert torch.allclose(back.state[name], tensor, rtol=least, atol=1e-7)
        else:
            assert torch.equal(back.state[name], tensor), name
    assert any(not torch.equal(back.state[name], tensor) for name, tensor in vgg.state.items()), "else nothing was rounded"


def test_a_dense_network_and_one_with_everything_pruned() -> None:
    architecture = Architecture("vgg11", 5, width=0.125)
    dense = pruned(architecture, 0)
    assert same(unpack(pack(dense), HERE).state, dense.state)
    weights = {name: torch.zeros_like(tensor, dtype=torch.bool) for name, tensor in prunable(build(architecture)).items()}
    state = {name: torch.zeros_like(tensor) if name in weights else tensor for name, tensor in dense.state.items()}
    empty = Checkpoint("pruned", architecture, state, Bits(weights))
    assert same(unpack(pack(empty), HERE).state, state)


def test_a_weight_too_large_for_fp16(vgg: Checkpoint) -> None:
    state = {name: tensor.clone() for name, tensor in vgg.state.items()}
    state["features.0.weight"][vgg.masks["features.0.weight"]] = 7e4
    big = Checkpoint(vgg.kind, vgg.architecture, state, vgg.masks)
    with pytest.raises(PrunescopeError, match="use bf16 or fp32"):
        pack(big, "fp16")
    assert bool(unpack(pack(big, "bf16"), HERE).state["features.0.weight"].isfinite().all())


def tampered(data: bytes, pieces: dict[str, np.ndarray], **about: object) -> bytes:
    header = packing._opened(data)[0] | about
    return save(load(data) | pieces, metadata={"prunescope-packed": json.dumps(header)})


def claiming(content: bytes, size: int) -> np.ndarray:
    """A frame of `content` whose header says that `size` bytes are in it: four bytes after magic, descriptor and window."""
    frame = bytearray(zstandard.ZstdCompressor(level=3, write_checksum=True).compress(content))
    real, at = len(content).to_bytes(4, "little"), 5 if frame[4] & 0x20 else 6
    assert frame[at : at + 4] == real
    frame[at : at + 4] = size.to_bytes(4, "little")
    return np.frombuffer(bytes(frame), np.uint8)


def test_anything_else_is_refused(vgg: Checkpoint) -> None:
    data = pack(vgg)
    bomb = np.frombuffer(zstandard.ZstdCompressor().compress(bytes(1 << 26)), np.uint8)
    streamed = zstandard.ZstdCompressor().compressobj()  # a frame that does not say how large it is
    unknown = np.frombuffer(streamed.compress(b"x" * 100) + streamed.flush(), np.uint8)
    torn, summed = load(data)["float32|3"].copy(), load(data)["float32|3"].copy()
    torn[len(torn) // 2 :] ^= 255
    summed[-1] ^= 1  # of the checksum alone
    masks = zstandard.ZstdDecompressor().decompress(load(data)["masks"].tobytes())
    missing = save({name: piece for name, piece in load(data).items() if name != "masks"},
                   metadata={"prunescope-packed": json.dumps(packing._opened(data)[0])})  # fmt: skip
    bad = {
        "empty": b"", "short": data[:100], "cut": data[:-1], "text": b"a" * 500, "missing": missing,
        "list": bytes([2, *[0] * 7]) + b"[]", "number": bytes([1, *[0] * 7]) + b"1", "word": bytes([3, *[0] * 7]) + b'"a"',
        "bomb": tampered(data, {"masks": bomb}), "unknown": tampered(data, {"masks": unknown}),
        "torn": tampered(data, {"float32|3": torn}), "checksum": tampered(data, {"float32|3": summed}),
        "fewer": tampered(data, {"masks": claiming(masks[:-1], len(masks))}),
        "more": tampered(data, {"masks": claiming(masks + b"1", len(masks))}),
        "longer": data + b"1", "hole": data.replace(b"[0,", b"[1,", 1), "values": tampered(data, {}, values="int4"),
        "tall": tampered(data, {}, architecture=vgg.architecture.as_dict() | {"width": 8.0}),
    }  # fmt: skip
    for name, content in bad.items():
        with pytest.raises(PrunescopeError, match=r"here.packed is no whole packed file"):
            unpack(content, HERE)
            pytest.fail(name)


def test_the_command(vgg: Checkpoint, tmp_path: Path) -> None:
    """Packing and unpacking a checkpoint file gives the same file; a wrong path is one line and exit 1."""

    def command(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([sys.executable, "-m", "prunescope", *arguments], cwd=tmp_path, capture_output=True, text=True)

    checkpoint.write(tmp_path / "a.safetensors", vgg)
    made = command("pack", "a.safetensors", "a.packed")
    assert made.returncode == 0, made.stderr
    size = (tmp_path / "a.packed").stat().st_size
    assert f"{size:,} bytes" in made.stdout
    assert command("unpack", "a.packed", "b.safetensors").returncode == 0
    assert (tmp_path / "a.safetensors").read_bytes() == (tmp_path / "b.safetensors").read_bytes()
    wrong = command("unpack", "nothing.packed", "c.safetensors")
    assert (wrong.returncode, wrong.stderr.count("\n")) == (1, 1)
    assert "no packed file at nothing.packed" in wrong.stderr
    assert not (tmp_path / "c.safetensors").exists()


def test_the_commands_of_the_documentation(vgg: Checkpoint, tmp_path: Path) -> None:
    """As typed, with the console script's function in place of the script."""
    page = (Path(__file__).parents[2] / "docs/internals.md").read_text(encoding="utf-8")
    commands = [shlex.split(line) for line in page.splitlines() if re.match(r"prunescope (pack|unpack) ", line)]
    assert [command[1] for command in commands] == ["pack", "unpack"]
    source = tmp_path / commands[0][2]
    checkpoint.write(source, vgg)
    for command in commands:
        subprocess.run([sys.executable, "-m", *command], cwd=tmp_path, check=True)
    assert (tmp_path / commands[1][3]).read_bytes() == source.read_bytes()
