"""`prunescope run` in a clone with fake stages: giving the command, what it made, what still runs."""

import json
import subprocess
import sys
import time
from pathlib import Path

import yaml

from clone import Clone
from graph import ROOT

RUN = ("python", "-m", "prunescope", "run", "--plain", "--jobs", "2")


def environment(clone: Clone) -> dict[str, str]:
    """With the package of this checkout."""
    return clone.environment() | {"PYTHONPATH": str(ROOT / "src")}


def attempt(clone: Clone, *words: str) -> subprocess.CompletedProcess:
    given = {"cwd": clone.folder, "env": environment(clone), "timeout": 240}
    return subprocess.run((sys.executable, *RUN[1:], *words), **given, capture_output=True, text=True, check=False)


def content(folder: Path) -> dict[str, bytes]:
    files = [file for name in ("prepared", "checkpoints", "metrics", "report") for file in (folder / name).rglob("*")]
    lock = yaml.safe_load((folder / "dvc.lock").read_text())["stages"]  # without the fakes themselves: they name their log
    entries = {stage: [{**of, "deps": [d for d in of["deps"] if "stages/" not in d["path"]]}] for stage, of in lock.items()}
    read = {file.relative_to(folder).as_posix(): file.read_bytes() for file in files if file.is_file()}
    return read | {"dvc.lock": json.dumps(entries).encode()}


def change(clone: Clone, script: str, code: str) -> None:
    """Put code at the beginning of a fake stage."""
    path = clone.folder / "stages" / f"{script}.py"
    path.write_text(code + path.read_text())


def alive(*folders: Path) -> list[int]:
    """Processes that work in one of the folders or below."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and any((entry / "cwd").readlink().is_relative_to(folder) for folder in folders):
                found.append(int(entry.name))
        except OSError:
            continue
    return found


def until_nothing_runs(*folders: Path, seconds: float = 45) -> None:
    """Wait for the end of all that works in the folders; fails where something goes on."""
    until = time.monotonic() + seconds
    while alive(*folders) and time.monotonic() < until:
        time.sleep(0.1)
    assert alive(*folders) == []
