"""Which Ray clusters are refused, which of a cluster's nodes are used, and the end of a Ray of this machine alone."""

import os
import re
import signal
import subprocess
import sys
import threading
import time
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import pytest
from running import attempt, until_nothing_runs

from graph import ROOT
from prunescope.errors import PrunescopeError
from prunescope.files import write_text
from prunescope.runner.job import Job

pytestmark = pytest.mark.skipif(not find_spec("ray"), reason="needs ray: pip install 'prunescope[ray]'")


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
    (("--engine-option", "x=1"), "--engine-option: found x, wanted one of address, ship, resource"),
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
    refused = attempt(clone, "--engine", "ray", "--engine-option", "resource=epyc")
    assert re.match(r"error: --engine-option: found resource=epyc, wanted what a node has: CPU, .*second", refused.stderr)
    assert not clone.log.exists()

    from prunescope.runner import ray as engine

    monkeypatch.chdir(clone.folder)
    settings: dict[str, Any] = {"jobs": None, "device": "cpu", "threads": 1}
    tokens = []
    monkeypatch.setattr(engine, "write_text", lambda path, text: tokens.append(path) or write_text(path, text))
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
    assert len(set(tokens)) == 2 and not any(token.exists() for token in tokens), "another run may look at the same time"


@pytest.mark.slow
def test_stages_run_where_the_resource_is(tmp_path, cluster, monkeypatch):
    monkeypatch.chdir(tmp_path)
    made = import_module("prunescope.runner.ray").make(jobs=None, device="cpu", threads=1, options={"resource": "second"})
    try:
        assert made.about == "1 at once on 1 node, 1 thread each"
        seen: list[float] = []
        job = Job("x", "sleep 3", tmp_path, tmp_path / "logs" / "x.log")
        thread = threading.Thread(target=made.run, args=(job, lambda: seen.append(1.0)))
        thread.start()
        while thread.is_alive():
            seen.append(made.ray.available_resources()["second"])
            time.sleep(0.1)
        assert {0.9999, 1.0} <= set(seen)
    finally:
        made.close()
