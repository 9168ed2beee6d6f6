"""Paired differences between networks: over seeds with a t interval, within a seed with a bootstrap over test images.

The measure is balanced accuracy (mean recall of the classes; where all classes have as many test images it is accuracy).
Methods of one seed share their base network and the order of their images, so differences are taken seed by seed.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations

import numpy as np
import pandas as pd

from prunescope.evidence.text import NOT_RUN, NOTHING
from prunescope.results import predictions
from prunescope.results.grid import Cell, cells_of
from prunescope.results.predictions import TAILS, Predictions
from prunescope.results.results import Results
from prunescope.results.summary import runs

MEASURE = "balanced_accuracy"
LEVEL = 0.95
ROUNDING = 1e-9  # spreads below are of the arithmetic, not of the seeds
MOST_SEEDS = 100  # beyond them "more seeds" is no advice
NO_DIFFERENCE = "no difference shown"


@dataclass(frozen=True)
class Difference:
    """Differences of a measure by seed; `low` and `high` bound their mean with 95 % confidence (Student's t)."""

    by_seed: Mapping[int, float]

    @property
    def n(self) -> int:
        return len(self.by_seed)

    @property
    def mean(self) -> float:
        return float(np.mean(list(self.by_seed.values()))) if self.n else math.nan

    @cached_property
    def deviation(self) -> float:
        """Sample standard deviation over seeds; NaN with fewer than two."""
        return float(np.std(list(self.by_seed.values()), ddof=1)) if self.n > 1 else math.nan

    @property
    def half_width(self) -> float:
        """NaN with fewer than two seeds, which say nothing about their spread."""
        return self._width(1)

    @property
    def low(self) -> float:
        return self.mean - self.half_width

    @property
    def high(self) -> float:
        return self.mean + self.half_width

    @property
    def measured(self) -> bool:
        """Whether the seeds say how much they differ: two or more, and not all by the same amount."""
        return self.half_width > ROUNDING

    @property
    def sign(self) -> int:
        """1 or -1 where the interval leaves zero out, else 0."""
        return self.sign_among(1)

    def sign_among(self, comparisons: int) -> int:
        """The same with the interval widened for so many comparisons (Bonferroni): one false sign in twenty sets of them."""
        if not self.measured:
            return 0
        width = self._width(comparisons)
        return int(self.mean > width) - int(self.mean < -width)

    def _width(self, comparisons: int) -> float:
        return _quantile(self.n, comparisons) * self.deviation / math.sqrt(self.n) if self.n > 1 else math.nan

    def seeds_needed(self) -> int | None:
        """How many seeds of this mean and spread would leave zero out; None without a spread or beyond `MOST_SEEDS`."""
        if not self.measured or self.mean == 0:
            return None
        enough = (n for n in range(2, MOST_SEEDS + 1) if _quantile(n) * self.deviation / math.sqrt(n) < abs(self.mean))
        return next(enough, None)

    def text(self, form: str = "+.1f", comparisons: int = 1) -> str:
        """+0.8 [−0.4, +2.0], widened as in `sign_among`; without brackets where no spread was measured; – for no seed."""
        if not self.n:
            return NOTHING
        width = self._width(comparisons)
        bounds = f" [{self.mean - width:{form}}, {self.mean + width:{form}}]" if self.measured else ""
        return f"{self.mean:{form}}{bounds}".replace("-", "−")


def _quantile(n: int, comparisons: int = 1) -> float:
    from scipy.stats import t  # slow to import

    return float(t.ppf(1 - (1 - LEVEL) / (2 * comparisons), n - 1))


def paired(first: Mapping[int, float], second: Mapping[int, float]) -> Difference:
    """first minus second, over the seeds that have both."""
    shared = {seed: first[seed] - second[seed] for seed in first if seed in second}
    return Difference({seed: value for seed, value in shared.items() if not math.isnan(value)})


def by_seed(results: Results, cell: Cell, name: str, measure: str = MEASURE) -> dict[int, float]:
    """A measure of a network of a cell by seed, in percent; name: dense, a method, or student-<teacher>."""
    arm = runs(results.summary, cell, name)
    return {int(seed): float(value) * 100 for seed, value in zip(arm["seed"], arm[measure], strict=True)}


def between(results: Results, cell: Cell, first: str, second: str, measure: str = MEASURE) -> Difference:
    """first minus second of two networks of a cell, in points."""
    return paired(*(by_seed(results, cell, name, measure) for name in (first, second)))


def within_seed(first: Predictions, second: Predictions) -> tuple[float, float]:
    """95 % interval (points) of the difference of two networks' balanced accuracies, by resampling groups of test images.

    Each resample takes an image with the predictions of both.
    """
    predictions.same_images(first, second)
    (right, images), (right_of_second, _) = first.resampled, second.resampled
    with np.errstate(invalid="ignore"):
        low, high = np.quantile(np.nanmean((right - right_of_second) / images, axis=1), TAILS)
    return float(low) * 100, float(high) * 100


def difference_table(results: Results) -> pd.DataFrame:
    """A row per cell and pair: every method against the dense control, then the methods against each other."""
    rows = [
        cell.labels() | _row(results, cell, first, second)
        for cell in cells_of(results.grid)
        for first, second in _pairs(results.grid.methods)
    ]
    return pd.DataFrame(rows)


def _pairs(methods: Sequence[str]) -> Iterator[tuple[str, str]]:
    yield from ((method, "dense") for method in methods)
    yield from ((second, first) for first, second in combinations(methods, 2))


def _row(results: Results, cell: Cell, first: str, second: str) -> dict[str, str]:
    difference, accuracy = (between(results, cell, first, second, measure) for measure in (MEASURE, "accuracy"))
    by_images = []
    for seed in results.grid.seeds:
        one, other = (results.predictions(cell, seed, name) for name in (first, second))
        if one is not None and other is not None:
            by_images.append(within_seed(one, other))
    return {
        "networks": f"{first} − {second}",
        "n": str(difference.n),
        "balanced accuracy, points": difference.text() if difference.n else NOT_RUN,
        "accuracy, points": accuracy.text(),
        "shown by the images, seeds": _shown(by_images),
        "conclusion": conclusion(difference, first, second),
    }


def _shown(intervals: list[tuple[float, float]]) -> str:
    """In how many seeds the draw of test images alone does not explain the difference: +2 of 3, −1 of 3, 0 of 3."""
    if not intervals:
        return NOTHING
    up, down = sum(low > 0 for low, _ in intervals), sum(high < 0 for _, high in intervals)
    parts = [f"{sign}{count}" for count, sign in ((up, "+"), (down, "−")) if count]
    return f"{' '.join(parts) or 0} of {len(intervals)}"


def conclusion(difference: Difference, first: str, second: str) -> str:
    """What an interval over seeds allows to say."""
    if not difference.n:
        return NOT_RUN
    if difference.n == 1:
        return "one seed: nothing shown"
    if not difference.measured:
        return "alike in all seeds: no spread to judge by"
    return {1: f"{first} is better", -1: f"{second} is better", 0: NO_DIFFERENCE}[difference.sign]
