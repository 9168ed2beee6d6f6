"""torchvision's ImageNet weights: where their file lies, and getting it."""

import os
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from prunescope.errors import PrunescopeError
from prunescope.networks.architectures import torchvision_models

PIXELS = 224  # the images that networks with a fixed image size are built for


def published(name: str) -> Any:
    """torchvision's weights of an architecture: its newest, of those that fit a network for images of 224 px.

    The newest of vit_h_14 are for 518 px; their position embeddings would not fit.
    """
    every = torchvision_models().get_model_weights(name)
    fixed = name.startswith("vit")
    fitting = [weights for weights in (every.DEFAULT, *every) if not fixed or weights.meta["min_size"][0] == PIXELS]
    return fitting[0]


def find(name: str, folders: Sequence[Path]) -> Path:
    """The file of an architecture's ImageNet weights: in one of `folders`, in torch's cache, or downloaded into that."""
    url = published(name).url
    filename = url.rsplit("/", 1)[-1]
    cache = Path(torch.hub.get_dir()) / "checkpoints"
    for folder in (*folders, cache):
        if (folder / filename).is_file():
            return folder / filename
    hashed = re.search(r"-([0-9a-f]{8,})\.", filename)
    try:
        cache.mkdir(parents=True, exist_ok=True)
        begins = hashed[1] if hashed else None
        torch.hub.download_url_to_file(url, str(cache / filename), begins, progress=sys.stderr.isatty())
    except (OSError, RuntimeError) as error:
        raise PrunescopeError(
            f"init: imagenet needs {url}, which could not be downloaded ({error}); put that file at "
            f"{' or '.join(f'{folder}{os.sep}{filename}' for folder in folders)}, name another file as init, or use init: random"
        ) from error
    return cache / filename
