"""What CKA maps and masks say, as rows and records for files; a dead layer's NaN becomes None: an empty cell, or null."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict

from prunescope.similarity.cka import Maps
from prunescope.similarity.intervals import Interval, Overlap

DEPTH = ("pair", "position", "layer", "cka", "low", "high", "standard_error")
OVERLAP = ("pair", "layer", "jaccard", "chance")

Pair = tuple[str, str]
Rows = Iterable[tuple[str | float | None, ...]]


def matrix(maps: Maps, first: str, second: str) -> Rows:
    """A row for each layer of `first`: its name and its similarity to each layer of `second`."""
    return ((layer, *map(_number, row)) for layer, row in zip(maps.layers[first], maps[first, second].round(6), strict=True))


def by_depth(maps: Maps, depths: Mapping[Pair, list[Interval]]) -> Rows:
    """Rows of DEPTH: each layer with the same layer of the other network, with its interval and standard error."""
    for (a, b), layers in depths.items():
        errors = maps.error(a, b).diagonal()
        for number, of in enumerate(layers):
            yield f"{a}--{b}", number, maps.layers[a][number], *map(_number, (of.value, of.low, of.high, errors[number]))


def overlaps(found: Mapping[Pair, dict[str, Overlap]]) -> Rows:
    """Rows of OVERLAP: what the masks of two networks share, layer by layer."""
    for (a, b), layers in found.items():
        for layer, of in layers.items():
            yield f"{a}--{b}", layer, _number(of.jaccard), _number(of.chance)


def record(values: Interval | Overlap) -> dict[str, float | None]:
    return {name: _number(value) for name, value in asdict(values).items()}


def _number(value: float) -> float | None:
    return None if math.isnan(value) else float(value)
