"""How often each verdict on a conclusion is given over six cells that truly agree or differ: simulated, by the page's rule.

    python benchmarks/over_cells.py

Cells of dense and three methods with three seeds; the conclusion is that layerwise is worse than both others, the margin 1
point. Prints Markdown.
"""

import numpy as np
from numpy.typing import NDArray

from prunescope.evidence.claims import DEPENDS, FAILS, HOLDS, overall
from prunescope.evidence.differences import judge
from prunescope.evidence.inference import EQUAL, OPEN
from prunescope.evidence.layouts import Layout, compare
from prunescope.results.grid import Cell

Floats = NDArray[np.float64]
ARMS = ("dense", "oneshot", "layerwise", "iterative")
PAIRS = (("oneshot", "layerwise"), ("oneshot", "iterative"), ("iterative", "layerwise"))
WEIGHTS = {f"{a} − {b}": {a: 1.0, b: -1.0} for a, b in PAIRS}
JUDGED = ("oneshot − layerwise", "iterative − layerwise")
WORDS = (HOLDS, FAILS, EQUAL, DEPENDS, OPEN)
CELLS, SEEDS, STUDIES = 6, 3, 1000
LOST = {  # points that layerwise loses in each cell
    "0 in all": (0, 0, 0, 0, 0, 0),
    "half the margin in all": (0.5, 0.5, 0.5, 0.5, 0.5, 0.5),
    "the margin in all": (1, 1, 1, 1, 1, 1),
    "2 margins in all": (2, 2, 2, 2, 2, 2),
    "0 in half, half the margin in half": (0, 0, 0, 0.5, 0.5, 0.5),
    "0 in half, 2 margins in half": (0, 0, 0, 2, 2, 2),
    "0 in half, 4 margins in half": (0, 0, 0, 4, 4, 4),
    "0 in five, 4 margins in one": (0, 0, 0, 0, 0, 4),
    "-2 margins in half, 2 in half": (-2, -2, -2, 2, 2, 2),
}


def verdict(values: Floats, margin: float = 1.0) -> str:
    """On the conclusion, of values (cells, arms, seeds)."""
    layouts = {
        Cell("model", "data", number / 10): Layout(
            {arm: dict(enumerate(row)) for arm, row in zip(ARMS, cell, strict=True)}, WEIGHTS, {}
        )
        for number, cell in enumerate(values.tolist())
    }
    found = judge(compare(layouts), margin)
    return overall({cell: {name: of[name] for name in JUDGED} for cell, of in found.items()})


def studies(lost: tuple[float, ...], noise: float, seed: int = 0) -> Floats:
    """(STUDIES, cells, arms, seeds): what a seed does to all arms, `noise` of each network, and what layerwise loses."""
    generator = np.random.default_rng(seed)
    shape = STUDIES, CELLS, len(ARMS), SEEDS
    values = generator.normal(size=(STUDIES, CELLS, 1, SEEDS)) + noise * generator.normal(size=shape)
    values[:, :, ARMS.index("layerwise")] -= np.array(lost)[:, None]
    return values


def main() -> None:
    print(f"| layerwise loses | noise of a network, points | {' | '.join(WORDS)} |")
    print(f"| :-- | --: |{' --: |' * len(WORDS)}")
    for name, lost in LOST.items():
        for noise in (0.2, 0.5):
            said = [verdict(study) for study in studies(lost, noise)]
            shares = " | ".join(f"{100 * said.count(word) / STUDIES:.1f}" for word in WORDS)
            print(f"| {name} | {noise} | {shares} |", flush=True)


if __name__ == "__main__":
    main()
