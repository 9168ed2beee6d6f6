"""Networks: torchvision's architectures by their names, fitted to the classes, the image size and a width.

What was fitted is an `Architecture`, which goes into every checkpoint, so a checkpoint can always be built again.
"""

import sys
import types
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from prunescope.errors import PrunescopeError
from prunescope.networks.sizes import Sizes, resize_

WIDEST = 4  # as params.yaml takes: a network that is wider fits into no memory


@dataclass(frozen=True)
class Architecture:
    """A network as it is built.

    name: torchvision's name · classes: outputs · width: factor on the channels (VGG and DenseNet; 1 elsewhere)
    stem: "imagenet" (as published) or "cifar" (first convolution 3x3 with stride 1, no pooling: for images of some 32 px)
    head: "torchvision" (as published) or "compact" (VGG: features pooled to 1x1 before the classifier: 34 M weights, not 134 M)
    channels: sizes of the layers that lost whole channels, by their names; None, and in no checkpoint, where none did
    """

    name: str
    classes: int
    width: float = 1.0
    stem: str = "imagenet"
    head: str = "torchvision"
    channels: Sizes | None = None

    def as_dict(self) -> dict[str, Any]:
        """What a checkpoint's header says; without `channels` where there are none, as before there were such networks."""
        return {key: value for key, value in asdict(self).items() if key != "channels" or value}


def fitted(model: str, network: Any, classes: int) -> Architecture:
    """A study's model as a recipe's `network` settings fit it to the data set's classes."""
    return Architecture(model, classes, width=network.width, stem=network.stem, head=network.head)


def build(architecture: Architecture) -> nn.Module:
    """The network with random weights. Raises PrunescopeError for a name, width, stem, head or layer that does not fit."""
    torchvision = torchvision_models()
    name, width = architecture.name, architecture.width
    if not isinstance(width, int | float) or not 0 < width <= WIDEST:  # a header may hold anything
        raise PrunescopeError(f"width: found {width!r}, wanted more than 0 and at most {WIDEST}")
    if name not in torchvision.list_models(module=torchvision):
        raise PrunescopeError(
            f"model {name!r} is no torchvision classifier; known: {', '.join(torchvision.list_models(module=torchvision))}"
        )
    for key, value, known in (
        ("stem", architecture.stem, ("imagenet", "cifar")),
        ("head", architecture.head, ("torchvision", "compact")),
    ):
        if value not in known:
            raise PrunescopeError(f"{key}: found {value!r}, wanted one of {', '.join(known)}")
    if name.startswith("vgg"):
        network = _vgg(architecture)
    elif name.startswith("densenet"):
        network = _densenet(architecture)
    elif width != 1:
        raise PrunescopeError(f"width {width} for {name}: only VGG and DenseNet have a width factor here; use 1")
    else:
        extra = {"aux_logits": False, "init_weights": True} if name in ("googlenet", "inception_v3") else {}
        network = torchvision.get_model(name, weights=None, num_classes=architecture.classes, **extra)
    if architecture.stem == "cifar":
        _fit_stem(network, name)
    if architecture.channels:
        resize_(network, architecture.channels)
    return network


def skeleton(architecture: Architecture) -> dict[str, Tensor]:
    """The state dict's names, shapes and types without values, made in a moment."""
    return unfilled(architecture).state_dict()


def unfilled(architecture: Architecture) -> nn.Module:
    """The network on torch's device without memory: it tells all shapes and draws no random number of others."""
    with torch.random.fork_rng(devices=[]), _Unfilled():
        return build(architecture).to("meta")


def fill_(network: nn.Module, state: Mapping[str, Tensor]) -> None:
    """Put a whole state dict into `network`, also one that was in a file, where a state dict leaves its versions behind.

    Without them MNASNet refuses what it wrote itself, and other modules would take it for a layout of years ago.
    """
    versioned = network.state_dict()  # its tensors are replaced, its versions stay
    if missing := versioned.keys() ^ state.keys():
        raise ValueError(f"{len(missing)} tensors are only in the network or only in its state, {sorted(missing)[0]} first")
    versioned.update(state)
    network.load_state_dict(versioned)


_FILLS = (Tensor.normal_, Tensor.uniform_, nn.init.normal_, nn.init.uniform_, nn.init.kaiming_uniform_)


