"""Who pays, by subgroup (of age, sex, site, camera): the change of recall from the dense control to each method, on its images.

The interval resamples groups of images (lesions), each with its predictions by all networks. A finding needs more: an error over
new seeds too, and a correction for all comparisons that the study makes (Holm 1979).
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from prunescope.evidence.bands import Bools, parts
from prunescope.evidence.classes import complete_seeds
from prunescope.evidence.inference import holm
from prunescope.evidence.subgroup_errors import Errors, churn, of_groups, of_seeds, p_values
from prunescope.resampling import Floats, resampled_sums
from prunescope.results.grid import Cell, cells_of
from prunescope.results.predictions import DRAWS, TAILS, Predictions
from prunescope.results.results import Results

LEAST_GROUPS = 30  # groups (lesions) of a subgroup, with fewer it is shown but never named as a finding
LEAST_CRITICAL = 10  # of them with the critical class, for a finding about its recall
LEAST_OF_CLASS = 5  # groups of a class in a subgroup, with fewer it does not count in the subgroup's balanced accuracy
LEVEL = 0.05  # chance of any false finding among all comparisons of the study
EVERY = "all images"  # shown beside the subgroups, never among them
BALANCED = "balanced accuracy"
COLUMNS = 512  # that are resampled together, which bounds the memory


@dataclass(frozen=True, eq=False)
class Part:
    """Images (N,) of a subgroup that a measure counts, and of which classes (numbers among the sorted ones)."""

    column: str
    name: str
    measure: str
    images: Bools
    classes: Mapping[int, int]  # by number the groups with images of it
    groups: int
    small: bool


@dataclass(frozen=True, eq=False)
class Change:
    """What a method does to a subgroup, as fractions; low and high are over test images. `p` is NaN with one seed."""

    cell: Cell
    method: str
    part: Part
    dense: float
    value: float
    low: float
    high: float
    errors: Errors
    p: float = float("nan")

    @property
    def tested(self) -> bool:
        return not self.part.small and self.part.name != EVERY and not np.isnan(self.p)


@lru_cache(maxsize=512)
def changes(results: Results, cell: Cell) -> tuple[Change, ...]:
    """Of every subgroup, measure and method of a cell, means over the seeds that ran everything; none without columns."""
    ran = list(complete_seeds(results, cell).values())
    if not ran or not ran[0]["dense"].columns:
        return ()
    methods, images = results.grid.methods, ran[0]["dense"]
    of_subgroups, found = list(_parts(images, results.grid.critical)), []
    together = max(1, COLUMNS // ((len(methods) + 1) * len(images.classes)))
    for first in range(0, len(of_subgroups), together):
        some = of_subgroups[first : first + together]
        columns = [_columns(methods, ran, part) for part in some]
        sums = resampled_sums(np.hstack(columns), images.table["group"].to_numpy(), draws=DRAWS)
        ends = np.cumsum([of.shape[1] for of in columns])[:-1]
        for part, mine in zip(some, np.split(sums, ends, axis=1), strict=True):
            found += _changes(cell, methods, ran, part, mine)
    return tuple(change for measure in dict.fromkeys(of.measure for of in of_subgroups) for change in _judged(found, measure))


def _judged(found: Sequence[Change], measure: str) -> Iterator[Change]:
    """The changes by one measure with their p values."""
    mine = [change for change in found if change.part.measure == measure]
    values = p_values([change.errors for change in mine], [change.value for change in mine])
    yield from (replace(change, p=float(p)) for change, p in zip(mine, values, strict=True))


def findings(results: Results) -> list[Change]:
    """The changes that are neither the draw of images nor that of seeds, the surest first; never of small subgroups."""
    tested = [change for change in every_change(results) if change.tested]
    corrected = holm([change.p for change in tested])
    order = np.argsort([change.p for change in tested], kind="stable")
    return [tested[place] for place in order if corrected[place] < LEVEL]


def of_choices(results: Results, found: Sequence[Change]) -> list[Change]:
    """Those of methods that somebody may choose: of a negative control nobody asks who pays."""
    return [change for change in found if change.method in results.grid.choices]


def every_change(results: Results) -> list[Change]:
    return [change for cell in cells_of(results.grid) for change in changes(results, cell)]


def _parts(images: Predictions, critical: tuple[str, ...]) -> Iterator[Part]:
    """All subgroups by balanced accuracy, then by the recall of each critical class that the data set has."""
    found = [(column, *of) for column in images.columns for of in parts(column, images.table[column].tolist())]
    found = [(column, name, mask) for column, name, mask in found if not mask.all()]
    if not found:
        return
    groups = np.unique(images.table["group"].to_numpy(dtype=str), return_inverse=True)[1].reshape(-1)
    subgroups = [("", EVERY, np.ones(len(groups), dtype=bool)), *found]
    totals = [len(np.unique(groups[mask])) for _, _, mask in subgroups]
    actual, classes = images.member.argmax(1), len(images.classes)
    pairs = [np.unique(groups[mask] * classes + actual[mask]) for _, _, mask in subgroups]
    by_class = [np.bincount(of % classes, minlength=classes) for of in pairs]  # (K,) groups with images of each class
    for (column, name, mask), total, of in zip(subgroups, totals, by_class, strict=True):
        enough = {int(number): int(of[number]) for number in np.flatnonzero(of >= LEAST_OF_CLASS)}
        yield Part(column, name, BALANCED, mask, enough, total, total < LEAST_GROUPS or not enough)
    for number in (images.classes.index(name) for name in critical if name in images.classes):
        for (column, name, mask), total, of in zip(subgroups, totals, by_class, strict=True):
            mine = int(of[number])
            measure, small = f"recall of {images.classes[number]}", total < LEAST_GROUPS or mine < LEAST_CRITICAL
            yield Part(column, name, measure, mask & (actual == number), {number: mine} if mine else {}, mine, small)


def _changes(
    cell: Cell, methods: Sequence[str], ran: Sequence[Mapping[str, Predictions]], part: Part, sums: Floats
) -> Iterator[Change]:
    """By each method; sums (DRAWS, (M + 1) K): see `_columns`. NaN where no class has enough images."""
    if not part.classes:
        nan = float("nan")
        yield from (Change(cell, method, part, nan, nan, nan, nan, Errors(nan, nan)) for method in methods)
        return
    dense, count = ran[0]["dense"], len(methods)
    member, groups = _member(dense, part), np.array([*part.classes.values()])
    right = np.array([[known[name].right @ member / member.sum(0) for known in ran] for name in ("dense", *methods)])  # (A, S, K)
    spread, own, freedom = of_seeds(right.mean(2))
    numbers = np.unique(dense.table["group"].to_numpy(dtype=str), return_inverse=True)[1].reshape(-1)
    by_image = [np.array([known[name].right - known["dense"].right for known in ran]) for name in methods]  # (S, N) each
    churns = [churn(of, member, numbers) for of in by_image]
    of_images, *of_methods = np.split(sums, len(methods) + 1, axis=1)
    for number, (method, drawn_sums) in enumerate(zip(methods, of_methods, strict=True), start=1):
        with np.errstate(invalid="ignore"):
            rates = drawn_sums / of_images  # (DRAWS, K), NaN for a class that a draw is without
            by_class, drawn = np.nanvar(rates, axis=0), np.nansum(rates, axis=1) / (~np.isnan(rates)).sum(1)
        values = (right[number] - right[0]).mean(0)  # (K,)
        value = float(values.mean())
        low, high = np.nanquantile(drawn, TAILS)
        if high - low < 1e-12:  # all resamples alike: as wide as so many groups allow that look alike by chance, one in twenty
            bound = float((1 - 0.05 ** (1 / groups)).mean())
            low, high = (np.clip(value + side * bound, -1, 1) for side in (-1, 1))
        of_draw = of_groups(values, by_class, float(np.nanvar(drawn)), groups)
        beyond = float(own[number - 1]) - churns[number - 1]
        errors = Errors(*of_draw, spread, sum(churns) / count, beyond, len(ran), freedom)
        yield Change(cell, method, part, float(right[0].mean()), value, float(low), float(high), errors)


def _member(images: Predictions, part: Part) -> Floats:
    """(N, K) 1 where an image is of the subgroup and of a class that the measure counts."""
    return images.member[:, [*part.classes]] * part.images[:, None]


def _columns(methods: Sequence[str], ran: Sequence[Mapping[str, Predictions]], part: Part) -> Floats:
    """What is summed over the images of a draw: (N, (M + 1) K), being there, then the mean change over seeds by each method."""
    member = _member(ran[0]["dense"], part)
    by_image = [np.mean([known[name].right - known["dense"].right for known in ran], axis=0) for name in methods]
    return np.hstack([member, *(of[:, None] * member for of in by_image)])
