"""What is replaced inside DVC while a study runs, all of it: DVC keeps deciding, hashing, caching and locking.

DVC has no way in for other schedulers, so these are private functions. `KNOWN` names the versions for which they are right;
tests/runner/test_dvc_inside.py turns red when they move. With another DVC `prunescope run` is `dvc repro`.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from functools import partialmethod
from importlib.metadata import version
from pathlib import Path
from typing import Any
from unittest.mock import patch

from dvc.rwlock import rwlock  # DVC's own, also while it is replaced

from prunescope.runner import lockfile

KNOWN = ("3.67",)
REPLACED = {
    "dvc.repo.reproduce._reproduce": "the loop over stages",
    "dvc.stage.run.cmd_run": "where a stage's command starts",
    "dvc.dependency.param.load_path": "reads params.yaml, for every stage anew",
    "dvc.dvcfile.Lockfile.dump_stages": "writes dvc.lock, after every stage",
    "dvc.rwlock.rwlock": "locks paths against other processes, eight times a stage",
}
"""By their full names, with what each does. Used as they are, private too: repo.lock, Stage.reproduce, Stage.dump,
dvc.stage.run.prepare_kwargs."""

Loop = Callable[..., list[Any]]
Command = Callable[..., None]


def known() -> bool:
    """Whether this DVC is one whose inside is known."""
    return any(version("dvc").startswith(f"{prefix}.") for prefix in KNOWN)


@contextmanager
def replaced(loop: Loop, command: Command) -> Iterator[None]:
    """Inside the block DVC runs `loop` in place of its own and hands commands to `command`."""
    import dvc.dvcfile
    import dvc.repo.reproduce
    import dvc.stage.run

    slow = dvc.dvcfile.Lockfile.dump_stages
    write = partialmethod(lockfile.dump_stages, slow=slow)
    stand_ins = (loop, command, _read_once(), write, _no_lock)
    with ExitStack() as stack:
        for name, stand_in in zip(REPLACED, stand_ins, strict=True):
            stack.enter_context(patch(name, stand_in))
        yield


@contextmanager
def read_once() -> Iterator[None]:
    """params.yaml read once, for a look at a whole study."""
    import dvc.dependency.param  # noqa: F401 - patched below by its name

    with patch("dvc.dependency.param.load_path", _read_once()) if known() else nullcontext():
        yield


def _read_once() -> Callable[..., Any]:
    """`load_path` that reads a file once per version of it. Its result is shared: DVC only looks at it."""
    from dvc.utils.serialize import load_path

    read: dict[str, tuple[tuple[int, int, int], Any]] = {}

    def load_once(path: Any, fs: Any = None, **options: Any) -> Any:
        if options or not Path(path).is_file():
            return load_path(path, fs, **options)
        found = Path(path).stat()
        stamp = (found.st_mtime_ns, found.st_size, found.st_ino)
        if read.get(str(path), (None,))[0] != stamp:
            read[str(path)] = (stamp, load_path(path, fs))
        return read[str(path)][1]

    return load_once


@contextmanager
def _no_lock(*arguments: Any, **options: Any) -> Iterator[None]:
    """In place of locks path by path: `whole_repository` holds all of them."""
    yield


@contextmanager
def whole_repository(repo: Any) -> Iterator[None]:
    """The whole repository locked against other DVC commands, which are told who is busy, as beside `dvc repro`."""
    with rwlock(repo.tmp_dir, repo.fs, "prunescope run", [], [repo.root_dir], False):
        yield
