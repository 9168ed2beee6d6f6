"""Layers by the names that papers use: conv3_2 of VGG, denseblock3.layer12.conv2 of DenseNet."""

import re
from collections.abc import Sequence
from itertools import pairwise

DENSE = (("features.", ""), ("denselayer", "layer"))


def known(names: Sequence[str]) -> list[str]:
    """Of all layers of one network in its order; those of other networks keep theirs."""
    places = [int(found[1]) for name in names if (found := re.fullmatch(r"features\.(\d+)", name))]
    if places and len(places) == sum(name.startswith("features.") for name in names):
        convolutions = iter(_blocks(places))
        linear = iter(range(1, len(names) + 1))
        return [next(convolutions) if name.startswith("features.") else f"fc{next(linear)}" for name in names]
    return [_shorter(name) for name in names]


def _blocks(places: Sequence[int]) -> list[str]:
    """VGG's convolutions: where the next one is further away than the nearest two are, a pooling layer lies between."""
    gaps = [after - before for before, after in pairwise(places)]
    block, number, found = 1, 1, ["conv1_1"]
    for gap in gaps:
        block, number = (block + 1, 1) if gap > min(gaps) else (block, number + 1)
        found.append(f"conv{block}_{number}")
    return found


def _shorter(name: str) -> str:
    for old, new in DENSE:
        name = name.replace(old, new)
    return name
