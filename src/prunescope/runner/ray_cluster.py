"""A Ray cluster to use: one that answers, or one of this machine alone, of which nothing is left when its head is killed."""

import os
import socket
import subprocess
import sys
import uuid
from importlib import import_module
from typing import Any

from prunescope.errors import PrunescopeError
from prunescope.runner import machine

ANSWER = 15.0  # seconds in which a cluster must answer
MARK = "RAY_STARTED_BY"
"""In the environment of all that a Ray of this machine alone consists of, workers too, and of nothing that these start."""
GUARD = f"""
import contextlib, os, psutil, sys, time

def left(process):
    with contextlib.suppress(psutil.Error, OSError):
        if process.status() == psutil.STATUS_ZOMBIE:
            return False
        if process.name().startswith("ray::"):  # its title has taken the place of its environment
            parent = process.parent()
            return process.cwd() == os.getcwd() and not (parent and parent.name() == "raylet")
        return process.environ().get("{MARK}") == sys.argv[1]

sys.stdin.read()
until = time.monotonic() + 10
while (found := [each for each in psutil.process_iter() if left(each)]) and time.monotonic() < until:
    for each in found:
        with contextlib.suppress(psutil.Error):
            each.kill()
    time.sleep(0.1)
"""


def connected(address: str) -> tuple[Any, subprocess.Popen | None]:
    """The package ray, connected; and what ends a Ray that was started for this alone, once its stdin is closed.

    Raises PrunescopeError where no cluster answers.
    """
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")  # else it warns
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    if "://" in address:
        raise PrunescopeError(
            f"Ray's address: found {address}, wanted host:port, on a machine of the cluster; from outside, hand the "
            "command in by `ray job submit`"
        )
    local = address in ("", "local")
    if not (local or address == "auto" or _answers(address)):
        raise PrunescopeError(
            f"no Ray cluster answers at {address}; look at RAY_ADDRESS or --engine-option address, wanted host:port"
        )
    ray = import_module("ray")
    own = {"num_cpus": machine.cores(), "include_dashboard": False} if local else {}
    mark = uuid.uuid4().hex
    guard = guarded(mark) if local else None
    os.environ[MARK] = mark
    try:
        ray.init(address="local" if local else address, log_to_driver=False, logging_level="ERROR", **own)
    except (ConnectionError, RuntimeError, ValueError, OSError) as error:
        if guard:
            guard.communicate()
        raise PrunescopeError(
            f"cannot use the Ray cluster at {address or 'this machine'}: {' '.join(str(error).split())}"
        ) from error
    finally:
        del os.environ[MARK]
    # a dead worker's long report would go into the view; the stage's log has its first line
    inside: Any = import_module("ray._private.worker")
    inside.print_to_stdstream = lambda *_, **__: None
    return ray, guard


def _answers(address: str) -> bool:
    """Whether a cluster is there: Ray itself would try for minutes."""
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host, int(port)), timeout=5).close()
        asking = [sys.executable, "-m", "ray.scripts.scripts", "health-check", "--address", address]
        return not subprocess.run(asking, timeout=ANSWER, capture_output=True, check=False).returncode
    except (OSError, ValueError, OverflowError, subprocess.TimeoutExpired):
        return False


def guarded(mark: str) -> subprocess.Popen:
    """A process that outlives this one and ends what its own Ray then leaves: a worker that is only beginning would wait for a
    minute and more for what is gone."""
    return subprocess.Popen([sys.executable, "-c", GUARD, mark], stdin=subprocess.PIPE, start_new_session=True)
