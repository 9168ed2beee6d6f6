"""Kill a tiny study under `prunescope run` at random moments; then compare it with an uninterrupted one.

    python tests/faults/kill_run.py --kills 20 --seed 0
    python tests/faults/kill_run.py --kills 20 --engine ray

Kills with SIGKILL, in turn: a stage, a worker (the process that stages are started from: the fork server, a launcher, a Ray
worker), the head. After a stage or a worker the head must go on by itself; after the head nothing of the study may be left
running, and the command is given again. At the end every file must equal the uninterrupted study's byte for byte (metrics but for
times), and `dvc repro` must run nothing. Prints what was killed; exits 1 otherwise.
"""

import argparse
import contextlib
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import psutil
from kill_stages import FOLDERS, clone, content, environment

from prunescope.runner.ray_cluster import MARK

KINDS = ("stage", "worker", "head")
COMPARED = (*FOLDERS, "prepared", "metrics/cka")
WORKERS = ("multiprocessing.forkserver", "prunescope.runner.launcher", "ray::", "submitit")
QUIET = 60.0  # seconds in which what a killed head leaves must have ended


def start(folder: Path, engine: str) -> subprocess.Popen:
    command = [sys.executable, "-m", "prunescope", "run", "--plain", "--engine", engine]
    with (folder / "log").open("a") as log:
        return subprocess.Popen(command, cwd=folder, env=environment(folder), stdout=log, stderr=log, start_new_session=True)


def running(folder: Path, head: int | None = None) -> dict[str, list[int]]:
    """PIDs of what works in the clone, by KINDS. A stage is a leader of its session that is no worker."""
    found: dict[str, list[int]] = {kind: [] for kind in (*KINDS, "other")}
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if Path(process.cwd()) != folder or process.status() == psutil.STATUS_ZOMBIE:
                continue
            words = " ".join(process.cmdline())
            if MARK in words:  # the guard of a Ray of this machine alone
                found["other"].append(process.pid)
            elif process.pid == head or " -m prunescope run" in words:
                found["head"].append(process.pid)
            elif os.getsid(process.pid) == process.pid and "prunescope.runner.launcher" not in words:
                found["stage"].append(process.pid)
            elif any(word in words for word in WORKERS):
                found["worker"].append(process.pid)
            else:
                found["other"].append(process.pid)
    return found


def words_of(pid: int) -> str:
    """The beginning of a process's command line."""
    with contextlib.suppress(psutil.Error):
        return " ".join(psutil.Process(pid).cmdline())[:150]
    return "gone"


def kills(folder: Path, head: subprocess.Popen, kinds: Iterator[str], names: list[str]) -> Iterator[str]:
    """Kill at random moments until the head has ended; says what kind was killed, and adds its command to `names`."""
    kind = next(kinds, None)
    while kind and head.poll() is None:
        until = time.monotonic() + random.uniform(1.0, 5.0)
        while time.monotonic() < until and head.poll() is None:
            time.sleep(0.05)
        victims = running(folder, head.pid)[kind]
        if not victims or head.poll() is not None:
            continue
        victim = random.choice(victims)
        words = words_of(victim)
        with contextlib.suppress(ProcessLookupError):
            os.kill(victim, signal.SIGKILL)
            names.append(f"{kind} {victim} ({words})")
            yield kind
            kind = next(kinds, None)


def left_behind(folder: Path) -> dict[str, list[int]]:
    """What still runs when all should have ended; empty after at most QUIET seconds if all is well."""
    until = time.monotonic() + QUIET
    while any(running(folder).values()) and time.monotonic() < until:
        time.sleep(0.1)
    return {kind: pids for kind, pids in running(folder).items() if pids}


def until_done(folder: Path, engine: str, wanted: int) -> Counter[str] | None:
    """Give the command again and again, with so many kills of each kind; None where it failed by itself or left something."""
    hits: Counter[str] = Counter()
    kinds = iter(random.sample(KINDS * wanted, len(KINDS) * wanted))
    while True:
        head = start(folder, engine)
        hit, victims = None, []
        for hit in kills(folder, head, kinds, victims):
            hits[hit] += 1
        code = head.wait()
        if left := left_behind(folder):
            print(f"left behind after {hit}: {left}")
            for number in (number for numbers in left.values() for number in numbers):
                print(f"  {number}: {words_of(number)}")
            print(f"killed before that: {', '.join(victims)}")
            return None
        if code == 0:
            return hits
        if hit is None:
            print(f"it failed by itself:\n{(folder / 'log').read_text()[-3000:]}")
            return None


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=20, help="of each kind")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--engine", default="local")
    args = parser.parse_args()
    random.seed(args.seed)
    with tempfile.TemporaryDirectory() as place:
        whole, parts = clone(Path(place).resolve() / "whole"), clone(Path(place).resolve() / "parts")
        began = time.monotonic()
        if start(whole, args.engine).wait():
            print((whole / "log").read_text()[-3000:])
            return 1
        print(f"uninterrupted: {time.monotonic() - began:.0f} s", flush=True)
        hits: Counter[str] = Counter()
        while min(hits[kind] for kind in KINDS) < args.kills:  # a study may end before all its kills
            shutil.rmtree(parts)
            found = until_done(clone(parts), args.engine, max(args.kills - hits[kind] for kind in KINDS))
            if found is None:
                return 1
            hits += found
            again = subprocess.run(
                ["dvc", "repro"], cwd=parts, env=environment(parts), capture_output=True, text=True, check=True
            )
            if "Running stage" in again.stdout:
                print(f"dvc repro ran something afterwards:\n{again.stdout}")
                return 1
            files = [path for folder in COMPARED for path in sorted((whole / folder).rglob("*")) if path.is_file()]
            different = [path for path in files if content(path) != content(parts / path.relative_to(whole))]
            killed = ", ".join(f"{number} of a {kind}" for kind, number in sorted(found.items()))
            print(f"killed: {killed}; {len(files) - len(different)} of {len(files)} files bit-identical", flush=True)
            if different:
                print(*(f"different: {path.relative_to(whole)}" for path in different), sep="\n")
                return 1
    print(f"{hits.total()} kills; nothing was left behind, and dvc repro ran nothing")
    return 0


if __name__ == "__main__":
    sys.exit(main())
