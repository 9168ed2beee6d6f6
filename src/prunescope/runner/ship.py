"""A stage's files to a worker that shares no folder with the head, and what it makes back again.

Files go in pieces, and are kept on the worker by the SHA-256 of their content, for later stages. The saved state in resume/ goes
both ways, so that it is not lost with its worker.
"""

import hashlib
import os
import re
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from prunescope.errors import PrunescopeError
from prunescope.files import replacing
from prunescope.runner.hashes import stamp
from prunescope.runner.job import Job
from prunescope.runner.launcher import only_one

PIECE = 64 << 20  # bytes of a file that are in memory at once
KEPT = 7 * 86400.0  # seconds that a worker keeps a file that no stage asks for
SHARE = 20  # sending a state back may take a twentieth of the time since the last one
Event = tuple[Any, ...]  # from a worker: its kind, and what belongs to it
CODE = ("src/prunescope", "params.yaml")  # what stages read beside their dependencies: rooms that only parse or refuse


@dataclass(frozen=True)
class Sent:
    """path: in the study's folder · digest: SHA-256 of the content · pieces: what `get` makes bytes of, or None: a folder."""

    path: str
    digest: str = ""
    pieces: tuple[Any, ...] | None = None


class Parcels:
    """At the head: each content goes into the store once. put: what makes bytes into something small that travels."""

    def __init__(self, put: Callable[[bytes], Any]) -> None:
        self.put = put
        self._sent: dict[Path, tuple[tuple[int, ...], str]] = {}
        self._pieces: dict[str, tuple[Any, ...]] = {}
        self._lock = threading.Lock()

    def of(self, job: Job) -> list[Sent]:
        """All that a job needs."""
        paths = dict.fromkeys(path for name in (*CODE, *job.inputs, *states_of(job)) for path in below(job.folder / name))
        with self._lock:
            return [self._parcel(path, path.relative_to(job.folder).as_posix()) for path in paths]

    def _parcel(self, path: Path, name: str) -> Sent:
        if path.is_dir():
            return Sent(name)
        seen = stamp(path.stat())
        known, digest = self._sent.get(path, (None, ""))
        if known != seen:
            with path.open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
            self._sent[path] = seen, digest
        if digest not in self._pieces:
            self._pieces[digest] = tuple(map(self.put, pieces(path)))
        return Sent(name, digest, self._pieces[digest])


def below(path: Path) -> Iterator[Path]:
    """The file itself, or all files below a folder and the folder; nothing where there is neither."""
    if path.is_file():
        yield path
    elif path.is_dir():
        yield path
        yield from (file for file in sorted(path.rglob("*")) if file.is_file() and "__pycache__" not in file.parts)


def pieces(path: Path) -> Generator[bytes, None, None]:
    with path.open("rb") as file:
        while piece := file.read(PIECE):
            yield piece


def states_of(job: Job) -> list[str]:
    """Files in which the job's stage saves its state; tests hold this to training's own name."""
    scripts = re.findall(r"([\w-]+)\.py\b", job.command)
    networks = [Path(out) for out in job.outputs if out.endswith(".safetensors")]
    names = [f"{script}-{out.parent.name}-{out.stem}" for script in scripts[:1] for out in networks]
    return [f"resume/{name}.safetensors{end}" for name in names for end in ("", ".before", ".exchanged")]


