"""The data of the page's heat maps: every map that is there, a byte a cell, deflated, in base 64."""

import base64
import json
import zlib
from typing import Any

import numpy as np
import pandas as pd

from prunescope.figures.names import known
from prunescope.results.grid import Cell, cells_of
from prunescope.results.results import Results

LOWEST, HIGHEST, UNKNOWN = -0.1, 1.0, 255  # debiased values may lie slightly below 0; page.js reads the same
STEPS = 254


def data(results: Results) -> str:
    """JSON: by cell the layers of each network, and by pair of networks and seed the map; empty where cka did not run."""
    found = {str(cell): of for cell in cells_of(results.grid) if (of := _cell(results, cell))}
    return json.dumps(found, separators=(",", ":")) if found else ""


def _cell(results: Results, cell: Cell) -> dict[str, Any] | None:
    layers: dict[str, list[str]] = {}
    maps: dict[str, dict[str, str]] = {}
    for a, b in _pairs(results):
        for seed in results.grid.seeds:
            matrix = results.similarity_map(cell, seed, a, b)
            if matrix is not None:
                layers.setdefault(a, known([str(name) for name in matrix.index]))
                layers.setdefault(b, known([str(name) for name in matrix.columns]))
                maps.setdefault(f"{a}|{b}", {})[str(seed)] = packed(matrix)
    return {"layers": layers, "maps": maps} if maps else None


def _pairs(results: Results) -> list[tuple[str, str]]:
    networks = ("dense", *results.grid.methods)
    pairs = [(a, b) for place, a in enumerate(networks) for b in networks[place:]]
    students = [f"student-{name}" for name in ("alone", *networks)]
    return pairs + [(student, network) for student in students for network in networks]


def packed(matrix: pd.DataFrame) -> str:
    values = matrix.to_numpy(dtype=float)
    steps = np.rint((np.clip(values, LOWEST, HIGHEST) - LOWEST) / (HIGHEST - LOWEST) * STEPS)
    return base64.b64encode(zlib.compress(np.where(np.isnan(values), UNKNOWN, steps).astype(np.uint8).tobytes(), 9)).decode(
        "ascii"
    )
