"""A stage's files on their way to a worker and back, without any cluster: what is put is what is got."""

import os
import sys
from argparse import Namespace
from pathlib import Path
from types import SimpleNamespace

import pytest

from graph import ROOT, items, outs, read_yaml
from prunescope.errors import PrunescopeError
from prunescope.runner import ship
from prunescope.runner.job import Job
from prunescope.runner.launcher import only_one
from prunescope.runner.ship import Arriving, Away, Parcels, away, below, states_of

COMMAND = "python stages/prune.py --checkpoint checkpoints/pruned/cell/oneshot.safetensors"
STATE = "resume/prune-cell-oneshot.safetensors"


@pytest.fixture
def job(tmp_path) -> Job:
    folder = tmp_path / "study"
    for name, text in (
        ("src/prunescope/data/store.py", "code"),
        ("src/prunescope/data/__pycache__/store.pyc", "no"),
        ("src/prunescope/errors.py", "not in deps"),
        ("params.yaml", "sparsity: 0.8"),
        ("prepared/digits/images.npy", "images " * 30),
        ("checkpoints/base.safetensors", "weights"),
        ("other/private.txt", "stays"),
        (STATE, "state 1"),
    ):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    inputs = ("src/prunescope/data", "prepared/digits", "checkpoints/base.safetensors")
    outputs = ("checkpoints/pruned/cell/oneshot.safetensors", "metrics/cell")
    return Job("prune", COMMAND, folder, tmp_path / "log", inputs=inputs, outputs=outputs)


@pytest.fixture
def put(monkeypatch) -> list[bytes]:
    """What went into the store, in pieces of 100 bytes; what stands for a piece is its place."""
    monkeypatch.setattr(ship, "PIECE", 100)
    return []


def parcels(put: list[bytes]) -> Parcels:
    return Parcels(lambda piece: put.append(piece) or len(put) - 1)


def tree(folder: Path) -> dict[str, str]:
    return {path.relative_to(folder).as_posix(): path.read_text() for path in folder.rglob("*") if path.is_file()}


def test_a_worker_gets_what_the_stage_reads_and_its_state_and_nothing_else(job, put, tmp_path):
    sent = parcels(put).of(job)
    with away(tmp_path / "home") as place:
        place.unpack(sent, put.__getitem__)
        kept = {name: text for name, text in tree(job.folder).items() if "pycache" not in name and "private" not in name}
        assert tree(place.folder) == kept and len(kept) == 6
    assert max(map(len, put)) == 100 and len(put) == 6 + 2
    assert [path.name for path in (tmp_path / "home").iterdir()] == ["files"], "its folder is gone"


def test_content_is_put_once_and_fetched_once(job, put, tmp_path):
    head, fetched = parcels(put), []

    def get(piece: int) -> bytes:
        fetched.append(piece)
        return put[piece]

    for _ in range(2):
        with away(tmp_path / "home") as place:
            place.unpack(head.of(job), get)
    (job.folder / "params.yaml").write_text("sparsity: 0.9")
    assert len(put) == 8 and len(fetched) == 8 + 1, "a state alone is not kept on the worker"
    with away(tmp_path / "home") as place:
        place.unpack(head.of(job), get)
        assert (place.folder / "params.yaml").read_text() == "sparsity: 0.9"
    assert len(put) == 9


def test_damaged_content_is_refused(job, put, tmp_path):
    sent = parcels(put).of(job)
    put[0] += b"!"
    with away(tmp_path / "home") as place, pytest.raises(PrunescopeError, match=r"arrived damaged: SHA-256 .*, wanted"):
        place.unpack(sent, put.__getitem__)


