"""The parts that a column of images is divided into: bands of ages, thirds of numbers, else its values."""

from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from prunescope.columns import UNKNOWN, known, numbers

AGES = (40, 60)  # years at which bands begin: under 40, 40 to 59, 60 and over
AGE = ("age", "age_approx")  # what a column of ages is called, in any case of letters
FEW_NUMBERS = 6  # numbers that each make a part of their own (grades, the first or second camera); more are divided into thirds

Bools = NDArray[np.bool_]


def parts(column: str, cells: Sequence[str]) -> Iterator[tuple[str, Bools]]:
    """The name and the images (N,) of each part of a column; what is not known comes last, as a part of its own."""
    values = numbers(cells)
    if values is not None and (column.casefold() in AGE or len(np.unique(values[~np.isnan(values)])) > FEW_NUMBERS):
        found = list(_ages(values) if column.casefold() in AGE else _thirds(values))
        found.append((UNKNOWN, np.isnan(values)))
    else:
        words = known(cells)
        found = [(name, words == name) for name in _in_order(np.unique(words).tolist())]
    yield from ((name, images) for name, images in found if images.any())


def _ages(years: NDArray[np.float64]) -> Iterator[tuple[str, Bools]]:
    yield f"under {AGES[0]}", years < AGES[0]
    for begin, end in pairwise((*AGES, np.inf)):
        name = f"{begin} and over" if np.isinf(end) else f"{begin} to {end - 1:g}"
        yield name, (years >= begin) & (years < end)


def _thirds(values: NDArray[np.float64]) -> Iterator[tuple[str, Bools]]:
    """As many images in each as equal values allow."""
    low, high = np.nanquantile(values, [1 / 3, 2 / 3], method="inverted_cdf")
    yield f"up to {low:g}", values <= low
    yield f"above {low:g}, up to {high:g}", (values > low) & (values <= high)
    yield f"above {high:g}", values > high


def _in_order(names: list[str]) -> list[str]:
    as_numbers = numbers(names)
    order = names if as_numbers is None else [names[place] for place in np.argsort(as_numbers, kind="stable")]
    return sorted(order, key=lambda name: name == UNKNOWN)
