"""A clone of the project with fake stages, for whatever runs its graph; a Ray cluster on this machine."""

from collections.abc import Iterator
from importlib import import_module
from typing import Any

import pytest

from clone import Clone


@pytest.fixture
def clone(tmp_path) -> Clone:
    return Clone(tmp_path)


@pytest.fixture
def cluster(tmp_path, monkeypatch) -> Iterator[Any]:
    """Two nodes of one CPU; what is shipped goes below the test's folder."""
    (tmp_path / "worker").mkdir()
    for name, value in (("RAY_TMPDIR", "/tmp"), ("TMPDIR", str(tmp_path / "worker")), ("RAY_USAGE_STATS_ENABLED", "0")):
        monkeypatch.setenv(name, value)
    made: Any = import_module("ray.cluster_utils").Cluster(
        initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False}
    )
    made.second = made.add_node(num_cpus=1, resources={"second": 1})
    monkeypatch.setenv("RAY_ADDRESS", made.address)
    yield made
    made.shutdown()
