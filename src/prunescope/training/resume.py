"""The state of an interrupted stage: saved whole or not at all, found again by whoever runs the same stage with the same inputs.

A state belongs to a stage's cell (its file's name) and to everything that determines the result, by name (`Parts`). Where these
differ from a state that is found, training starts anew and says why; the older state is kept until the stage ends, in case its
settings come back. A lock keeps a second copy of the stage out: a stage outlives a killed DVC, which would start another.
"""

import contextlib
import errno
import hashlib
import json
import os
import sys
import time
from collections.abc import Mapping
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


Parts = dict[str, str]
"""What determines a result: each part's name, with its value, or the SHA-256 of what is too long to be shown."""
LONGEST = 60  # characters of a value that is shown, a processor's name too
SHOWN = 4  # parts that a message names


def parts(files: Mapping[str, Path], values: Mapping[str, Any]) -> Parts:
    """Files by their contents (folders by all that is below), values by their representations; tables key by key."""
    found = {name: _of_files(path) for name, path in files.items()}
    for name, value in values.items():
        inner = value.model_dump() if hasattr(value, "model_dump") else value
        for key, one in (
            {f"{name}.{key}": one for key, one in inner.items()}.items() if isinstance(inner, dict) else [(name, inner)]
        ):
            text = str(one) if isinstance(one, str) else repr(one)
            found[key] = text if len(text) <= LONGEST else hashlib.sha256(text.encode()).hexdigest()
    return found


def differences(before: Parts, now: Parts) -> str:
    """The parts that differ, as a message names them."""
    names = [name for name in {**before, **now} if before.get(name) != now.get(name)]
    said = [_said(name, before.get(name, "nothing"), now.get(name, "nothing")) for name in names[:SHOWN]]
    return ", ".join(said) + (f" and {len(names) - SHOWN} more" if len(names) > SHOWN else "")


def _said(name: str, before: str, now: str) -> str:
    return f"another {name}" if max(len(before), len(now)) > LONGEST else f"{name} {before} (now {now})"


def _of_files(path: Path) -> str:
    digest = hashlib.sha256()
    for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
        if file.is_file():
            digest.update(f"{file.name}\n".encode())
            with file.open("rb") as content:
                digest.update(hashlib.file_digest(content, "sha256").digest())
    return digest.hexdigest()


class Resume:
    """Saved states of one stage and cell. Raises PrunescopeError at once where another process runs the same one."""

    def __init__(self, name: str, made_of: Parts, *, every: float, folder: Path = FOLDER, first: bool = True) -> None:
        """every: seconds between saves inside an epoch · first: whether this is the process that writes and holds the lock."""
        folder.mkdir(parents=True, exist_ok=True)
        self.path = folder / f"{name}.safetensors"
        # endings that no stage's own state has, whatever its method is called
        self.older, self._between = (folder / f"{name}.safetensors.{what}" for what in ("before", "exchanged"))
        self.parts, self.every, self.parent = made_of, every, os.getppid()
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
        if self._between.is_file():  # of one that was killed while it exchanged two states
            self._between.replace(self.older if self.path.is_file() else self.path)

    def load(self) -> tuple[dict[str, Tensor], dict[str, Any]] | None:
        """(tensors, state) of an interrupted run with the same parts; else says what differs, and keeps what was found."""
        for path in (self.path, self.older, self.path):  # twice: another process may exchange them meanwhile
            with contextlib.suppress(SafetensorError, KeyError, ValueError, TypeError, FileNotFoundError):
                with safe_open(path, framework="pt") as file:
                    header = json.loads((file.metadata() or {})["prunescope"])
                    if header["parts"] != self.parts:
                        continue
                    found = {name: file.get_tensor(name) for name in file.keys()}, header["state"]  # noqa: SIM118 - not a dict
                if self.first and path == self.older:
                    self._exchange()
                return found
        if self.first:
            self._set_aside()
        return None

    def _exchange(self) -> None:
        """The older state goes on; the newer one is kept in its place."""
        with contextlib.suppress(FileNotFoundError):
            self.path.replace(self._between)
        self.older.replace(self.path)
        with contextlib.suppress(FileNotFoundError):
            self._between.replace(self.older)

    def _set_aside(self) -> None:
        """Keep a state of other parts until the stage ends: of two the longer one. What is damaged, or not ours, goes."""
        found, kept = (self._header(path) for path in (self.path, self.older))
        if found is None:
            return
        steps = found["state"].get("steps", 0)
        if kept is None or kept["state"].get("steps", 0) <= steps:
            self.path.replace(self.older)
        else:
            self.path.unlink(missing_ok=True)
        print(
            f"warning: found a state saved after {steps:,} steps with {differences(found['parts'], self.parts)}; training starts "
            f"anew. The longest state is kept as {self.older} until this stage ends, in case its settings come back",
            file=sys.stderr,
            flush=True,
        )

    def _header(self, path: Path) -> dict[str, Any] | None:
        """What a file says of itself; None for none, and for one that is no state, which is removed."""
        try:
            with safe_open(path, framework="pt") as file:
                header = json.loads((file.metadata() or {})["prunescope"])
            if isinstance(header["parts"], dict) and isinstance(header["state"], dict):
                return header
        except FileNotFoundError:
            return None
        except (SafetensorError, KeyError, ValueError, TypeError):
            pass
        print(f"warning: {path} is damaged or of another version; it is removed", file=sys.stderr, flush=True)
        path.unlink(missing_ok=True)
        return None

    def due(self, *, epoch_end: bool) -> bool:
        """Whether it is time to save: every so many seconds, and at epochs' ends as long as saving stays cheap."""
        waited = time.monotonic() - self.saved_at
        return waited >= self.every or (epoch_end and waited >= SHARE * self.cost)

    def save(self, tensors: dict[str, Tensor], state: dict[str, Any]) -> None:
        """Write the state in place of the last one. Raises PrunescopeError on a full disk; the last state stays."""
        started = time.monotonic()
        header = json.dumps({"parts": self.parts, "state": state})
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
            self.older.unlink(missing_ok=True)
        self._lock.release()
