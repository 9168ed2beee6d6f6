"""What a difference between networks allows to say: its error over new seeds and new test images, and a verdict of four words.

Numbers alone, no files. A cell is a table of arms by seeds: y[a, s] = arm + seed + noise. The noise is pooled over all arms of
the cell, which gives (A - 1)(S - 1) degrees of freedom where one pair of arms has S - 1. benchmarks/verdicts.py simulates how
often the verdicts err.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
LEVEL = 0.95
ROUNDING = 1e-9  # spreads below are of the arithmetic, not of the seeds
BETTER, WORSE, EQUAL, OPEN, NOT_RUN = "better", "worse", "equal within the margin", "not enough data", "not run"


@dataclass(frozen=True)
class Estimate:
    """A mean difference over n seeds (of others like a study's networks: over n of these, of models or of data sets).

    spread: variance of one seed's difference, known with `df` degrees of freedom · images: variance of the mean by the draw of
    test images, the same for all seeds; NaN where it is not known, which leaves new test images out of what is said.
    """

    mean: float
    n: int
    spread: float = math.nan
    df: float = 0.0
    images: float = math.nan

    @property
    def measured(self) -> bool:
        """Whether the seeds say how much they differ: two or more, and not all by the same amount."""
        return self.n > 1 and self.df > 0 and self.spread > ROUNDING**2

    @property
    def of_images(self) -> float:
        return 0.0 if math.isnan(self.images) else self.images

    @property
    def error(self) -> float:
        """Standard error over new seeds and, where `images` is known, new test images."""
        return math.sqrt(self.spread / self.n + self.of_images) if self.measured else math.nan

    @property
    def freedom(self) -> float:
        """Degrees of freedom of the whole error (Satterthwaite 1946); that of the images is taken as known."""
        return self.df * (self.error**2 / (self.spread / self.n)) ** 2 if self.measured else math.nan

    @cached_property
    def half_width(self) -> float:
        from scipy.special import stdtrit  # Student's t; slow to import

        return float(stdtrit(self.freedom, (1 + LEVEL) / 2)) * self.error if self.measured else math.nan

    @property
    def low(self) -> float:
        return self.mean - self.half_width

    @property
    def high(self) -> float:
        return self.mean + self.half_width

    @cached_property
    def p(self) -> float:
        """Of no difference, two-sided; NaN without a spread."""
        from scipy.special import stdtr

        return float(2 * stdtr(self.freedom, -abs(self.mean) / self.error)) if self.measured else math.nan

    def p_beyond(self, margin: float) -> float:
        """Of a difference as large as the margin or larger: the larger p of two one-sided tests (Schuirmann 1987)."""
        from scipy.special import stdtr

        return float(stdtr(self.freedom, (abs(self.mean) - margin) / self.error)) if self.measured else math.nan

    def turned(self) -> "Estimate":
        """The same difference taken the other way round."""
        return replace(self, mean=-self.mean)

    def text(self, form: str = "+.1f") -> str:
        """+0.8 [−0.4, +2.0]; without brackets where no spread was measured; – where nothing ran."""
        if not self.n:
            return "–"
        bounds = f" [{self.low:{form}}, {self.high:{form}}]" if self.measured else ""
        return f"{self.mean:{form}}{bounds}".replace("-", "−")


def noise(table: Floats) -> tuple[float, float]:
    """Variance left of arms by seeds (A, S; NaN where one did not run) after a mean for each arm and each seed, and its degrees
    of freedom. (NaN, 0) where none are left."""
    if table.size and not np.isnan(table).any():
        left = table - table.mean(0) - table.mean(1, keepdims=True) + table.mean()
        freedom = (table.shape[0] - 1) * (table.shape[1] - 1)
        return (float((left**2).sum()) / freedom, float(freedom)) if freedom else (math.nan, 0.0)
    rows, columns = np.nonzero(~np.isnan(table))
    arms, seeds = np.eye(table.shape[0])[rows], np.eye(table.shape[1])[columns]
    design, values = np.hstack([arms, seeds]), table[rows, columns]
    freedom = len(values) - int(np.linalg.matrix_rank(design)) if len(values) else 0
    if not freedom:
        return math.nan, 0.0
    left = values - design @ np.linalg.lstsq(design, values, rcond=None)[0]
    return float(left @ left) / freedom, float(freedom)


def known_as(tables: Sequence[Floats]) -> float:
    """Which share of the degrees of freedom of its noise a cell really has, from the complete tables of all such cells (A, S).

    The whole where all arms are alike noisy. If one arm, the control say, makes most of the noise, pooling over the others adds
    hardly any knowledge of it: down to 1 / (A - 1). From what is left of the arms' covariance (Huynh and Feldt 1976, as
    corrected by Lecoutre 1991).
    """
    left = [of - of.mean(0) - of.mean(1, keepdims=True) + of.mean() for of in tables]
    shapes = [(of @ of.T / (of**2).sum(), of.shape[1] - 1) for of in left if (of**2).sum() > ROUNDING**2]
    seeds, arms = sum(freedom for _, freedom in shapes), len(tables[0]) if tables else 0
    if arms < 3 or not seeds:
        return 1.0
    mean = np.sum([of * freedom for of, freedom in shapes], axis=0) / seeds
    alike = 1 / float((mean**2).sum())  # as if so many contrasts of the arms were equally noisy, others not at all
    if seeds - alike < ROUNDING:
        return 1.0
    return min(max(((seeds + 1) * alike - 2) / (seeds - alike) / (arms - 1), 1 / (arms - 1)), 1.0)


def noise_of_pairs(own: Floats, pooled: Floats) -> Floats:
    """Variance (K, C) of one seed's difference, from each comparison's own in each cell (NaN with fewer than two seeds) and the
    pooled noise of its arms there, both (K, C).

    The largest of three: the pooled one; the mean of it and the comparison's own; the pooled one times how much more than it
    this comparison varies on average over the cells. The other two stand in for an arm that is noisier than the rest, in one
    cell or in all. How often the verdicts err so, and with other rules: benchmarks/README.md.
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        relative = own / pooled
    known = np.isfinite(relative)
    usual = np.where(known, relative, 0).sum(0) / np.maximum(known.sum(0), 1)
    return pooled * np.maximum(np.maximum(1.0, usual), np.where(known, (1 + relative) / 2, 0))


