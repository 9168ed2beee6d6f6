"""The parts of a column: bands of ages, thirds of numbers, values."""

import numpy as np
import pytest

from prunescope.evidence.bands import parts


def sizes(column: str, cells: list[str]) -> dict[str, int]:
    return {name: int(images.sum()) for name, images in parts(column, cells)}


def test_bands_of_ages_begin_where_they_say():
    found = dict(parts("Age", ["39.5", "40", "59", "59.5", "60", "0", "", "NA", "85.0"]))
    assert {name: np.flatnonzero(images).tolist() for name, images in found.items()} == {
        "under 40": [0, 5], "40 to 59": [1, 2, 3], "60 and over": [4, 8], "unknown": [6, 7],
    }  # fmt: skip
    assert sizes("age", ["70", "65"]) == {"60 and over": 2}, "bands without images are left out"


@pytest.mark.parametrize(
    ("cells", "wanted"),
    [
        ([*map(str, range(9)), ""], {"up to 2": 3, "above 2, up to 5": 3, "above 5": 3, "unknown": 1}),
        (["0.5"] * 8 + [*map(str, range(1, 9))], {"up to 0.5": 8, "above 0.5, up to 3": 3, "above 3": 5}),
        (["2", "10", "1", "unknown", "10"], {"1": 1, "2": 1, "10": 2, "unknown": 1}),
        (["unknown", "back", "arm", "", "back"], {"arm": 1, "back": 2, "unknown": 2}),
        (["about 80", *map(str, range(9))], {str(n): 1 for n in range(9)} | {"about 80": 1}),
    ],
)
def test_parts(cells, wanted):
    found = sizes("any", cells)
    assert found == wanted and list(found) == list(wanted)
    assert np.array([images for _, images in parts("any", cells)]).sum(0).tolist() == [1] * len(cells), "each image in one"


def test_ages_in_words_are_values():
    assert sizes("age", ["young", "old", "old"]) == {"old": 2, "young": 1}
