"""Checkpoints: one safetensors file with the weights, the masks as bits, and a JSON header. Nothing in it can execute.

The same content gives the same bytes, so a checkpoint's SHA-256 names it, and DVC reruns nothing after a repeated run.
"""

import hashlib
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from prunescope.errors import PrunescopeError
from prunescope.files import write_bytes
from prunescope.networks.architectures import Architecture, build, fill_
from prunescope.networks.bits import Bits
from prunescope.networks.inputs import Inputs

FORMAT = 1
KINDS = ("dense", "pruned", "finetuned", "distilled")
MASK, OPTIMIZER, REESTIMATED = "mask:", "optimizer:", "reestimated:"  # prefixes of the tensors that are no weights


@dataclass(frozen=True)
class Checkpoint:
    """kind: one of KINDS · state: the network's state dict · masks: of the pruned weights, empty for a dense network ·
    optimizer: its state where training goes on in another stage ·
    reestimated: batch-norm statistics re-estimated right after pruning, empty without batch norm ·
    parents: SHA-256 of the checkpoints it came from, by role · about: what determined it (method, seed, sparsity, ...) ·
    inputs: the images that it takes; None in files of before there was this."""

    kind: str
    architecture: Architecture
    state: dict[str, Tensor]
    masks: Bits = field(default_factory=Bits)
    optimizer: dict[str, Tensor] = field(default_factory=dict)
    reestimated: dict[str, Tensor] = field(default_factory=dict)
    parents: dict[str, str] = field(default_factory=dict)
    about: dict[str, Any] = field(default_factory=dict)
    inputs: Inputs | None = None

    def network(self, *, reestimated: bool = False) -> nn.Module:
        """The network with these weights, on the CPU; on demand with the re-estimated statistics."""
        network = build(self.architecture)
        fill_(network, self.state | (self.reestimated if reestimated else {}))
        return network


def write(path: Path, checkpoint: Checkpoint) -> str:
    """Write whole or not at all; returns the file's SHA-256. Raises PrunescopeError if a removed weight is not zero."""
    _check_masks(path, checkpoint)
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in checkpoint.state.items()}
    tensors |= {MASK + name: bits for name, bits in checkpoint.masks.packed().items()}
    tensors |= {OPTIMIZER + name: tensor.cpu().contiguous() for name, tensor in checkpoint.optimizer.items()}
    tensors |= {REESTIMATED + name: tensor.cpu().contiguous() for name, tensor in checkpoint.reestimated.items()}
    header = {
        "format": FORMAT,
        "kind": checkpoint.kind,
        "architecture": checkpoint.architecture.as_dict(),
        "parents": checkpoint.parents,
        "about": checkpoint.about,
    } | ({"inputs": checkpoint.inputs.as_dict()} if checkpoint.inputs else {})
    # One metadata key: safetensors writes several in a random order, and the bytes would differ from run to run.
    data = save(tensors, metadata={"prunescope": json.dumps(header, sort_keys=True)})
    write_bytes(path, data)
    return hashlib.sha256(data).hexdigest()


def read(path: Path | str) -> Checkpoint:
    """Read and check a checkpoint. Raises PrunescopeError naming the file for anything that is not one."""
    path = Path(path)
    header, tensors = opened(path, "prunescope", what="checkpoint")
    if not isinstance(header, dict) or header.get("format") != FORMAT:
        raise PrunescopeError(f"{path} is no prunescope checkpoint of format {FORMAT}: header {header!r}; run its stage again")
    bits, optimizer, reestimated = (_named(tensors, prefix) for prefix in (MASK, OPTIMIZER, REESTIMATED))
    state = {name: tensor for name, tensor in tensors.items() if not name.startswith((MASK, OPTIMIZER, REESTIMATED))}
    try:
        checkpoint = Checkpoint(
            kind=header["kind"],
            architecture=Architecture(**header["architecture"]),
            state=state,
            masks=Bits.from_packed(bits, {name: tensor.shape for name, tensor in state.items()}),
            optimizer=optimizer,
            reestimated=reestimated,
            parents=header["parents"],
            about=header["about"],
            inputs=Inputs.from_header(header["inputs"]) if "inputs" in header else None,
        )
    except (KeyError, TypeError, ValueError) as error:
        raise PrunescopeError(f"{path}: its header or masks are not whole ({error!r}); run its stage again") from error
    _check_masks(path, checkpoint)
    return checkpoint


def opened(path: Path, key: str, *, what: str) -> tuple[Any, dict[str, Tensor]]:
    """The JSON under `key` in a safetensors file's header, None where there is none, and its tensors.

    Raises PrunescopeError where there is no such file, it may not be read, or it is no whole safetensors file.
    """
    if not path.exists():
        raise PrunescopeError(f"no {what} at {path}; run the stage that makes it (dvc repro)")
    try:
        path.open("rb").close()  # safetensors calls a file that may not be read one that does not exist
        with safe_open(path, framework="pt") as file:
            header = json.loads((file.metadata() or {}).get(key, "null"))
            return header, {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a dict
    except OSError as error:
        raise PrunescopeError(f"{path} cannot be read: {error.strerror or error}; wanted a {what}, a safetensors file") from error
    except (SafetensorError, ValueError, RecursionError) as error:
        again = "the stage that made it writes it again when it is removed"
        raise PrunescopeError(
            f"{path} is not a whole safetensors file ({error}), wanted a {what}; if it is one, {again}"
        ) from error


def sha256(path: Path) -> str:
    """SHA-256 of a file, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _named(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}


def _check_masks(path: Path, checkpoint: Checkpoint) -> None:
    if checkpoint.kind not in KINDS:
        raise PrunescopeError(f"{path}: unknown checkpoint kind {checkpoint.kind!r}; known: {', '.join(KINDS)}")
    for name, mask in checkpoint.masks.items():
        revived = int((checkpoint.state[name][~mask] != 0).sum())
        if revived:
            raise PrunescopeError(f"{path}: {revived} removed weights of {name} are not zero; the masks were not held")
