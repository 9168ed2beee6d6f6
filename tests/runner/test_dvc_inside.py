"""DVC's private functions that are replaced are those that are known, and what stands in for them gives the same."""

import hashlib
import inspect
import os
import random
import threading
from importlib import import_module
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from dvc import lock, rwlock
from dvc.dependency.param import read_param_file
from dvc.dvcfile import StageFileDoesNotExistError
from dvc.fs import LocalFileSystem
from dvc.repo import Repo
from dvc.repo.reproduce import collect_stages
from dvc.stage.serialize import to_lockfile

from clone import Clone
from graph import ROOT
from prunescope.runner import dvc_inside, lockfile

KNOWN = {
    "dvc.repo.reproduce._reproduce": "c763611bd0ef426b",
    "dvc.stage.run.cmd_run": "d2696e63976bcdc1",
    "dvc.repo.reproduce.collect_stages": "225d1d025adca206",
    "dvc.dependency.param.read_param_file": "710593e1b78d420e",
    "dvc.output.Output.get_hash": "731122d84fe0b235",
    "dvc.dvcfile.Lockfile.dump_stages": "be78a3c7bd285d86",
    "dvc.rwlock.rwlock": "e8e87c10cc6499ad",
    # not replaced, but relied upon
    "dvc.output.Output._get_hash_meta": "09224fe48913c295",
    "dvc.repo.stage.StageLoad.load_all": "3a319b921f67fb8b",
    "dvc.repo.index.Index.from_file": "5202daff56650e73",
    "dvc.repo.reproduce._reproduce_stage": "32cb1baa118f3faf",
    "dvc.repo.reproduce.reproduce": "290e8114b4213648",
    "dvc.stage.run.run_stage": "d4b66f275003adf3",
    "dvc.stage.decorators.unlocked_repo": "48479e14bcce9da9",
    "dvc.lock.Lock.lock": "a00e17950e40d402",
    "dvc.lock.HardlinkLock.lock": "eea1aeec0eb01136",
    "dvc.stage.decorators.rwlocked": "2f9910ef188bad66",
}


def found(name: str):
    parts = name.split(".")
    for cut in range(len(parts) - 1, 0, -1):
        try:
            value = import_module(".".join(parts[:cut]))
        except ModuleNotFoundError:
            continue
        for part in parts[cut:]:
            value = getattr(value, part)
        return value
    raise AssertionError(name)


def test_what_is_replaced_is_what_was_read() -> None:
    """Of another DVC these may mean something else: read them anew, then change KNOWN here and in dvc_inside."""
    assert dvc_inside.known()
    assert set(dvc_inside.REPLACED) <= KNOWN.keys()
    sources = {name: hashlib.sha256(inspect.getsource(found(name)).encode()).hexdigest()[:16] for name in KNOWN}
    assert sources == KNOWN


def test_everything_is_put_back() -> None:
    before = {name: found(name) for name in dvc_inside.REPLACED}
    with dvc_inside.replaced(lambda *_: [], lambda *_: None):
        assert all(found(name) is not before[name] for name in before)
    assert all(found(name) is before[name] for name in before)


def test_another_dvc_is_not_touched(monkeypatch) -> None:
    monkeypatch.setattr(dvc_inside, "version", lambda name: "3.670.1")
    assert not dvc_inside.known()
    monkeypatch.setattr(dvc_inside, "version", lambda name: "3.67.9")
    assert dvc_inside.known()


