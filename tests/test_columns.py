"""Further columns of images: what is not known, what is a number, what makes subgroups."""

import numpy as np
import pytest

from prunescope.columns import MOST_VALUES, known, makes_subgroups, numbers, plain


def test_what_is_not_known_has_one_word():
    assert known(["", " ", "NaN", "n/a", "Unknown", "0", "none"]).tolist() == ["unknown"] * 5 + ["0", "none"]


def test_cells_become_one_line():
    assert plain(" two\n lines\u200b\x00 ") == "two lines"


@pytest.mark.parametrize(
    ("cells", "wanted"),
    [
        (["1", "2.5", "", "-1e3"], [1, 2.5, np.nan, -1000]),
        (["1", "one"], None),
        (["", "unknown"], None),
        (["1", "inf"], None),
        ([], None),
    ],
)
def test_numbers(cells, wanted):
    found = numbers(cells)
    assert (found is None) == (wanted is None)
    assert found is None or np.array_equal(found, wanted, equal_nan=True)


@pytest.mark.parametrize(
    ("cells", "wanted"),
    [
        ([f"site {n}" for n in range(MOST_VALUES)], True),
        ([f"patient {n}" for n in range(MOST_VALUES + 1)], False),
        ([str(n) for n in range(500)], True),
        ([*map(str, range(500)), "about 80"], False),
        (["male"] * 9, False),
        (["male", ""], True),
        (["", "unknown", "NA"], False),
    ],
)
def test_what_makes_subgroups(cells, wanted):
    assert makes_subgroups(cells) is wanted
