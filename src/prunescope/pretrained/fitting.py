"""Tensors of a file fitted into a network: all of them and no others, but for a last layer of other classes and another stem."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace

from torch import Tensor

from prunescope.errors import PrunescopeError
from prunescope.networks.architectures import Architecture, skeleton

# Names in files saved before torchvision renamed the layers: of DenseNet (denselayer1.norm.1) and of the MLPs in ViT.
RENAMED = (
    (re.compile(r"(denselayer\d+\.(?:norm|conv))\.(\d)(?=\.)"), r"\1\2"),
    (re.compile(r"(encoder_layer_\d+\.mlp)\.linear_1(?=\.)"), r"\1.0"),
    (re.compile(r"(encoder_layer_\d+\.mlp)\.linear_2(?=\.)"), r"\1.3"),
)
COUNTERS = ("num_batches_tracked", "n_averaged")  # of batch norm and of weight averaging: no weights
AUXILIARY = {"googlenet": ("aux1.", "aux2."), "inception_v3": ("AuxLogits.",)}  # classifiers for training, which are not built
SHOWN = 4  # tensors that a message names


def fit(source: Mapping[str, Tensor], architecture: Architecture, origin: str) -> tuple[dict[str, Tensor], list[str]]:
    """(the tensors that the network takes, the names of those that stay random).

    The last layer stays random where it has another number of classes, and the first convolution where stem: cifar replaced
    it. Raises PrunescopeError, naming `origin`, if anything else would stay random or be left over, and for values that are
    not finite.
    """
    wanted = skeleton(architecture)
    source = _own_names(source, architecture)
    if architecture.head == "compact" and architecture.name.startswith("vgg"):
        source = _pool_classifier(source, wanted)
    head = _changed(wanted, replace(architecture, classes=architecture.classes + 1))
    free = head if _is_head(source, wanted, head) else set()
    free = free | (_changed(wanted, replace(architecture, stem="imagenet")) if architecture.stem != "imagenet" else set())
    taken = {name: tensor for name, tensor in source.items() if name in wanted and tensor.shape == wanted[name].shape}
    if not head <= taken.keys():  # taken whole or not at all
        taken = {name: tensor for name, tensor in taken.items() if name not in head}
    weights = {name for name in wanted if not name.endswith(COUNTERS)}
    _refuse_others(source, wanted, missing=weights - taken.keys() - free, network=architecture, origin=origin)
    return _converted(taken, wanted, origin), sorted(weights - taken.keys())


def _own_names(source: Mapping[str, Tensor], architecture: Architecture) -> dict[str, Tensor]:
    """By today's names, without what no network here has."""
    found = {}
    for name, tensor in source.items():
        for old, new in RENAMED:
            name = old.sub(new, name)
        if not name.startswith(AUXILIARY.get(architecture.name, ())) and not (name.endswith(COUNTERS) and tensor.dim() == 0):
            found[name] = tensor
    return found


def _pool_classifier(source: dict[str, Tensor], wanted: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Sum the first classifier layer over its 7x7 positions: the same function of a feature map that is constant over them."""
    name = "classifier.0.weight"
    weight = source.get(name)
    if weight is not None and weight.dim() == 2 and weight.shape[1] == 49 * wanted[name].shape[1]:
        source = source | {name: weight.view(weight.shape[0], -1, 49).sum(dim=2)}
    return source


def _changed(wanted: Mapping[str, Tensor], other: Architecture) -> set[str]:
    """Names of the tensors that have another shape in another fit of the same network."""
    there = skeleton(other)
    return {name for name, tensor in wanted.items() if name not in there or there[name].shape != tensor.shape}


def _is_head(source: Mapping[str, Tensor], wanted: Mapping[str, Tensor], head: Iterable[str]) -> bool:
    """Whether what the file has in the last layer's place is such a layer, of one number of classes, or nothing."""
    found = {name: source[name].shape for name in head if name in source}
    if not found:
        return True
    same = all(len(found.get(name, ())) and found[name][1:] == wanted[name].shape[1:] for name in head)
    return same and len({shape[0] for shape in found.values()}) == 1


def _refuse_others(
    source: Mapping[str, Tensor], wanted: Mapping[str, Tensor], *, missing: set[str], network: Architecture, origin: str
) -> None:
    left = [_said(name, source[name]) for name in source if name not in wanted]
    absent = [_said(name, wanted[name]) for name in wanted if name in missing and name not in source]
    other = [f"{_said(name, source[name])} for {_shape(wanted[name])}" for name in wanted if name in missing and name in source]
    found = (("of its tensors are left over", left), ("of the network's are not in it", absent), ("have another shape", other))
    problems = [f"{len(names)} {what} ({_some(names)})" for what, names in found if names]
    if not problems:
        return
    raise PrunescopeError(
        f"init {origin} does not fit {network.name} at width {network.width:g}: {'; '.join(problems)}. Wanted weights of this "
        "very architecture, of which only the last layer may have other classes (and the first convolution stays random under "
        "stem: cifar); name another file or model, or use init: random"
    )


def _converted(taken: dict[str, Tensor], wanted: Mapping[str, Tensor], origin: str) -> dict[str, Tensor]:
    """In the types of the network, contiguous, each with memory of its own."""
    wrong = [f"{n} {t.dtype}" for n, t in taken.items() if t.is_floating_point() != wanted[n].is_floating_point()]
    if wrong:
        raise PrunescopeError(f"init {origin}: found {_some(wrong)}, wanted numbers as the network has them (float32, say)")
    found = {name: taken[name].detach().to(wanted[name].dtype).contiguous().clone() for name in sorted(taken)}
    broken = [name for name, tensor in found.items() if not bool(tensor.isfinite().all())]
    if broken:
        raise PrunescopeError(
            f"init {origin}: {len(broken)} of its tensors hold values that are not finite ({_some(broken)}): the training "
            "that made it diverged, or the file is damaged; name another file, or use init: random"
        )
    return found


def _said(name: str, tensor: Tensor) -> str:
    return f"{name} {_shape(tensor)}"


def _shape(tensor: Tensor) -> str:
    return "x".join(map(str, tensor.shape)) or "scalar"


def _some(names: list[str]) -> str:
    return ", ".join(names[:SHOWN]) + (", ..." if len(names) > SHOWN else "")
