"""A file of weights as tensors by name, whoever saved it: wrappers, prefixes and pruning masks taken away. No code in it runs."""

import json
import re
import warnings
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from torch import Tensor

from prunescope.errors import PrunescopeError
from prunescope.networks import checkpoint

WRAPPERS = ("state_dict", "model_state_dict", "model", "net")  # keys under which training scripts save the state dict
# What DistributedDataParallel, torch.compile and training frameworks put before names, in any order (of a compiled part, in the
# middle of them). No name of a torchvision classifier has such a part.
PREFIX = re.compile(r"(?:^|(?<=\.))(?:module|_orig_mod|model|net)\.")
SAVE = "save the tensors alone: torch.save(network.state_dict(), path)"


def read(path: Path) -> dict[str, Tensor]:
    """Tensors by the network's own names. Raises PrunescopeError naming the file for anything that is not such a file.

    Taken are .safetensors (a checkpoint of ours too: its weights) and what torch.save wrote, by torch's tensors-only unpickler.
    """
    if not path.is_file():
        beside = sorted(file.name for file in path.parent.glob("*") if file.is_file() and file.name != "README.md")
        raise PrunescopeError(
            f"init: no file {path}; wanted random, imagenet, or the name of a file in {path.parent}: "
            f"copy or link it there (there now: {', '.join(beside) or 'none'})"
        )
    try:
        content = _safetensors(path) if _is_safetensors(path) else _unpickled(path)
    except PrunescopeError:
        raise
    except Exception as error:  # whatever a broken file raises, the user needs its name
        raise PrunescopeError(f"init: {path} cannot be read as a file of tensors ({_reason(error)}); {SAVE}") from error
    return _masked(path, _unprefixed(path, _unwrapped(path, content)))


def _is_safetensors(path: Path) -> bool:
    """By its ninth byte, whatever it is called: there the header's JSON begins."""
    with path.open("rb") as file:
        return path.suffix == ".safetensors" or file.read(9)[8:] == b"{"


def _safetensors(path: Path) -> dict[str, Tensor]:
    with safe_open(path, framework="pt") as file:
        header = file.metadata() or {}
        if "prunescope-packed" in header:
            raise PrunescopeError(f"init: {path} is a packed file; unpack it first: prunescope unpack {path} network.safetensors")
        if "prunescope" in header and "kind" in json.loads(header["prunescope"]):
            return checkpoint.read(path).state
        return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a dict


def _unpickled(path: Path) -> Any:
    with warnings.catch_warnings(action="ignore"):  # of old protocols, sparse layouts: the content is checked below
        return torch.load(path, map_location="cpu", weights_only=True)


def _reason(error: Exception) -> str:
    """What torch objects to, without its advice to load the file unsafely."""
    found = re.search(r"Unsupported global: GLOBAL (\S+)", str(error))
    if found:
        return f"it holds a Python object, {found[1]}, which could run code"
    return (str(error).strip().splitlines() or [type(error).__name__])[0].partition(" In PyTorch 2.6")[0]


def _unwrapped(path: Path, content: Any) -> dict[str, Tensor]:
    """The state dict itself, out of the tables that training scripts put around it."""
    while isinstance(content, Mapping) and (inside := [key for key in WRAPPERS if isinstance(content.get(key), Mapping)]):
        if len(inside) > 1:
            raise PrunescopeError(f"init: {path} holds several state dicts, {' and '.join(inside)}; wanted one: {SAVE}")
        content = content[inside[0]]
    if not isinstance(content, Mapping):
        raise PrunescopeError(f"init: {path} holds a {type(content).__name__}, wanted tensors by name; {SAVE}")
    others = [f"{name} ({type(value).__name__})" for name, value in content.items() if not isinstance(value, Tensor)]
    if others or not content or not all(isinstance(name, str) for name in content):
        found = f"{len(others)} entries that are no tensors: {', '.join(others[:4])}" if others else "no tensors by name"
        raise PrunescopeError(f"init: {path} holds {found}; wanted tensors alone, or them under {', '.join(WRAPPERS)}; {SAVE}")
    return {name: value if value.layout == torch.strided else value.to_dense() for name, value in content.items()}


def _unprefixed(path: Path, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    count = Counter(PREFIX.sub("", name) for name in tensors)
    if twice := [name for name in tensors if count[PREFIX.sub("", name)] > 1]:
        raise PrunescopeError(f"init: {path} holds weights of one name under several prefixes ({', '.join(twice[:4])}); {SAVE}")
    return {PREFIX.sub("", name): tensor for name, tensor in tensors.items()}


def _masked(path: Path, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """torch.nn.utils.prune keeps x as x_orig and x_mask: their product."""
    found = dict(tensors)
    for masked in [name for name in tensors if name.endswith("_mask")]:
        name = masked.removesuffix("_mask")
        if (original := tensors.get(f"{name}_orig")) is None or name in tensors:
            continue  # left over, and named by who fits the tensors
        if original.shape != tensors[masked].shape:
            raise PrunescopeError(f"init: {path}: {name}_orig and {masked} have different shapes; {SAVE}")
        found[name] = found.pop(f"{name}_orig") * found.pop(masked).to(original.dtype)
    return found
