"""Files of weights as people have them: wrapped, prefixed, pruned; and files that are none."""

import argparse
import pickle
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn.utils import prune

from prunescope.errors import PrunescopeError
from prunescope.evaluation import packing
from prunescope.networks import checkpoint
from prunescope.networks.architectures import Architecture, build
from prunescope.networks.bits import Bits
from prunescope.pretrained.fitting import fit
from prunescope.pretrained.reading import read

PLAIN = {"a.weight": torch.arange(6.0).view(2, 3), "a.bias": torch.tensor([1.0, -1.0])}
TINY = Architecture("squeezenet1_1", 7)


def same(found: dict[str, Tensor], wanted: dict[str, Tensor] = PLAIN) -> bool:
    return found.keys() == wanted.keys() and all(torch.equal(found[name], wanted[name]) for name in wanted)


def refusal(path: Path) -> str:
    with pytest.raises(PrunescopeError) as error:
        read(path)
    assert str(path) in str(error.value)
    return str(error.value)


@pytest.mark.parametrize("wrap", [
    lambda t: t,
    lambda t: {"state_dict": t, "epoch": 3},
    lambda t: {"model_state_dict": t, "optimizer_state_dict": {"state": {}, "param_groups": []}, "loss": 0.1},
    lambda t: {"model": {"state_dict": t}, "args": {"lr": 1}},
    lambda t: {"net": t},
    lambda t: {f"module.{name}": tensor for name, tensor in t.items()},
    lambda t: {f"module._orig_mod.{name}": tensor for name, tensor in t.items()},
    lambda t: {"state_dict": {f"_orig_mod.module.{name}": tensor for name, tensor in t.items()}},
    lambda t: {"state_dict": {f"model.{name}": tensor for name, tensor in t.items()}},
    lambda t: {name.replace("a.", "a._orig_mod."): tensor for name, tensor in t.items()},  # one compiled part
    lambda t: {name: tensor.to_sparse() for name, tensor in t.items()},
])  # fmt: skip
def test_wrappers_and_prefixes_are_taken_away(tmp_path, wrap) -> None:
    torch.save(wrap(PLAIN), tmp_path / "x.pth")
    assert same(read(tmp_path / "x.pth"))


def test_a_safetensors_file_is_known_by_its_content(tmp_path) -> None:
    for name in ("x.safetensors", "x.pth", "x.bin"):
        save_file({f"module.{key}": tensor for key, tensor in PLAIN.items()}, tmp_path / name)
        assert same(read(tmp_path / name))


def test_weights_of_torchs_own_pruning_are_masked(tmp_path) -> None:
    layer = nn.Linear(6, 4)
    prune.random_unstructured(layer, "weight", 0.5)
    prune.l1_unstructured(layer, "bias", 2)
    attention = nn.MultiheadAttention(4, 2)
    prune.l1_unstructured(attention, "in_proj_weight", 0.5)
    whole = nn.ModuleDict({"a": layer, "b": attention})
    torch.save({"state_dict": {f"module.{name}": tensor for name, tensor in whole.state_dict().items()}}, tmp_path / "x.pth")
    found = read(tmp_path / "x.pth")
    for part, name in ((layer, "weight"), (layer, "bias"), (attention, "in_proj_weight")):
        prune.remove(part, name)
    assert same(found, dict(whole.state_dict()))
    assert (found["a.weight"] == 0).sum() == 12 and (found["a.bias"] == 0).sum() == 2


def test_a_checkpoint_of_ours_gives_its_weights(tmp_path) -> None:
    weights = {name: tensor.clone() for name, tensor in build(TINY).state_dict().items()}
    mask = torch.rand(64, 3, 3, 3) > 0.5
    weights["features.0.weight"].mul_(mask)
    kept = {"momentum:0": torch.ones(64)}
    saved = checkpoint.Checkpoint(
        "pruned", TINY, weights, Bits({"features.0.weight": mask}), kept, {"features.0.bias": torch.zeros(64)}
    )
    checkpoint.write(tmp_path / "own.safetensors", saved)
    found = read(tmp_path / "own.safetensors")
    assert same(found, weights)
    assert fit(found, TINY, "own.safetensors")[1] == []
    (tmp_path / "own.packed").write_bytes(packing.pack(saved))
    assert "unpack it first: prunescope unpack" in refusal(tmp_path / "own.packed")


def test_what_holds_no_state_dict_is_refused(tmp_path) -> None:
    path = tmp_path / "x.pth"
    for content, message in (
        ({"state_dict": PLAIN, "model": PLAIN}, "holds several state dicts, state_dict and model; wanted one"),
        ([1, 2], "holds a list, wanted tensors by name"),
        ({}, "holds no tensors by name"),
        ({"state_dict": {}}, "holds no tensors by name"),
        ({1: torch.ones(2)}, "holds no tensors by name"),
        (PLAIN | {"epoch": 3}, "holds 1 entries that are no tensors: epoch (int)"),
        (PLAIN | {"module.a.bias": torch.ones(2)}, "under several prefixes (a.bias, module.a.bias)"),
        ({"a_orig": torch.ones(2), "a_mask": torch.ones(3)}, "a_orig and a_mask have different shapes"),
    ):
        torch.save(content, path)
        assert message in refusal(path)
        assert "save the tensors alone: torch.save(network.state_dict(), path)" in refusal(path)


class Evil:
    def __reduce__(self):
        return Path.touch, (Path("executed"),)


def test_files_that_are_no_weights_are_refused_and_nothing_in_them_runs(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("evil.pth").write_bytes(pickle.dumps({"features.0.weight": Evil()}))
    torch.save(nn.Linear(2, 2), "module.pth")
    torch.save({"model": PLAIN, "args": argparse.Namespace(x=1)}, "arguments.pth")
    torch.save(PLAIN, "cut.pth")
    Path("cut.pth").write_bytes(Path("cut.pth").read_bytes()[:300])
    Path("pointer.pth").write_bytes(b"version https://git-lfs.github.com/spec/v1\n")
    Path("empty.pth").touch()
    Path("broken.safetensors").write_bytes(b"\x00" * 40)
    for name in ("evil.pth", "module.pth", "arguments.pth", "cut.pth", "pointer.pth", "empty.pth", "broken.safetensors"):
        message = refusal(Path(name))
        assert "cannot be read as a file of tensors" in message
        assert "weights_only" not in message and "add_safe_globals" not in message and "\n" not in message, message
    assert "it holds a Python object, argparse.Namespace, which could run code" in refusal(Path("arguments.pth"))
    assert not Path("executed").exists()


def test_a_missing_file_is_named_with_those_beside_it(tmp_path) -> None:
    torch.save(PLAIN, tmp_path / "there.pth")
    (tmp_path / "README.md").touch()
    assert refusal(tmp_path / "nowhere.pth").endswith("copy or link it there (there now: there.pth)")
