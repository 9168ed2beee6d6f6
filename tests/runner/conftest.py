"""A clone of the project with fake stages, for whatever runs its graph."""

import pytest

from clone import Clone


@pytest.fixture
def clone(tmp_path) -> Clone:
    return Clone(tmp_path)