class Arriving:
    """At the head: files as they come back, piece by piece; each is written whole or not at all."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._open: Generator[None, bytes, None] | None = None

    def piece(self, path: str, data: bytes) -> None:
        """The next piece of a file; an empty one ends it. Raises PrunescopeError where it cannot be written."""
        if self._open is None:
            self._open = _written(self.folder / path)
            next(self._open)
        with suppress(StopIteration):
            self._open.send(data)
        if not data:
            self._open = None

    def drop(self) -> None:
        """What has not come whole goes."""
        if self._open:
            self._open.close()
            self._open = None


def _written(path: Path) -> Generator[None, bytes, None]:
    with replacing(path) as temporary, temporary.open("wb") as file:
        while piece := (yield):
            file.write(piece)


class Away:
    """On a worker: a folder of its own for one attempt, with all that the job needs."""

    def __init__(self, home: Path, folder: Path) -> None:
        self.home, self.folder, self.log = home, folder / "study", folder / "log"
        self._read, self._states, self._due, self._cost = 0, {}, 0.0, 0.0

    def unpack(self, sent: Iterable[Sent], get: Callable[[Any], bytes]) -> None:
        """Fetch what this worker has not, and link everything to its place."""
        (self.home / "files").mkdir(exist_ok=True)
        for item in sent:
            target = self.folder / item.path
            if item.pieces is None:
                target.mkdir(parents=True, exist_ok=True)
                continue
            target.parent.mkdir(parents=True, exist_ok=True)
            if item.path.startswith("resume/"):  # changes with every save: not for keeping
                _fetch(target, item, get)
                continue
            kept = self.home / "files" / item.digest
            if not kept.is_file():
                _fetch(kept, item, get)
            os.utime(kept)
            try:
                os.link(kept, target)
            except OSError:  # no links between these, or too many
                shutil.copyfile(kept, target)
        self._states = self._saved()

    def news(self, *, last: bool = False) -> Iterator[Event]:
        """What was printed and what state was saved since the last call, as events for the head."""
        if self.log.is_file():
            with self.log.open("rb") as file:
                file.seek(self._read)
                if printed := file.read(PIECE):
                    self._read += len(printed)
                    yield "log", printed
        began = time.monotonic()
        if last or began >= self._due:
            saved = self._saved()
            for name in [name for name, seen in saved.items() if self._states.get(name) != seen]:
                yield from self.file(name)
            yield from (("gone", name) for name in self._states if name not in saved)
            self._states = saved
            self._due = (now := time.monotonic()) + max(1.0, SHARE * (now - began))

    def results(self, outputs: Iterable[str]) -> Iterator[Event]:
        """What the stage made."""
        for path in (path for output in outputs for path in below(self.folder / output)):
            name = path.relative_to(self.folder).as_posix()
            if path.is_dir():
                yield "folder", name
            else:
                yield from self.file(name)

    def file(self, name: str) -> Iterator[Event]:
        """A file's pieces; an empty one ends it. One that is being exchanged comes with the next news."""
        with suppress(FileNotFoundError), closing(pieces(self.folder / name)) as read:
            for piece in read:
                yield "file", name, piece
            yield "file", name, b""

    def _saved(self) -> dict[str, tuple[int, ...]]:
        found = {}
        for path in (self.folder / "resume").glob("[!.]*.safetensors*"):
            with suppress(FileNotFoundError):
                found[path.relative_to(self.folder).as_posix()] = stamp(path.stat())
        return found


def _fetch(target: Path, item: Sent, get: Callable[[Any], bytes]) -> None:
    seen = hashlib.sha256()
    with replacing(target) as temporary, temporary.open("wb") as file:
        for piece in item.pieces or ():
            data = get(piece)
            seen.update(data)
            file.write(data)
        if seen.hexdigest() != item.digest:
            raise PrunescopeError(f"{item.path} arrived damaged: SHA-256 {seen.hexdigest()}, wanted {item.digest}")


@contextmanager
def away(home: Path | None = None) -> Iterator[Away]:
    """A folder for one attempt, removed at its end; what killed attempts left on this worker goes too."""
    home = home or Path(tempfile.gettempdir(), f"prunescope-{os.getuid()}")
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    if home.stat().st_uid != os.getuid():
        raise PrunescopeError(f"{home} belongs to another user; set TMPDIR where Ray is started")
    _tidy(home)
    folder = Path(tempfile.mkdtemp(prefix=f"{os.getpid()}-", dir=home))
    try:
        yield Away(home, folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _tidy(home: Path) -> None:
    """Remove files that no stage asked for in a long time, and folders in which nothing runs any more."""
    import psutil

    for kept in (home / "files").glob("*"):
        with suppress(FileNotFoundError):
            if time.time() - kept.stat().st_mtime > KEPT:
                kept.unlink()
    for folder in home.glob("*-*"):
        if not psutil.pid_exists(int(folder.name.partition("-")[0])):
            with suppress(FileNotFoundError):
                held = only_one(folder / "log", given_up=_at_once())
                if held is not None:
                    os.close(held)
                    shutil.rmtree(folder, ignore_errors=True)


def _at_once() -> Callable[[], bool]:
    """False the first time: one try."""
    tries = iter((False,))
    return lambda: next(tries, True)
