"""A base that never saw the data teaches nobody: refused before anything runs."""

import json
from pathlib import Path

import pytest
from test_params import changed

from prunescope.errors import PrunescopeError
from prunescope.study.params import Params, load
from prunescope.study.runnable import remarks

TAUGHT = {"study__methods": ["oneshot", "layerwise", "iterative", "oneshot-taught"], "study__other_methods": ["oneshot-taught"]}


def loaded(folder: Path, **changes) -> Params:
    (folder / "params.yaml").write_text(json.dumps(changed(**changes)), encoding="utf-8")
    return load(folder / "params.yaml")


@pytest.mark.parametrize(("changes", "found"), [
    (TAUGHT, "study.methods oneshot-taught"),
    ({"study__taught": ["vgg16_bn"]}, "study.taught vgg16_bn"),
    (TAUGHT | {"study__taught": ["vgg16_bn"]}, "study.methods oneshot-taught and study.taught vgg16_bn"),
])  # fmt: skip
def test_a_base_without_training_teaches_nobody(tmp_path, changes, found) -> None:
    loaded(tmp_path, **changes)
    with pytest.raises(
        PrunescopeError, match=rf"1 problem\(s\).*\n  data\.digits\.pretrain\.epochs: found 0 and {found}, wanted no"
    ):
        loaded(tmp_path, **changes, data__digits__pretrain__epochs=0)
    loaded(tmp_path, data__digits__pretrain__epochs=0)
    loaded(tmp_path, **changes, data__own__pretrain__epochs=0)  # a row that the study does not run


def test_a_file_may_know_the_data(tmp_path) -> None:
    """It may have been trained elsewhere: a remark of `prunescope check`, no problem."""
    from_file = {"data__digits__pretrain__epochs": 0, "data__digits__network__init": "mine.pth"}
    assert remarks(loaded(tmp_path, **from_file)) == []
    [remark] = remarks(loaded(tmp_path, **from_file, **TAUGHT))
    assert remark.startswith(
        "data.digits.pretrain.epochs: 0, and the base teaches study.methods oneshot-taught: does mine.pth know"
    )
