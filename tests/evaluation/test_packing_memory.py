"""Packing and unpacking need little beside the network, measured in processes of their own (Linux)."""

import subprocess
import sys
from pathlib import Path

import pytest
from test_packing import pruned

from prunescope.evaluation.packing import pack
from prunescope.networks import checkpoint
from prunescope.networks.architectures import Architecture

MEASURED = """
import sys
from pathlib import Path
import torch
from prunescope.evaluation.packing import pack, unpack
from prunescope.networks import checkpoint
from prunescope.networks.architectures import Architecture, build
from prunescope.networks.checkpoint import Checkpoint

def now(key):
    return int(Path("/proc/self/status").read_text().split(key + ":")[1].split()[0]) * 1024

torch.set_num_threads(1)
what, path, values = sys.argv[1:]
small = Architecture("vgg11", 3, width=0.02)  # once before: what is imported and set up at the first call
unpack(pack(Checkpoint("dense", small, build(small).state_dict()), values), Path(path))
if what == "pack":
    found = checkpoint.read(path)
Path("/proc/self/clear_refs").write_text("5")  # forget the peak so far
before = now("VmRSS")
if what == "pack":
    pack(found, values)
else:
    found = unpack(Path(path).read_bytes(), Path(path))
size = sum(tensor.numel() * tensor.element_size() for tensor in found.state.values())
print((now("VmHWM") - before) / size)
"""


def times_the_network(*arguments: str) -> float:
    done = subprocess.run([sys.executable, "-c", MEASURED, *arguments], capture_output=True, text=True, check=True)
    return float(done.stdout)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_memory_beside_the_network(tmp_path: Path) -> None:
    """VGG16 at half width, 34 M weights, 80 % pruned. Unpacked: the file's bytes and the network, and little more."""
    found = pruned(Architecture("vgg16", 100, width=0.5))
    checkpoint.write(tmp_path / "a.safetensors", found)
    for values, most in (("fp32", 1.3), ("int8", 1.2)):
        (tmp_path / values).write_bytes(pack(found, values))
        assert times_the_network("unpack", str(tmp_path / values), values) < most, values
        assert times_the_network("pack", str(tmp_path / "a.safetensors"), values) < 0.75, values
