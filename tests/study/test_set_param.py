"""`dvc exp run -S`: DVC's own rewriting of params.yaml changes the lines of that key and no others, and writes what we read.

The real command is run by tests/workflow/test_workflow_experiments.py.
"""

import difflib
import itertools
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from graph import ROOT
from prunescope.results import yaml12
from prunescope.study.params import load

SHIPPED = ROOT / "params.yaml"


def apply(path: Path, *overrides: str) -> None:
    """Change a file as `dvc exp run -S ...` does."""
    from dvc.utils.hydra import apply_overrides  # half a second

    apply_overrides(path, list(overrides))


def set_params(folder: Path, *overrides: str) -> Path:
    """A copy of params.yaml, changed."""
    path = folder / "params.yaml"
    shutil.copy(SHIPPED, path)
    apply(path, *overrides)
    return path


def load_plain(path: Path) -> Any:
    return yaml12.read(path.read_text(encoding="utf-8"))


def changed_lines(path: Path) -> tuple[list[str], list[str]]:
    """(lines that went, lines that came), without comments."""
    before, after = (file.read_text(encoding="utf-8").splitlines() for file in (SHIPPED, path))
    lines = [line.partition(" #")[0].rstrip() for line in difflib.unified_diff(before, after, n=0, lineterm="")][2:]
    return [line[1:] for line in lines if line[0] == "-"], [line[1:] for line in lines if line[0] == "+"]


def comments(path: Path) -> int:
    return path.read_text(encoding="utf-8").count("#")


@pytest.mark.parametrize("override, gone, come", [
    ("sparsity=0.5", ["sparsity: 0.8"], ["sparsity: 0.5"]),
    ("method=oneshot", ["method: iterative"], ["method: oneshot"]),
    ("study.name=mine", ["  name: small"], ["  name: mine"]),
    ("study.seeds=[0,1]", [], ["  - 1"]),
    ("study.models=[vgg11]", ["  - vgg16_bn", "  - densenet169"], ["  - vgg11"]),
    ("distill.teachers=[]", ["  teachers:", "  - vgg16_bn"], ["  teachers: []"]),
    ("study.other_methods=[random]", ["  other_methods: []"], ["  other_methods:", "  - random"]),
    ("prune.oneshot.exclude=[classifier*]", ["    exclude: []"], ["    exclude:", "    - classifier*"]),
    ("prune.rewind-rate.step=0.2", ["    step: 0.1"], ["    step: 0.2"]),
    ("data.digits.training.batch_size=32", ["      batch_size: 64"], ["      batch_size: 32"]),
    ("data.digits.training.weight_decay=0.00005", ["      weight_decay: 0.0005"], ["      weight_decay: 5e-05"]),
    ("data.digits.pretrain.epochs=7", ["    pretrain: {epochs: 5, learning_rate: 0.03, schedule: cosine}"],
     ["    pretrain: {epochs: 7, learning_rate: 0.03, schedule: cosine}"]),
    ("data.own.prepare.path=my-images", ["      path: own-images"], ["      path: my-images"]),
    ("data.own.prepare.test_fraction=official", ["      test_fraction: 0.2"], ["      test_fraction: official"]),
    ("sensitivity.models=[vgg16_bn]", ["  models: []"], ["  models:", "  - vgg16_bn"]),
    ("sensitivity.levels=[0.5,0.99]", ["  - 0.8", "  - 0.9", "  - 0.95"], ["  - 0.99"]),
    ("deploy.formats=[fp32,int8]", ["  formats: []"], ["  formats:", "  - fp32", "  - int8"]),
    ("cka.pool=true", ["  pool: false"], ["  pool: true"]),
    ("cka.bandwidth=0.5", ["  bandwidth: linear"], ["  bandwidth: 0.5"]),
    ("runtime.processes=2", ["  processes: auto"], ["  processes: 2"]),
])  # fmt: skip
def test_one_key_changes_and_nothing_else(tmp_path, override, gone, come):
    path = set_params(tmp_path, override)
    assert changed_lines(path) == (gone, come)
    assert comments(path) == comments(SHIPPED)


def lists(of: Any, path: str = "") -> Iterator[str]:
    """Keys of the file that have lists."""
    for name, value in of.items() if isinstance(of, dict) else ():
        place = f"{path}.{name}".lstrip(".")
        yield from [place] if isinstance(value, list) else lists(value, place)


def stands_above(path: Path) -> list[tuple[str, str]]:
    """Each line that is a comment with the key on the line below it."""
    lines = path.read_text(encoding="utf-8").splitlines()
    return [(one, below.partition(":")[0]) for one, below in itertools.pairwise(lines) if one.lstrip().startswith("#")]


def test_every_comment_keeps_its_place_when_a_list_is_set(tmp_path):
    """One that stood behind a list would move into it."""
    every = list(lists(load_plain(SHIPPED)))
    assert len(every) > 20 and "deploy.formats" in every
    path = set_params(tmp_path, *(f"{place}=[x,y,z]" for place in every))
    assert stands_above(path) == stands_above(SHIPPED)


def test_a_list_there_and_back_loses_no_comment(tmp_path):
    """An empty list beside a comment would make the next table's first line no YAML: `cka: probe_images: 512`."""
    there = ("study.seeds=[0,1]", "study.methods=[oneshot]", "study.other_methods=[random]", "distill.teachers=[]")
    asked = ("sensitivity.models=[vgg16_bn]", "sensitivity.levels=[0.9]")
    back = ("study.seeds=[0]", "study.methods=[oneshot,layerwise,iterative]", "study.other_methods=[]")
    here = set_params(tmp_path, *there, *asked, "prune.oneshot.exclude=[a,b]", "prune.lottery.exclude=[c]")
    assert load_plain(here)["distill"]["teachers"] == []
    apply(here, "sensitivity.models=[]", "sensitivity.levels=[0.5,0.8,0.9,0.95]")
    apply(here, *back, "distill.teachers=[vgg16_bn]", "prune.oneshot.exclude=[]", "prune.lottery.exclude=[]")
    assert here.read_text(encoding="utf-8") == SHIPPED.read_text(encoding="utf-8")


def floats(table: Any, above: str = "") -> dict[str, Any]:
    """Every key of the file whose value may be a float."""
    found = {}
    for name, value in table.items():
        key = f"{above}{name}"
        if isinstance(value, dict):
            found |= floats(value, f"{key}.")
        elif isinstance(value, float) or name in ("bandwidth", "test_fraction", "epochs", "epochs_per_round", "save_seconds"):
            found[key] = value
    return found


def test_small_numbers_are_read_as_dvc_writes_them(tmp_path):
    """Each float of the file set to 5e-05, which YAML 1.1 reads as text."""
    keys = floats(load_plain(SHIPPED))
    assert len(keys) >= 109
    path = set_params(tmp_path, *(f"{key}=0.00005" for key in keys), f"compare_sparsities={[5e-05] * 4}")
    text = path.read_text(encoding="utf-8")
    assert text.count("5e-05") == len(keys) + 4
    assert set(floats(load_plain(path)).values()) == {5e-05}
    loaded = load(path)
    found = [loaded.sparsity, loaded.cka.bandwidth, loaded.data["own"].prepare.test_fraction, loaded.prune["lottery"].step]
    assert [*found, loaded.data["digits"].training.weight_decay, loaded.data["cifar100"].distill.learning_rate] == [5e-05] * 6