def test_output_states_and_results_come_back(job, put, tmp_path):
    (job.folder / STATE).unlink()
    arriving = Arriving(tmp_path / "head")
    with away(tmp_path / "home") as place:
        place.unpack(parcels(put).of(job), put.__getitem__)
        place.log.write_text("epoch 1\n")
        (place.folder / "resume").mkdir()
        (place.folder / STATE).write_text("s" * 250)
        (place.folder / "resume" / ".half.safetensors.1.part").write_text("no")
        events = list(place.news())
        assert events[0] == ("log", b"epoch 1\n") and [len(event[2]) for event in events[1:]] == [100, 100, 50, 0]
        assert list(place.news(last=True)) == [], "nothing new"
        place.log.write_text("epoch 1\nepoch 2\n")
        assert list(place.news()) == [("log", b"epoch 2\n")]
        for name in ("checkpoints/pruned/cell/oneshot.safetensors", "metrics/cell/empty.csv", "metrics/cell/images.csv"):
            (place.folder / name).parent.mkdir(parents=True, exist_ok=True)
            (place.folder / name).write_text("" if "empty" in name else name * 9)
        made = list(place.results(job.outputs))
        assert made[-7:].count(("folder", "metrics/cell")) == 1
        for kind, *event in events[1:] + made:
            if kind == "file":
                arriving.piece(*event)
        wanted = {name: text for name, text in tree(place.folder).items() if name.startswith(("checkpoints/pruned", "metrics"))}
        assert len(wanted) == 3 and tree(tmp_path / "head") == wanted | {STATE: "s" * 250}
        (place.folder / STATE).unlink()
        assert list(place.news(last=True)) == [("gone", STATE)]


def test_half_a_file_never_takes_its_name(tmp_path):
    (tmp_path / "network").write_text("old")
    arriving = Arriving(tmp_path)
    arriving.piece("network", b"half")
    arriving.drop()
    assert tree(tmp_path) == {"network": "old"}
    arriving.piece("network", b"new")
    arriving.piece("network", b"")
    assert tree(tmp_path) == {"network": "new"}


def test_what_a_killed_attempt_left_goes_when_nothing_runs_there(tmp_path):
    home, gone = tmp_path / "home", 2**22 + 1  # no process has that number
    for name in (f"{gone}-idle", f"{gone}-busy"):
        (home / name).mkdir(parents=True)
    (home / "files").mkdir()
    for name, days in (("old", 8), ("new", 6)):
        (home / "files" / name).touch()
        os.utime(home / "files" / name, (0, (home.stat().st_mtime) - days * 86400))
    held = only_one(home / f"{gone}-busy" / "log")
    assert held is not None
    with away(home):
        assert {path.name for path in home.iterdir() if not path.name.startswith(f"{os.getpid()}-")} == {f"{gone}-busy", "files"}
        assert [path.name for path in below(home / "files")] == ["files", "new"]
    os.close(held)


def test_states_have_the_names_that_training_gives_them(monkeypatch):
    from prunescope.training import setup

    monkeypatch.setattr(setup, "Resume", lambda name, *_, **__: name)
    monkeypatch.setattr(setup, "Progress", lambda resume, *_, **__: resume)
    monkeypatch.setattr(setup, "parts", lambda *_: {})
    monkeypatch.setattr(setup.runtime, "environment", lambda *_: {})
    run_on = SimpleNamespace(compile=False, save_seconds=1)
    seen = 0
    for name, stage in items(read_yaml(ROOT / "params.yaml")).items():
        _, script, *arguments = stage["cmd"].split()
        if "--checkpoint" not in arguments or Path(script).stem not in ("pretrain", "prune", "finetune", "distill"):
            continue
        monkeypatch.setattr(sys, "argv", [script])
        args = Namespace(checkpoint=Path(arguments[arguments.index("--checkpoint") + 1]))
        stand_in = SimpleNamespace(args=args, device=None, precision=None, run_on=run_on, first=True, settings=None)
        state = setup.Setup.progress(stand_in, None, None, None)  # pyright: ignore
        job = Job(name, stage["cmd"], Path(), Path("log"), outputs=tuple(outs(stage)))
        assert states_of(job) == [f"resume/{state}.safetensors{end}" for end in ("", ".before", ".exchanged")]
        seen += 1
    assert seen > 10


def test_a_state_is_not_sent_more_often_than_it_is_worth(tmp_path):
    place = Away(tmp_path, tmp_path)
    (place.folder / "resume").mkdir(parents=True)
    for number in range(2):
        (place.folder / STATE).write_text(f"state {number}")
        sent = list(place.news())
    assert sent == [] and next(place.news(last=True))[1:] == (STATE, b"state 1")
