"""The start file: the weights that training starts from where not at random, made by the stage weights.

One safetensors file with a JSON header; the same weights give the same bytes. That of a random start holds no tensors, and
making it needs no torch.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from prunescope.errors import PrunescopeError
from prunescope.files import write_bytes

if TYPE_CHECKING:
    from torch import Tensor, nn

FORMAT = 1
KEY = "prunescope-start"


@dataclass(frozen=True)
class Start:
    """untaught: names of the tensors that stay random although the start is not · parents: for the checkpoint's header."""

    untaught: list[str]
    parents: dict[str, str]


def write(path: Path, init: str, tensors: "Mapping[str, Tensor] | None" = None, *, untaught: Sequence[str] = ()) -> None:
    """init: random, imagenet or the name of a file. The file's own hash is not written: other bytes may hold the same weights."""
    header = {"format": FORMAT, "init": init, "untaught": list(untaught)}
    metadata = {KEY: json.dumps(header, sort_keys=True)}
    if tensors:
        from safetensors.torch import save

        write_bytes(path, save(dict(tensors), metadata))
    else:
        from safetensors import serialize

        write_bytes(path, serialize({}, metadata))


def load_(path: Path, network: "nn.Module") -> Start:
    """Put the file's weights into `network` in place. Raises PrunescopeError for a file that is none, or another network's."""
    from prunescope.networks.architectures import fill_
    from prunescope.networks.checkpoint import opened, sha256

    header, tensors = opened(path, KEY, what="file of start weights")
    if not isinstance(header, dict) or header.get("format") != FORMAT:
        raise PrunescopeError(f"{path} holds no start weights of format {FORMAT}: header {header!r}; run its stage again")
    state = network.state_dict()
    wrong = [name for name, tensor in tensors.items() if name not in state or state[name].shape != tensor.shape]
    if wrong:
        raise PrunescopeError(f"{path} is of another network: {', '.join(wrong[:4])} do not fit; run its stage again")
    fill_(network, state | tensors)
    return Start(header["untaught"], {} if header["init"] == "random" else {"start": sha256(path)})
