"""Start weights: torchvision's for ImageNet, or a file's, fitted into a network."""

import os
import re
import sys
from pathlib import Path

import torch
from torch import Tensor, nn

from prunescope.errors import PrunescopeError
from prunescope.networks.architectures import Architecture, torchvision_models

# torchvision's published DenseNet files say denselayer1.norm.1 for what the network calls denselayer1.norm1.
PUBLISHED = re.compile(r"(denselayer\d+\.(?:norm|conv))\.(\d)(?=\.)")


def initialise(network: nn.Module, architecture: Architecture, init: str, mirror: Path | None = None) -> list[str]:
    """Load the weights that `init` names into `network`; returns the names of the tensors that stay random.

    init: "random", "imagenet" (torchvision's weights, from `mirror`/weights, torch's cache or the network), or a file of
    weights (.safetensors, or .pth read as tensors only). Tensors that do not fit (head, stem) stay random; that is refused
    when nothing fits at all.
    """
    if init == "random":
        return []
    source = _imagenet(architecture.name, mirror) if init == "imagenet" else _weights_file(Path(init))
    source = {PUBLISHED.sub(r"\1\2", tensor): value for tensor, value in source.items()}
    target = network.state_dict()
    if architecture.head == "compact" and architecture.name.startswith("vgg"):
        source = _pool_classifier(source, target)
    fitting = {name: tensor for name, tensor in source.items() if name in target and tensor.shape == target[name].shape}
    if not fitting:
        raise PrunescopeError(
            f"init {init}: none of its {len(source)} tensors fits {architecture.name} at width {architecture.width}; "
            "pre-trained weights need width 1 and the same architecture, or use init: random"
        )
    network.load_state_dict(fitting, strict=False)
    return sorted(set(target) - set(fitting))


def _pool_classifier(source: dict[str, Tensor], target: dict[str, Tensor]) -> dict[str, Tensor]:
    """Sum the first classifier layer over its 7x7 positions: the same function of a feature map that is constant over them."""
    name = "classifier.0.weight"
    weight = source.get(name)
    if weight is not None and name in target and weight.shape[1] == 49 * target[name].shape[1]:
        source = source | {name: weight.view(weight.shape[0], -1, 49).sum(dim=2)}
    return source


def _imagenet(name: str, mirror: Path | None) -> dict[str, Tensor]:
    """torchvision's ImageNet weights of an architecture, from a local file if there is one."""
    weights = torchvision_models().get_model_weights(name).DEFAULT
    filename = weights.url.rsplit("/", 1)[-1]
    cache = Path(torch.hub.get_dir()) / "checkpoints"
    for folder in ([mirror / "weights"] if mirror else []) + [cache]:
        if (folder / filename).is_file():
            return _weights_file(folder / filename)
    try:
        return weights.get_state_dict(progress=sys.stderr.isatty(), check_hash=True, weights_only=True)
    except (OSError, RuntimeError) as error:
        wanted = f"{mirror / 'weights' if mirror else '$PRUNESCOPE_MIRROR/weights'}{os.sep}{filename}"
        raise PrunescopeError(
            f"init: imagenet needs {weights.url}, which could not be downloaded ({error}); "
            f"put that file at {wanted}, name a file of weights as init, or use init: random"
        ) from error


def _weights_file(path: Path) -> dict[str, Tensor]:
    """Tensors of a .safetensors or .pth file; a .pth is read with torch's tensors-only unpickler, so no code in it runs."""
    if not path.is_file():
        raise PrunescopeError(f"init: no file {path}; wanted random, imagenet, or a file of weights (.safetensors, .pth)")
    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            return load_file(path)
        return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # whatever a broken file raises, the user needs its name
        raise PrunescopeError(f"init: {path} cannot be read as a file of tensors ({error})") from error