@pytest.mark.parametrize("text", [
    "", "schema: '2.0'\n", "# mine\nschema: '2.0'\nstages:\n  a:\n    cmd: b\n", "schema: '2.0'\nstages:\n  a:\n    cmd: b",
    "schema: '2.0'\nstages:\n  a:\n    cmd: b\ndatasets:\n- name: c\n",
    "schema: '2.0'\nstages:\n<<<<<<< HEAD\n  a:\n    cmd: b\n",
    "schema: '2.0'\nstages:\n  a:\n    cmd: &id001\n    - b\n  c:\n    cmd: *id001\n",
    "schema: '2.0'\nstages:\n  a: {cmd: b}\n", "schema: '2.0'\nstages:\n  a:\n    cmd: b\n  a:\n    cmd: c\n",
])  # fmt: skip
def test_a_lock_that_dvc_did_not_write_so_is_left_to_dvc(text) -> None:
    assert lockfile.split(text) is None


def test_entries_are_put_in_their_place_as_dvc_writes_them(tmp_path) -> None:
    """The real lock of this repository, each entry changed or taken away and written again: by both, to the letter."""
    text = (ROOT / "dvc.lock").read_text(encoding="utf-8")
    entries = lockfile.split(text)
    assert entries is not None and lockfile.HEAD + "".join(f"  {entry}" for entry in entries.values()) == text
    clone = Clone(tmp_path)
    path = clone.folder / "dvc.lock"
    script = (
        "import sys; from dvc.repo import Repo; from functools import partial; from dvc.dvcfile import Lockfile\n"
        "from prunescope.runner import lockfile\n"
        "write = partial(lockfile.dump_stages, slow=None) if sys.argv[1] == 'ours' else Lockfile.dump_stages\n"
        "with Repo() as repo:\n"
        "    for name in sys.argv[2:]:\n"
        "        [stage] = repo.stage.collect(name)\n"
        "        write(stage.dvcfile._lockfile, [stage])\n"
    )
    clone.run("dvc", "repro")
    whole = path.read_text(encoding="utf-8")
    names = list(lockfile.split(whole) or ())
    picked = random.Random(0).sample(names, 2)
    for place, name in enumerate(picked):
        kept = lockfile.split(whole) or {}
        del kept[name if place % 2 else names[0]]
        start = lockfile.HEAD + "".join(f"  {entry}" for entry in kept.values())
        texts = []
        for who in ("ours", "dvc"):
            path.write_text(start, encoding="utf-8")
            clone.run("python", "-c", script, who, name, picked[0])
            texts.append(path.read_text(encoding="utf-8"))
        assert texts[0] == texts[1], name


def test_lists_that_params_share_by_an_anchor_leave_a_lock_that_can_be_read(tmp_path, monkeypatch) -> None:
    """In two stages: each entry is written by itself, and one anchor's name twice in a file is no YAML."""
    shared = ["vgg16_bn"]
    entries = {name: {"cmd": "c", "params": {"params.yaml": {"study.models": shared, "study.narrow": shared}}} for name in "ab"}
    monkeypatch.setattr("dvc.stage.serialize.to_lockfile", lambda name: {name: entries[name]})
    file = SimpleNamespace(path=tmp_path / "dvc.lock", relpath="dvc.lock")
    file.repo = SimpleNamespace(scm_context=SimpleNamespace(track_file=lambda path: None))
    lockfile.dump_stages(file, ["a"], slow=None)
    lockfile.dump_stages(file, ["b"], slow=None)
    assert yaml.safe_load(file.path.read_text()) == {"schema": "2.0", "stages": entries}


def test_params_are_read_once_for_each_version_of_the_file(tmp_path) -> None:
    path, system = tmp_path / "params.yaml", LocalFileSystem()
    asked = []
    read = dvc_inside._read_once(lambda *given, **options: asked.append(given) or read_param_file(*given, **options))
    for text in ("a: {b: 1, c: [2]}\nd: 3\n", "a: {b: 1, c: [4]}\nd: 3\n", "d: {}\n"):
        path.write_text(text)
        for keys in (["a.b", "a.c"], ["a"], ["d", "a.c", "none.b"]):
            assert read(system, str(path), keys, flatten=True) == read_param_file(system, str(path), keys, flatten=True)
    assert len(asked) == 3
    for keys, flatten in ((["a.b"], False), (None, True)):  # what stages do not ask
        assert read(system, str(path), keys, flatten=flatten) == read_param_file(system, str(path), keys, flatten=flatten)
    with pytest.raises(FileNotFoundError):
        read(system, str(tmp_path / "none.yaml"), ["a"], flatten=True)


