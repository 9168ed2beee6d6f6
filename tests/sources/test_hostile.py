"""Input that cannot be trusted: one clear error each, before any training, and nothing half-written that a run would trust."""

import signal
import subprocess
import sys
from pathlib import Path

import hostile_cifar
import hostile_disks
import hostile_folders
import hostile_ham
import hostile_images
import hostile_tables
import pytest
from hostile import Case
from source_fakes import class_tree, run, write_tree

from prunescope.errors import PrunescopeError

TABLES = [module.CASES for module in (hostile_images, hostile_folders, hostile_tables, hostile_ham, hostile_cifar, hostile_disks)]
CASES: dict[str, Case] = {name: case for cases in TABLES for name, case in cases.items()}


def test_there_are_as_many_cases_as_names():
    assert len(CASES) == sum(len(cases) for cases in TABLES) >= 80


@pytest.fixture(scope="module")
def before(tmp_path_factory) -> dict[str, bytes]:
    """The files of a store that a hostile preparation must not touch."""
    folder = tmp_path_factory.mktemp("before") / "store"
    run("digits", folder, image_size=8)
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.parametrize("name", CASES)
def test_hostile_input_is_one_clear_error(tmp_path, monkeypatch, before, name):
    case = CASES[name]
    out = tmp_path / "out" / "store"
    out.mkdir(parents=True)
    for file, content in before.items():
        (out / file).write_bytes(content)
    given = tmp_path / "given"
    given.mkdir()
    settings = case.make(given, monkeypatch)
    with pytest.raises(PrunescopeError, match=case.message) as caught:
        run(case.source, out, **settings)
    message = str(caught.value)
    assert message.isprintable() and len(message) < 1500
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before
    assert [path.name for path in out.parent.iterdir()] == ["store"]
    assert not any(path.suffix == ".part" for path in tmp_path.rglob("*"))


def test_an_interrupted_preparation_leaves_nothing_and_runs_again(tmp_path):
    write_tree(tmp_path / "mine", class_tree(40))
    code = (
        "import os, signal, sys; sys.path.insert(0, sys.argv[1])\n"
        "from pathlib import Path\n"
        "from prunescope.sources import images\n"
        "from source_fakes import run\n"
        "whole, count = images.fit, []\n"
        "def fit(*given):\n"
        "    count.append(1)\n"
        "    if len(count) == 60: os.kill(os.getpid(), signal.SIGKILL)\n"
        "    return whole(*given)\n"
        "images.fit = fit\n"
        "run('folder', Path(sys.argv[2]), path=sys.argv[3])\n"
    )
    here = str(Path(__file__).parent)
    killed = subprocess.run([sys.executable, "-c", code, here, str(tmp_path / "out"), str(tmp_path / "mine")], check=False)
    assert killed.returncode == -signal.SIGKILL
    assert not (tmp_path / "out").exists() and any(path.name.endswith(".part") for path in tmp_path.iterdir())
    run("folder", tmp_path / "out", path=str(tmp_path / "mine"))
    run("folder", tmp_path / "never-killed", path=str(tmp_path / "mine"))
    kept = [{path.name: path.read_bytes() for path in (tmp_path / name).iterdir()} for name in ("out", "never-killed")]
    assert kept[0] == kept[1] and sorted(path.name for path in tmp_path.iterdir()) == ["mine", "never-killed", "out"]
