"""Files that were packed before int8 was there: they are read, and the same network is packed into the same content today.

The files in packed_before/ were written by commit b544691: vgg11_bn of 2 % of its width, 80 % pruned, not trained.
"""

from pathlib import Path

import pytest
import torch
import zstandard
from safetensors.numpy import load

from prunescope.evaluation import packing
from prunescope.evaluation.packing import pack, unpack

FILES = sorted((Path(__file__).parent / "packed_before").glob("*.safetensors"))


def contents(data: bytes) -> dict[str, bytes]:
    """What is in the pieces: their compressed bytes are those of the installed version of Zstandard."""
    return {name: zstandard.ZstdDecompressor().decompress(piece.tobytes()) for name, piece in load(data).items()}


def test_there_is_one_of_each_kind() -> None:
    assert [path.stem for path in FILES] == ["bf16", "fp16", "fp32"]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_same_content_and_header(path: Path) -> None:
    data = path.read_bytes()
    again = pack(unpack(data, path), path.stem)
    assert contents(again) == contents(data)
    assert packing._opened(again)[0] == packing._opened(data)[0]
    assert len(again) < 1.02 * len(data)


def test_they_hold_one_network() -> None:
    exact, *rounded = (unpack(path.read_bytes(), path) for path in reversed(FILES))
    assert exact.about == {"seed": 3}
    assert float((exact.state["features.0.weight"] != 0).float().mean()) < 1
    for other in rounded:
        assert list(other.masks.packed()) == list(exact.masks.packed())
        for name, tensor in exact.state.items():
            assert torch.allclose(other.state[name], tensor, rtol=2**-8, atol=1e-7), name