def test_stages_are_those_that_dvc_collects(tmp_path, monkeypatch) -> None:
    """For the whole of dvc.yaml, and for what else may be asked for."""
    clone = Clone(tmp_path)
    clone.run("dvc", "repro", "evaluate-dense@vgg16_bn-digits-0")
    monkeypatch.chdir(clone.folder)
    asked = []
    collect = dvc_inside._collect_once(lambda *given, **options: asked.append(given[1]) or collect_stages(*given, **options))
    with Repo() as repo:
        for targets in (["dvc.yaml"], ["finetune"], ["report"]):
            found: list[Any] = collect(repo, targets)
            wanted: list[Any] = collect_stages(repo, targets)
            assert [to_lockfile(stage) for stage in found] == [to_lockfile(stage) for stage in wanted]
            assert found == wanted and len(found) > (targets == ["dvc.yaml"]) * 15
        assert asked == [["finetune"], ["report"]]
    monkeypatch.chdir(tmp_path)
    with Repo.init(no_scm=True) as repo, pytest.raises(StageFileDoesNotExistError):
        collect(repo, ["dvc.yaml"])


@pytest.mark.parametrize("hardlink", [False, True])
def test_locks_are_of_the_kind_that_dvc_is_set_to(tmp_path, monkeypatch, hardlink) -> None:
    made = []
    real = rwlock.make_lock
    monkeypatch.setattr(rwlock, "make_lock", lambda *given, **more: made.append(more["hardlink_lock"]) or real(*given, **more))
    config = {"core": {"hardlink_lock": True} if hardlink else {}}
    with dvc_inside.whole_repository(SimpleNamespace(tmp_dir=str(tmp_path), root_dir="/", fs=LocalFileSystem(), config=config)):
        assert str(os.getpid()) in (tmp_path / "rwlock").read_text()
    assert made == [hardlink, hardlink]


def test_another_commands_lock_is_waited_for(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(lock, "DEFAULT_TIMEOUT", 0.1)
    ours, others = (lock.make_lock(str(tmp_path / "lock"), str(tmp_path)) for _ in range(2))
    said, give_up = [], [False, False, True]
    others.lock()
    with dvc_inside.patient(ours, lambda: said.append("busy"), lambda: give_up.pop(0)):
        with pytest.raises(lock.LockError):
            ours.lock()
        assert said == ["busy"] and not give_up
        give_up += [False] * 100
        threading.Timer(0.3, others.unlock).start()
        with ours:
            assert said == ["busy", "busy"] and ours.is_locked
    others.lock()
    with pytest.raises(lock.LockError):
        ours.lock()
    others.unlock()


def test_job_of_a_stage_says_what_it_needs(tmp_path) -> None:
    from prunescope.runner.loop import job_of

    stage = SimpleNamespace(
        cmd="python a.py", addressing="x@y", wdir=str(tmp_path), meta={"alone": True, "gpu": False},
        repo=SimpleNamespace(root_dir=tmp_path),
        deps=[SimpleNamespace(def_path="in", hash_name="md5"), SimpleNamespace(def_path="params.yaml", hash_name="params")],
        outs=[SimpleNamespace(def_path="out", hash_name="md5")],
    )  # fmt: skip
    job = job_of(stage, {"DVC_EXP_NAME": "e"}, tmp_path / "log")
    assert (job.stage, job.inputs, job.outputs, job.alone, job.gpu) == ("x@y", ("in",), ("out",), True, False)
    assert job.log == tmp_path / "log"
    assert job.environment == {"DVC_ROOT": tmp_path, "DVC_STAGE": "x@y", "DVC_EXP_NAME": "e"}
