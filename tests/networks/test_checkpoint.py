"""Checkpoints: what is written is read bit for bit, the same content is the same bytes, and nothing broken is trusted."""

import json
import pickle
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save, save_file
from torch import Tensor

from prunescope.errors import PrunescopeError
from prunescope.networks.architectures import Architecture, build
from prunescope.networks.bits import Bits
from prunescope.networks.checkpoint import KINDS, Checkpoint, read, sha256, write
from prunescope.networks.masks import apply_, ones, prunable
from prunescope.pruning.selection import keep_top

ARCHITECTURE = Architecture("densenet121", 3, width=0.04, stem="cifar")


@pytest.fixture(scope="module")
def dense() -> Checkpoint:
    torch.manual_seed(0)
    network = build(ARCHITECTURE)
    network(torch.randn(4, 3, 32, 32))  # so that batch norm has statistics
    return Checkpoint("dense", ARCHITECTURE, network.state_dict(), about={"stage": "pretrain", "seed": 0})


@pytest.fixture(scope="module")
def pruned(dense) -> Checkpoint:
    network = dense.network()
    weights = prunable(network, ["features.conv0"])
    masks = keep_top({name: weight.detach() for name, weight in weights.items()}, ones(weights), 1234)
    apply_(weights, masks)
    about = {"stage": "prune", "sparsity": 0.8, "layers": ["ü", None]}
    return Checkpoint(
        "pruned", ARCHITECTURE, network.state_dict(), Bits(masks), {"momentum:0": torch.randn(3)},
        {"features.norm0.running_mean": torch.randn_like(network.get_buffer("features.norm0.running_mean"))},
        {"base": "0" * 64}, about,
    )  # fmt: skip


def same_bits(a: Mapping[str, Tensor], b: Mapping[str, Tensor]) -> bool:
    def bits(tensor: Tensor) -> bytes:
        return tensor.contiguous().numpy().tobytes()

    return set(a) == set(b) and all((a[n].dtype, a[n].shape, bits(a[n])) == (b[n].dtype, b[n].shape, bits(b[n])) for n in a)


def test_what_is_written_is_read_bit_for_bit(tmp_path, dense, pruned) -> None:
    for checkpoint in (dense, pruned):
        digest = write(tmp_path / "folder" / "a.safetensors", checkpoint)
        assert digest == sha256(tmp_path / "folder" / "a.safetensors")
        found = read(tmp_path / "folder" / "a.safetensors")
        assert same_bits(found.state, checkpoint.state)
        assert same_bits(found.masks, checkpoint.masks)
        assert same_bits(found.optimizer, checkpoint.optimizer)
        assert same_bits(found.reestimated, checkpoint.reestimated)
        tensors = {"state": {}, "masks": Bits(), "optimizer": {}, "reestimated": {}}
        assert replace(found, **tensors) == replace(checkpoint, **tensors)
        assert list(found.architecture.as_dict()) == ["name", "classes", "width", "stem", "head"]
    assert sum(int(mask.sum()) for mask in read(tmp_path / "folder" / "a.safetensors").masks.values()) == 1234


def test_reestimated_statistics_are_taken_on_demand(pruned) -> None:
    name = "features.norm0.running_mean"
    assert torch.equal(pruned.network().state_dict()[name], pruned.state[name])
    assert torch.equal(pruned.network(reestimated=True).state_dict()[name], pruned.reestimated[name])


def test_the_network_that_is_built_again_computes_the_same(tmp_path, pruned) -> None:
    original = pruned.network().eval()
    write(tmp_path / "a", pruned)
    images = torch.randn(3, 3, 32, 32)
    with torch.inference_mode():
        assert torch.equal(read(tmp_path / "a").network().eval()(images), original(images))


def test_the_same_content_gives_the_same_bytes(tmp_path, pruned) -> None:
    digest = write(tmp_path / "a", pruned)
    reordered = replace(
        pruned,
        state=dict(reversed(pruned.state.items())),
        masks=Bits({name: pruned.masks[name] for name in reversed(list(pruned.masks))}),
        about=dict(reversed(pruned.about.items())),
    )
    assert write(tmp_path / "b", reordered) == digest
    assert write(tmp_path / "c", read(tmp_path / "a")) == digest
    channels_last = {
        name: tensor.to(memory_format=torch.channels_last) if tensor.dim() == 4 else tensor
        for name, tensor in pruned.state.items()
    }
    assert write(tmp_path / "d", replace(pruned, state=channels_last)) == digest
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes() == (tmp_path / "d").read_bytes()


