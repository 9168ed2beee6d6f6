"""The README's commands on real data and on own images run as typed."""

import pytest
from test_readme import DATA

from clone import CELL, Clone


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_commands_on_other_data_run_as_typed(tmp_path):
    """In their order, in a clone whose stages are fakes; what runs is counted."""
    clone = Clone(tmp_path, all_recipes=True, teachers=False)
    counts = [clone.executed("bash", "-c", command) for command in DATA]
    assert len(counts) == 4
    for small in counts[:3]:
        assert small["download"] == small["pretrain"] == CELL["prune-oneshot"]
    assert counts[3].get("download") == 1, "its parameters changed"
