"""A Ray cluster to use: one that answers, or one of this machine alone, of which nothing is left when its head is killed."""

import os
import socket
import subprocess
import sys
from importlib import import_module
from typing import Any

from prunescope.errors import PrunescopeError
from prunescope.runner import machine

ANSWER = 15.0  # seconds in which a cluster must answer
GUARD = """
import os, psutil, sys
started = [each for each in psutil.Process(os.getppid()).children(recursive=True) if each.pid != os.getpid()]
sys.stdin.read()
for each in started:
    if each.is_running() and each.name().startswith(("ray", "gcs")):
        each.kill()
"""


def connected(address: str) -> Any:
    """The package ray, connected. Raises PrunescopeError where no cluster answers."""
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
    try:
        ray.init(address="local" if local else address, log_to_driver=False, logging_level="ERROR", **own)
    except (ConnectionError, RuntimeError, ValueError, OSError) as error:
        raise PrunescopeError(
            f"cannot use the Ray cluster at {address or 'this machine'}: {' '.join(str(error).split())}"
        ) from error
    # a dead worker's long report would go into the view; the stage's log has its first line
    inside: Any = import_module("ray._private.worker")
    inside.print_to_stdstream = lambda *_, **__: None
    return ray


def _answers(address: str) -> bool:
    """Whether a cluster is there: Ray itself would try for minutes."""
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host, int(port)), timeout=5).close()
        asking = [sys.executable, "-m", "ray.scripts.scripts", "health-check", "--address", address]
        return not subprocess.run(asking, timeout=ANSWER, capture_output=True, check=False).returncode
    except (OSError, ValueError, OverflowError, subprocess.TimeoutExpired):
        return False


def guarded() -> subprocess.Popen:
    """A process that outlives this one and ends what its own Ray then leaves, which would go on for a minute."""
    return subprocess.Popen([sys.executable, "-c", GUARD], stdin=subprocess.PIPE, start_new_session=True)
