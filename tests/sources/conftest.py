"""What the tests of sources share: a disk with room, however full the machine's own is."""

import shutil
from types import SimpleNamespace

import pytest


@pytest.fixture(autouse=True)
def roomy(monkeypatch: pytest.MonkeyPatch) -> None:
    """1 TB free: a download asks for its gigabytes before it asks the network. Tests of a full disk say what they find."""
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=10**12))