def common(first: Floats, second: Floats, apart: NDArray[np.bool_]) -> float:
    """What the draw of test images adds to the covariance of two mean differences; NaN where all pairs are of one seed.

    first (S, B), second (T, B): deviations by seed in the same B resamples of images · apart (S, T): whether the seeds differ.
    Only what different seeds share counts: what each seed has of its own is in the spread over seeds already.
    """
    if not apart.any():
        return math.nan
    both = (first - first.mean(1, keepdims=True)) @ (second - second.mean(1, keepdims=True)).T / (first.shape[1] - 1)
    return float(both[apart].mean())


def holm(values: Sequence[float]) -> list[float]:
    """p-values adjusted for their number (Holm 1979): fewer than one family in twenty has a false one below 0.05. NaN stays."""
    found = np.asarray(values, dtype=float)
    known = np.flatnonzero(~np.isnan(found))
    order = known[np.argsort(found[known], kind="stable")]
    adjusted = np.full(len(found), np.nan)
    adjusted[order] = np.minimum(np.maximum.accumulate(found[order] * np.arange(len(order), 0, -1)), 1)
    return adjusted.tolist()


@dataclass(frozen=True)
class Judgement:
    """A comparison with its verdict among `family` others; `p` is Holm's."""

    estimate: Estimate
    p: float
    verdict: str
    family: int
    margin: float

    def turned(self) -> "Judgement":
        other = {BETTER: WORSE, WORSE: BETTER}.get(self.verdict, self.verdict)
        return replace(self, estimate=self.estimate.turned(), verdict=other)


def judge_all(estimates: Sequence[Estimate], margin: float) -> list[Judgement]:
    """A family of comparisons: all with two seeds or more, which count though they may have no spread.

    Equal: shown to be less than the margin, though it may be certain that it is not zero.
    """
    looked = [of.n > 1 for of in estimates]
    different, beyond = (
        holm([1.0 if seen and math.isnan(p) else p for seen, p in zip(looked, ps, strict=True)])
        for ps in ([of.p for of in estimates], [of.p_beyond(margin) for of in estimates])
    )
    family = sum(looked)
    found = []
    for of, p, other in zip(estimates, different, beyond, strict=True):
        word = OPEN if of.n else NOT_RUN
        if of.measured and other < 1 - LEVEL:
            word = EQUAL
        elif of.measured and p < 1 - LEVEL:
            word = BETTER if of.mean > 0 else WORSE
        found.append(Judgement(of, p, word, family, margin))
    return found
