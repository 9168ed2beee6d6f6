"""`prunescope run --engine ray` on the real dvc.yaml with fake stages, on a cluster of two nodes on this machine."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from running import RUN, attempt, change, content, environment, until_nothing_runs

from clone import ALL, Clone
from graph import ROOT
from prunescope.errors import PrunescopeError

pytestmark = pytest.mark.skipif(not find_spec("ray"), reason="needs ray: pip install 'prunescope[ray]'")
WAYS = [(), ("--engine-option", "ship=true")]
MODES = pytest.mark.parametrize("way", WAYS, ids=["shared", "ship"])
STATE = "resume/pretrain-base-vgg16_bn-digits-0.safetensors"


@pytest.fixture
def cluster(tmp_path, monkeypatch) -> Iterator[Any]:
    """Two nodes of one CPU; what is shipped goes below the test's folder."""
    (tmp_path / "worker").mkdir()
    for name, value in (("RAY_TMPDIR", "/tmp"), ("TMPDIR", str(tmp_path / "worker")), ("RAY_USAGE_STATS_ENABLED", "0")):
        monkeypatch.setenv(name, value)
    made: Any = import_module("ray.cluster_utils").Cluster(
        initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False}
    )
    made.second = made.add_node(num_cpus=1)
    monkeypatch.setenv("RAY_ADDRESS", made.address)
    yield made
    made.shutdown()


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


@pytest.mark.slow
def test_workers_that_are_only_beginning_end_with_the_head(tmp_path, monkeypatch):
    monkeypatch.setenv("RAY_TMPDIR", "/tmp")
    code = """
import os, signal, sys, time
from prunescope.runner.ray_cluster import connected
ray, guard = connected("")
time.sleep(0.5)
task = ray.remote(num_cpus=0)(lambda: time.sleep(5))
tasks = [task.remote() for _ in range(8)]
time.sleep(float(sys.argv[1]))
os.kill(os.getpid(), signal.SIGKILL)
"""
    given = {"cwd": tmp_path, "env": os.environ | {"PYTHONPATH": str(ROOT / "src")}, "check": False}
    for after in ("0.1", "0.6", "1.1"):
        assert subprocess.run((sys.executable, "-c", code, after), **given).returncode == -signal.SIGKILL
        until_nothing_runs(tmp_path, seconds=8)


@pytest.mark.parametrize("words, message", [
    (("--engine-option", "x=1"), "--engine-option: found x, wanted address or ship"),
    (("--engine-option", "ship=yes"), "--engine-option: found ship=yes, wanted ship=true or ship=false"),
    (("--engine-option", "address=ray://head:10001"), "Ray's address: found ray://head:10001, wanted host:port"),
    (("--engine-option", "address=head"), "no Ray cluster answers at head; look at RAY_ADDRESS"),
    (("--engine-option", "address=127.0.0.1:9"), "no Ray cluster answers at 127.0.0.1:9; look at RAY_ADDRESS"),
])  # fmt: skip
def test_bad_input_is_refused_before_any_work(clone, words, message):
    began = time.monotonic()
    refused = attempt(clone, "--engine", "ray", *words)
    assert refused.returncode == 1 and refused.stderr.startswith(f"error: {message}") and refused.stderr.count("\n") == 1
    assert not clone.log.exists() and not (clone.folder / "prepared").exists() and time.monotonic() - began < 30


@pytest.mark.slow
def test_a_cluster_that_cannot_do_it_is_refused_before_any_work(clone, cluster, monkeypatch):
    refused = attempt(clone, "--engine", "ray", "--jobs", "3")
    assert refused.stderr == "error: --jobs: found 3, wanted 1 to 2: the Ray cluster has 2 CPUs on 2 nodes\n"
    (clone.folder / "params.yaml").write_text(re.sub(r"(?m)^(  threads:) 1", r"\1 5", (clone.folder / "params.yaml").read_text()))
    refused = attempt(clone, "--engine", "ray", "--jobs", "1")
    assert refused.stderr == "error: runtime.threads: found 5, wanted at most 1: no node of the cluster has more\n"
    assert not clone.log.exists()

    from prunescope.runner import ray as engine

    monkeypatch.chdir(clone.folder)
    settings: dict[str, Any] = {"jobs": None, "device": "cpu", "threads": 1}
    for name, stand_in, message in (
        (
            "look",
            lambda token, packages: ("", []),
            r"these nodes do not see .*: \S+ \(\S+\); use a folder that all nodes share",
        ),
        (
            "PACKAGES",
            ("torch", "abacus"),
            r"these nodes lack packages that stages need: \S+ \(\S+\): abacus; .*install prunescope",
        ),
    ):
        with monkeypatch.context() as patch, pytest.raises(PrunescopeError, match=message):
            patch.setattr(engine, name, stand_in)
            engine.make(**settings, options={})
    assert not list((clone.folder / "logs").glob(f"{engine.TOKEN.name}*"))
