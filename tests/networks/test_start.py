"""The start file: deterministic, without torch where the start is random, and refused where it is another network's."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from prunescope.errors import PrunescopeError
from prunescope.networks import checkpoint, start
from prunescope.networks.architectures import Architecture, build

TINY = Architecture("squeezenet1_1", 7)


def test_a_random_start_changes_nothing_and_needs_no_torch(tmp_path) -> None:
    code = (
        "import sys; from pathlib import Path; from prunescope.networks import start;"
        f"start.write(Path({str(tmp_path / 'a')!r}), 'random'); print('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "False"
    start.write(tmp_path / "b", "random")
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    network = build(TINY)
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    assert start.load_(tmp_path / "a", network) == start.Start([], {}), "nor the header of checkpoints"
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())


def test_weights_come_back_and_the_rest_stays(tmp_path) -> None:
    network, other = build(TINY), build(TINY)
    tensors = {name: tensor for name, tensor in other.state_dict().items() if not name.startswith("classifier")}
    head = network.state_dict()["classifier.1.weight"].clone()
    for name, given in (("a", tensors), ("b", dict(reversed(tensors.items())))):
        start.write(tmp_path / name, "imagenet", given, untaught=["classifier.1.weight"])
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    digest = checkpoint.sha256(tmp_path / "a")
    assert start.load_(tmp_path / "a", network) == start.Start(["classifier.1.weight"], {"start": digest})
    state = network.state_dict()
    assert all(torch.equal(state[name], tensor) for name, tensor in tensors.items())
    assert torch.equal(state["classifier.1.weight"], head)


def test_mnasnet_takes_weights_that_were_in_a_file(tmp_path) -> None:
    """Its own load_state_dict refuses a state dict whose version is lost."""
    network, source = (build(Architecture("mnasnet0_5", 3)) for _ in range(2))
    start.write(tmp_path / "a", "imagenet", dict(source.state_dict()))
    start.load_(tmp_path / "a", network)
    assert all(torch.equal(tensor, source.state_dict()[name]) for name, tensor in network.state_dict().items())


def test_what_is_no_start_of_this_network_is_refused(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    save_file({"a": torch.ones(2)}, "plain.safetensors")
    Path("broken.safetensors").write_bytes(b"\x00" * 40)
    start.write(Path("other.safetensors"), "x.pth", {"classifier.1.weight": torch.ones(3, 512, 1, 1)})
    for name, message in (
        ("nowhere", "no file of start weights at nowhere; run the stage that makes it"),
        ("plain", "holds no start weights of format 1: header None"),
        ("broken", "is not a whole safetensors file"),
        ("other", "is of another network: classifier.1.weight do not fit"),
    ):
        with pytest.raises(PrunescopeError, match=message):
            start.load_(Path(name if name == "nowhere" else f"{name}.safetensors"), build(TINY))
