"""`dvc exp run`: methods compared, a level and back, params.yaml after `-S`. Slow: DVC takes 1 s and more a stage."""

import re

import pytest

from clone import ALL, CELL, LAST, Clone

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]


@pytest.fixture(scope="module")
def clone(tmp_path_factory) -> Clone:
    """A clone in which everything has run once."""
    clone = Clone(tmp_path_factory.mktemp("experiments"))
    assert clone.executed("dvc", "repro") == ALL
    clone.commit()
    return clone


def test_methods_compared_without_training(clone):
    assert clone.executed("dvc", "exp", "run", "-S", "method=oneshot", "-n", "oneshot") == {"selected": 1}
    assert clone.executed("dvc", "exp", "run", "-S", "method=iterative", "-n", "iterative").keys() <= {"selected"}
    printed = clone.run("dvc", "metrics", "diff", "oneshot", "iterative")
    assert re.search(r"metrics/selected.json +number +0\.\d+ +0\.\d+", printed), printed


def test_a_level_and_back(clone):
    assert clone.executed("dvc", "exp", "run", "-S", "sparsity=0.5") == CELL | LAST
    assert clone.executed("dvc", "exp", "run", "-S", "sparsity=0.8") == {}, "back to an earlier value: the run cache"


def test_params_survive_set_param(clone):
    """`-S` rewrites params.yaml: it must change its line and keep every comment."""
    before = (clone.folder / "params.yaml").read_text(encoding="utf-8").splitlines()
    assert clone.executed("dvc", "exp", "run", "-S", "cka.probe_images=64", "cka") == {"cka": 1}
    after = (clone.folder / "params.yaml").read_text(encoding="utf-8").splitlines()
    changed = [(old, new) for old, new in zip(before, after, strict=True) if old != new]
    ((old, new),) = changed
    assert old.partition(" #")[0].rstrip() == "  probe_images: 512"
    assert new.partition(" #")[0].rstrip() == "  probe_images: 64"
    assert old.partition("#")[2] == new.partition("#")[2] != ""
