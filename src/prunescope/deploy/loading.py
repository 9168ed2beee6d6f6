"""A finished network, ready to be used, from its file alone."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from prunescope.data import store as stores
from prunescope.deploy.preprocess import Preprocess
from prunescope.errors import PrunescopeError
from prunescope.evaluation import packing
from prunescope.networks import checkpoint
from prunescope.networks.architectures import skeleton
from prunescope.networks.checkpoint import Checkpoint
from prunescope.networks.inputs import Inputs


class Network(nn.Module):
    """What `load` gives, as type checkers see it: a torchvision module with these attributes, of no class of ours."""

    classes: tuple[str, ...]
    preprocess: Preprocess
    masks: Mapping[str, Tensor]
    about: dict[str, Any]


def load(path: Path | str, *, store: Path | str | None = None) -> Network:
    """The network of a checkpoint or packed file in eval mode on the CPU: torchvision's module, with what using it takes.

    `.classes`: names by output · `.preprocess`: a PIL image, several, or a tensor in, a normalised batch out (`Preprocess`) ·
    `.masks`: by parameter name, True = kept, empty for a dense network · `.about`: data set, method, sparsity, kind, parents.

    store: the prepared data set, for files of before there were classes in them. Raises PrunescopeError for a file that is none,
    or that does not say what it takes.
    """
    path = Path(path)
    found = read(path)
    inputs = inputs_of(found, path, store)
    require_whole(found, path)
    network = cast(Network, found.network().eval())
    network.classes, network.preprocess, network.masks = inputs.classes, Preprocess(inputs), found.masks
    network.about = {"dataset": inputs.dataset, "kind": found.kind, "parents": found.parents, **found.about}
    return network


def read(path: Path) -> Checkpoint:
    """A checkpoint, or a packed file as one."""
    return packing.unpack(path.read_bytes(), path) if path.is_file() and _is_packed(path) else checkpoint.read(path)


def inputs_of(found: Checkpoint, path: Path, store: Path | str | None = None) -> Inputs:
    """What a network takes, of its header, or of a prepared store. PrunescopeError where neither says it, or they differ."""
    given = Inputs.of(stores.read(Path(store)), Path(store).name) if store else None
    inputs = found.inputs or given
    if inputs is None:
        raise PrunescopeError(
            f"{path} does not say which images it takes: it is of before checkpoints did. Name its prepared data set "
            "(store, --store prepared/<dataset>), or train it again"
        )
    if len(inputs.classes) != found.architecture.classes:
        raise PrunescopeError(
            f"found {len(inputs.classes)} classes in {store or path}, and a network of {found.architecture.classes} outputs; "
            "wanted the data set that it was trained on"
        )
    if given and (given.classes, given.image_size) != (inputs.classes, inputs.image_size):
        raise PrunescopeError(f"{store} has other classes or another image size than {path} was trained on ({inputs.dataset})")
    return inputs


def require_whole(found: Checkpoint, path: Path) -> None:
    """Raise PrunescopeError where the tensors are not those of the network that the header names, before it takes any memory."""
    built, width = found.architecture, found.architecture.width
    try:
        wanted = skeleton(built)
    except (TypeError, ValueError, RuntimeError) as error:
        raise PrunescopeError(f"{path}: no network is built as its header says ({error}); run its stage again") from error
    shapes, theirs = ({name: tensor.shape for name, tensor in state.items()} for state in (found.state, wanted))
    if shapes != theirs:
        first = min(name for name in shapes.keys() | theirs.keys() if shapes.get(name) != theirs.get(name))
        raise PrunescopeError(
            f"{path}: found tensors that are not those of {built.name} at width {width}, {first} first; wanted a whole "
            "checkpoint: run its stage again"
        )


def _is_packed(path: Path) -> bool:
    try:
        with safe_open(path, framework="np") as file:
            return packing.KEY in (file.metadata() or {})
    except (SafetensorError, OSError, json.JSONDecodeError):
        return False  # reading it will say what it is
