"""What is known of images beside class and group (a patient's age, sex, site; a camera): text, and what can be made of it."""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

UNKNOWN = "unknown"
EMPTY = ("", "unknown", "nan", "na", "n/a")  # how tables write what is not known, in any case of letters
MOST_VALUES = 20  # of a column of text: with more (names, remarks) it makes no subgroups. HAM10000 has 15 sites


def plain(cell: str) -> str:
    """A cell on one line of printable characters."""
    return "".join(sign for sign in " ".join(cell.split()) if sign.isprintable())


def known(cells: Iterable[str]) -> NDArray[np.str_]:
    """The cells, with one word for what is not known."""
    return np.array([UNKNOWN if cell.strip().casefold() in EMPTY else cell for cell in cells], dtype=np.str_)


def numbers(cells: Iterable[str]) -> NDArray[np.float64] | None:
    """The cells as finite numbers, NaN where not known; None for a column of text, or of which nothing is known."""
    try:
        found = np.array([np.nan if cell == UNKNOWN else float(cell) for cell in known(cells).tolist()])
    except ValueError:
        return None
    return None if np.isinf(found).any() or np.isnan(found).all() else found


def makes_subgroups(cells: Iterable[str]) -> bool:
    """Whether a column divides the images into a few parts: numbers can be put in bands, text needs few values."""
    values = np.unique(known(cells))
    return len(values) > 1 and (len(values) <= MOST_VALUES or numbers(values.tolist()) is not None)