class _Unfilled(TorchFunctionMode):
    """Weights on torch's device without memory. Not everything: RegNet computes its widths with tensors."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func in _FILLS:  # there is nothing to fill, and torch would import its whole compiler for it
            tensor = args[0] if args else kwargs["tensor"]
            if tensor.is_meta:
                return tensor
        return func(*args, **(kwargs | ({"device": "meta"} if func is torch.empty else {})))


def torchvision_models() -> types.ModuleType:
    """torchvision.models, imported in 0.1 s of CPU after torch instead of 1.8 (medians of 7, torch 2.15, torchvision 0.29).

    torchvision.ops imports all of torch._dynamo for a compiled roi_align, which no classifier uses. A stand-in for that one
    name while it is imported spares every stage the rest; the real module is imported by whoever needs it later.
    """
    compiler = "torch._dynamo.utils"
    if "torchvision" in sys.modules or compiler in sys.modules:
        import torchvision.models

        return torchvision.models
    stand_in = types.ModuleType(compiler)
    stand_in.is_compile_supported = lambda device: False  # type: ignore[attr-defined]
    sys.modules[compiler] = stand_in
    try:
        import torchvision.models
    finally:
        del sys.modules[compiler]
    return torchvision.models


def _vgg(architecture: Architecture) -> nn.Module:
    """torchvision's VGG with its channels and hidden units times the width, and with the chosen head."""
    from importlib import import_module

    torchvision_models()
    vgg = import_module("torchvision.models.vgg")
    letters = {"vgg11": "A", "vgg13": "B", "vgg16": "D", "vgg19": "E"}
    width = architecture.width
    plain = architecture.name.removesuffix("_bn")
    channels = [c if c == "M" else _scaled(c, width) for c in vgg.cfgs[letters[plain]]]
    features = vgg.make_layers(channels, batch_norm=architecture.name.endswith("_bn"))
    side = 1 if architecture.head == "compact" else 7
    hidden = _scaled(4096, width)
    network = vgg.VGG.__new__(vgg.VGG)  # not its __init__, which fills 120 M weights of a classifier that would be replaced
    nn.Module.__init__(network)
    network.features = features
    network.avgpool = nn.AdaptiveAvgPool2d(side)
    network.classifier = nn.Sequential(
        nn.Linear(_scaled(512, width) * side * side, hidden),
        nn.ReLU(inplace=True),
        nn.Dropout(0.5),
        nn.Linear(hidden, hidden),
        nn.ReLU(inplace=True),
        nn.Dropout(0.5),
        nn.Linear(hidden, architecture.classes),
    )
    _start_vgg(network, published=width == 1 and architecture.head == "torchvision")
    return network


def _start_vgg(network: Any, *, published: bool) -> None:
    """Random weights as published; a narrower classifier keeps torch's start, as N(0, 0.01) would let the signal fade."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
            nn.init.zeros_(module.bias)  # type: ignore[arg-type]
        elif isinstance(module, nn.Linear) and published:
            nn.init.normal_(module.weight, 0, 0.01)
            nn.init.zeros_(module.bias)


def _densenet(architecture: Architecture) -> nn.Module:
    """torchvision's DenseNet with growth rate and first channels times the width."""
    from importlib import import_module

    torchvision_models()
    densenet = import_module("torchvision.models.densenet")
    shapes = {
        "densenet121": (32, (6, 12, 24, 16), 64),
        "densenet161": (48, (6, 12, 36, 24), 96),
        "densenet169": (32, (6, 12, 32, 32), 64),
        "densenet201": (32, (6, 12, 48, 32), 64),
    }
    growth, blocks, first = shapes[architecture.name]
    width = architecture.width
    return densenet.DenseNet(_scaled(growth, width), blocks, _scaled(first, width), num_classes=architecture.classes)


def _scaled(channels: int, width: float) -> int:
    return max(1, round(channels * width))


def _fit_stem(network: Any, name: str) -> None:
    """First convolution 3x3 with stride 1, first pooling gone. VGG has such a stem as published."""
    if name.startswith("vgg"):
        return
    if name.startswith("densenet"):
        network.features.conv0 = nn.Conv2d(3, network.features.conv0.out_channels, 3, padding=1, bias=False)
        network.features.pool0 = nn.Identity()
        first = network.features.conv0
    elif name.startswith(("resnet", "resnext", "wide_resnet")):
        network.conv1 = nn.Conv2d(3, network.conv1.out_channels, 3, padding=1, bias=False)
        network.maxpool = nn.Identity()
        first = network.conv1
    else:
        raise PrunescopeError(f"stem: cifar is known for VGG, DenseNet and ResNet, not for {name}; use stem: imagenet")
    nn.init.kaiming_normal_(first.weight)
