"""The state of an interrupted stage: saved whole or not at all, found again by whoever runs the same stage with the same inputs.

A state belongs to a stage's cell (its file's name) and a fingerprint of everything that determines the result. A lock keeps a
second copy of the stage out: when DVC is killed, its stage lives on, and DVC would start another.
"""

import errno
import hashlib
import json
import os
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from prunescope.errors import PrunescopeError
from prunescope.files import replacing, write_text
from prunescope.training import parallel

FOLDER = Path("resume")
SHARE = 20  # a save at an epoch's end may take a twentieth of the time since the last one


def fingerprint(files: Iterable[Path], *values: Any) -> str:
    """SHA-256 of the files' contents (folders with all that is below) and of the values' representations."""
    digest = hashlib.sha256()
    for value in values:
        digest.update(f"{value!r}\n".encode())
    for path in files:
        for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
            if file.is_file():
                digest.update(f"{file.name}\n".encode())
                with file.open("rb") as content:
                    digest.update(hashlib.file_digest(content, "sha256").digest())
    return digest.hexdigest()


class Resume:
    """Saved states of one stage and cell. Raises PrunescopeError at once where another process runs the same one."""

    def __init__(self, name: str, print_: str, *, every: float, folder: Path = FOLDER, first: bool = True) -> None:
        """every: seconds between saves inside an epoch · first: whether this is the process that writes and holds the lock."""
        folder.mkdir(parents=True, exist_ok=True)
        self.path, self.print, self.every, self.parent = folder / f"{name}.safetensors", print_, every, os.getppid()
        self.saved_at, self.cost, self.first = time.monotonic(), 0.0, first
        if not first:
            return
        self._lock, pid = FileLock(folder / f"{name}.lock"), folder / f"{name}.pid"
        try:
            self._lock.acquire(blocking=False)
        except Timeout as error:
            other = pid.read_text(encoding="utf-8").strip() if pid.is_file() else "unknown"
            raise PrunescopeError(
                f"{name} is already running as process {other} (a stage outlives a killed dvc). Wait until it has ended, "
                f"or end it with `kill {other}`: its state is saved, and the next run goes on from there"
            ) from error
        write_text(pid, f"{os.getpid()}\n")
        for half in folder.glob(f".{self.path.name}.*.part"):  # of a process that was killed while it saved
            half.unlink(missing_ok=True)

    def load(self) -> tuple[dict[str, Tensor], dict[str, Any]] | None:
        """(tensors, state) of an interrupted run of the same fingerprint; a state of any other is removed."""
        if not self.path.is_file():
            return None
        try:
            with safe_open(self.path, framework="pt") as file:
                header = json.loads((file.metadata() or {})["prunescope"])
                if header["fingerprint"] == self.print:
                    return {name: file.get_tensor(name) for name in file.keys()}, header["state"]  # noqa: SIM118 - not a dict
        except (SafetensorError, KeyError, ValueError, FileNotFoundError):
            pass  # not ours, or damaged: like a state of other inputs it is of no use
        if self.first:
            self.path.unlink(missing_ok=True)
        return None

    def due(self, *, epoch_end: bool) -> bool:
        """Whether it is time to save: every so many seconds, and at epochs' ends as long as saving stays cheap."""
        waited = time.monotonic() - self.saved_at
        return waited >= self.every or (epoch_end and waited >= SHARE * self.cost)

    def save(self, tensors: dict[str, Tensor], state: dict[str, Any]) -> None:
        """Write the state in place of the last one. Raises PrunescopeError on a full disk; the last state stays."""
        started = time.monotonic()
        header = json.dumps({"fingerprint": self.print, "state": state})
        with replacing(self.path) as temporary:
            try:
                save_file(tensors, temporary, metadata={"prunescope": header})
            except SafetensorError as error:  # how it reports a full disk
                raise OSError(errno.EIO, str(error)) from error
        self.saved_at = time.monotonic()
        self.cost = self.saved_at - started

    def finish(self) -> None:
        """The results are written. An orphan keeps its state: dvc knows nothing of its results and will run the stage again."""
        if os.getppid() == self.parent and parallel.launcher_lives():
            self.path.unlink(missing_ok=True)
        self._lock.release()