def test_masks_take_one_bit_a_weight(tmp_path, dense, pruned) -> None:
    write(tmp_path / "a", pruned)
    with safe_open(tmp_path / "a", framework="pt") as file:
        stored = {name: file.get_tensor(name).numel() for name in file.keys() if name.startswith("mask:")}  # noqa: SIM118
    assert stored == {f"mask:{name}": (mask.numel() + 7) // 8 for name, mask in pruned.masks.items()}
    assert len(stored) > 100


def test_revived_weights_are_refused_when_writing_and_when_reading(tmp_path, pruned) -> None:
    write(tmp_path / "good", pruned)
    before = (tmp_path / "good").read_bytes()
    name = next(name for name, mask in pruned.masks.items() if (~mask).sum() >= 2)
    for value in (1e-30, float("nan")):
        state = {key: tensor.clone() for key, tensor in pruned.state.items()}
        places = (~pruned.masks[name]).reshape(-1).nonzero().squeeze(1)[:2]
        state[name].view(-1)[places] = value
        with pytest.raises(PrunescopeError, match=f"2 removed weights of {re.escape(name)} are not zero"):
            write(tmp_path / "good", replace(pruned, state=state))
        assert (tmp_path / "good").read_bytes() == before, "a refused checkpoint replaced a good one"

        with safe_open(tmp_path / "good", framework="pt") as file:
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
            metadata = file.metadata()
        save_file(tensors | {name: state[name]}, tmp_path / "revived", metadata)
        with pytest.raises(PrunescopeError, match="revived: 2 removed weights"):
            read(tmp_path / "revived")
    assert [path.name for path in tmp_path.iterdir() if path.name.endswith(".part")] == []


def test_minus_zero_counts_as_removed(tmp_path, pruned) -> None:
    name = next(name for name, mask in pruned.masks.items() if not mask.all())
    state = pruned.state | {name: torch.where(pruned.masks[name], pruned.state[name], -0.0)}
    write(tmp_path / "a", replace(pruned, state=state))
    assert same_bits(read(tmp_path / "a").state, state)


class Evil:
    def __reduce__(self):
        return Path.touch, (Path("executed"),)


def header(**changes) -> dict[str, str]:
    good = {"format": 1, "kind": "dense", "architecture": ARCHITECTURE.as_dict(), "parents": {}, "about": {}}
    return {"prunescope": json.dumps(good | changes)}


ONE = {"a": torch.ones(3)}
BROKEN = {
    "empty": (b"", "not a whole safetensors file"),
    "text": (b"hello, this is no checkpoint at all", "not a whole safetensors file"),
    "pickle": (pickle.dumps({"state": Evil()}), "not a whole safetensors file"),
    "no header": (save(ONE), "no prunescope checkpoint of format 1"),
    "another header": (save(ONE, {"prunescope": "[]"}), "no prunescope checkpoint of format 1"),
    "header of no JSON": (save(ONE, {"prunescope": "{"}), "not a whole safetensors file"),
    "another format": (save(ONE, header(format=2)), "no prunescope checkpoint of format 1"),
    "another kind": (save(ONE, header(kind="sparse")), f"unknown checkpoint kind 'sparse'; known: {', '.join(KINDS)}"),
}
HALF_HEADERS = {
    "no kind": save(ONE, {"prunescope": '{"format": 1}'}),
    "an architecture of other fields": save(ONE, header(architecture={"name": "vgg11", "depth": 11})),
    "a mask without its weight": save(ONE | {"mask:b": torch.ones(1, dtype=torch.uint8)}, header()),
    "a mask too short for its weight": save({"a": torch.zeros(20), "mask:a": torch.ones(1, dtype=torch.uint8)}, header()),
}


@pytest.mark.parametrize("case", sorted(BROKEN))
def test_what_is_no_checkpoint_is_refused_by_name(tmp_path, monkeypatch, case) -> None:
    monkeypatch.chdir(tmp_path)
    data, message = BROKEN[case]
    Path("broken.safetensors").write_bytes(data)
    with pytest.raises(PrunescopeError) as error:
        read(Path("broken.safetensors"))
    assert "broken.safetensors" in str(error.value) and message in str(error.value)
    assert not Path("executed").exists()


@pytest.mark.parametrize("case", sorted(HALF_HEADERS))
def test_a_checkpoint_with_half_its_content_is_refused_by_name(tmp_path, case) -> None:
    (tmp_path / "broken.safetensors").write_bytes(HALF_HEADERS[case])
    with pytest.raises(PrunescopeError, match=r"broken\.safetensors"):
        read(tmp_path / "broken.safetensors")


def test_every_truncation_is_refused(tmp_path, pruned) -> None:
    write(tmp_path / "whole", pruned)
    data = (tmp_path / "whole").read_bytes()
    cuts = sorted({*range(20), *range(20, len(data), len(data) // 40), len(data) - 1})
    for cut in cuts:
        (tmp_path / "cut").write_bytes(data[:cut])
        with pytest.raises(PrunescopeError, match="cut is not a whole safetensors file"):
            read(tmp_path / "cut")
    assert len(cuts) >= 60


def test_a_missing_checkpoint_names_its_file(tmp_path) -> None:
    with pytest.raises(PrunescopeError, match=r"no checkpoint at .*nowhere; run the stage"):
        read(tmp_path / "nowhere")


def test_an_unknown_kind_is_not_written(tmp_path, dense) -> None:
    with pytest.raises(PrunescopeError, match="unknown checkpoint kind 'sparse'"):
        write(tmp_path / "a", replace(dense, kind="sparse"))
    assert list(tmp_path.iterdir()) == []
