"""`prunescope run --engine ray` on the real dvc.yaml with fake stages, on a cluster of two nodes on this machine."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from running import RUN, attempt, change, content, environment, until_nothing_runs

from clone import ALL, Clone

pytestmark = pytest.mark.skipif(not find_spec("ray"), reason="needs ray: pip install 'prunescope[ray]'")
WAYS = [(), ("--engine-option", "ship=true")]
MODES = pytest.mark.parametrize("way", WAYS, ids=["shared", "ship"])
STATE = "resume/pretrain-base-vgg16_bn-digits-0.safetensors"


@contextmanager
def pruning(clone: Clone, *way: str, **given: Any) -> Iterator[subprocess.Popen]:
    """A head at work, from when two prune stages have begun."""
    given |= {"cwd": clone.folder, "env": environment(clone), "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen((sys.executable, *RUN[1:], "--engine", "ray", *way), **given) as head:
        assert head.stdout
        seen = ""
        while seen.count("begins   prune") < 2:
            seen += head.stdout.readline()
        yield head


@pytest.mark.slow
def test_shared_or_shipped_it_is_dvc_repro(clone, tmp_path, cluster):
    assert clone.executed("dvc", "repro") == ALL
    for way in WAYS:
        other = Clone(tmp_path / str(len(way)))
        change(other, "pretrain", f"import os\nopen({str(tmp_path / 'where')!r}, 'w').write(os.getcwd())\n")
        assert other.executed(*RUN, "--engine", "ray", *way) == ALL
        assert content(other.folder) == content(clone.folder)
        assert other.executed("dvc", "repro") == {}
        where = Path((tmp_path / "where").read_text())
        assert where.is_relative_to(tmp_path / "worker") if way else where == other.folder
        assert not [path for path in other.folder.rglob("*.part") if ".dvc" not in path.parts]
    assert [path.name for path in (tmp_path / "worker").glob("prunescope-*/*")] == ["files"]


@pytest.mark.slow
@MODES
@pytest.mark.parametrize("victim", ["stage", "worker"])
def test_what_is_killed_begins_again_once_from_its_state(clone, tmp_path, cluster, way, victim):
    trace = tmp_path / "trace"
    change(clone, "pretrain", f"""
import os, pathlib, psutil, signal, sys, time

def tell(word):
    with open({str(trace)!r}, "a") as file:
        file.write(word + " ")

def save(number, frame):
    time.sleep(1)
    tell("saved")
    os._exit(130)

state = pathlib.Path({STATE!r})
if state.exists():
    tell("resumed")
    state.unlink()
else:
    tell("begun")
    state.parent.mkdir(exist_ok=True)
    state.write_text("step 7")
    signal.signal(signal.SIGTERM, save)
    if {victim!r} == "stage":
        os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(4)
    [worker] = [each for each in psutil.Process().parents() if "ray::" in each.name() + " ".join(each.cmdline())]
    worker.kill()
    time.sleep(60)
""")  # fmt: skip
    done = attempt(clone, "--engine", "ray", *way, "--", "repro", "pretrain")
    assert done.returncode == 0, done.stdout + done.stderr
    assert len(re.findall(r"^pretrain@\S+ was killed \(exit (?:137|-9)\); it is started again", done.stdout, re.MULTILINE)) == 1
    words = trace.read_text().split()
    if victim == "stage":
        assert words == ["begun", "resumed"]
    else:
        assert set(words) == {"begun", "saved", "resumed"} and "raylet" not in done.stdout + done.stderr
        assert way or words == ["begun", "saved", "resumed"], "on a shared folder the orphan has ended before"
    assert not (clone.folder / STATE).exists(), "the state has been used up"
    until_nothing_runs(clone.folder, tmp_path / "worker")


@pytest.mark.slow
@MODES
def test_a_node_dies(clone, tmp_path, cluster, way):
    change(clone, "prune", "import time\ntime.sleep(5)\n")
    with pruning(clone, *way, stderr=subprocess.STDOUT) as head:
        time.sleep(2)
        cluster.remove_node(cluster.second, allow_graceful=False)
        seen = head.stdout.read() if head.stdout else ""
    assert head.returncode == 0, seen
    assert re.findall(r"^prune-\S+ was killed \(exit -9\)", seen, re.MULTILINE), seen
    until_nothing_runs(clone.folder, tmp_path / "worker")
    assert clone.executed("dvc", "repro") == {}


@pytest.mark.slow
@MODES
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL], ids=lambda number: number.name)
@pytest.mark.parametrize("own", [True, False], ids=["own", "cluster"])
def test_nothing_is_left_behind(clone, tmp_path, monkeypatch, request, way, number, own):
    if own:
        (tmp_path / "worker").mkdir()
        monkeypatch.setenv("RAY_TMPDIR", "/tmp")
        monkeypatch.setenv("TMPDIR", str(tmp_path / "worker"))
    else:
        request.getfixturevalue("cluster")
    change(clone, "prune", f"""
import os, pathlib, signal, time

def save(number, frame):
    time.sleep(1)
    pathlib.Path("resume").mkdir(exist_ok=True)
    pathlib.Path("resume/prune-{{}}.safetensors".format(os.getpid())).write_text("state")
    open({str(tmp_path / "saved")!r}, "a").write("saved ")
    os._exit(130)

signal.signal(signal.SIGTERM, save)
time.sleep(60)
""")  # fmt: skip
    with pruning(clone, *way, start_new_session=True) as head:
        time.sleep(3)
        os.killpg(head.pid, number) if number == signal.SIGINT else head.send_signal(number)  # as a terminal sends Ctrl-C
        assert head.stdout
        head.stdout.read()
    assert head.returncode != 0
    until_nothing_runs(clone.folder, tmp_path / "worker")
    assert (tmp_path / "saved").read_text() == "saved saved "
    if number != signal.SIGKILL or not way:
        assert len(list((clone.folder / "resume").glob("*.safetensors"))) == 2
    change(clone, "prune", "import time\ntime.sleep = lambda seconds: None\nimport signal\nsignal.signal = lambda *_: None\n")
    assert attempt(clone, "--engine", "ray", *way).returncode == 0, "and the next one completes"
    assert clone.executed("dvc", "repro") == {}
