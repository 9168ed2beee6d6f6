"""What is replaced inside DVC while a study runs, all of it: DVC keeps deciding, hashing, caching and locking.

DVC has no way in for other schedulers, so these are private functions. `KNOWN` names the versions for which they are right;
tests/runner/test_dvc_inside.py turns red when they move. With another DVC `prunescope run` is `dvc repro`.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import partialmethod
from importlib.metadata import version
from pathlib import Path
from typing import Any
from unittest.mock import patch

import dpath  # as DVC looks keys up
from dvc.lock import LockError
from dvc.rwlock import rwlock  # DVC's own, also while it is replaced

from prunescope.runner import hashes, lockfile

KNOWN = ("3.67",)
REPLACED = {
    "dvc.repo.reproduce._reproduce": "the loop over stages",
    "dvc.stage.run.cmd_run": "where a stage's command starts",
    "dvc.repo.reproduce.collect_stages": "reads dvc.yaml and dvc.lock, a second time",
    "dvc.dependency.param.read_param_file": "reads params.yaml and looks keys up, for every stage anew",
    "dvc.output.Output.get_hash": "hashes a path, for every stage that depends on it",
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

    stand_ins = {
        "dvc.repo.reproduce._reproduce": loop,
        "dvc.stage.run.cmd_run": command,
        "dvc.repo.reproduce.collect_stages": _collect_once(dvc.repo.reproduce.collect_stages),
        "dvc.dvcfile.Lockfile.dump_stages": partialmethod(lockfile.dump_stages, slow=dvc.dvcfile.Lockfile.dump_stages),
        "dvc.rwlock.rwlock": _no_lock,
        **_asked_once(),
    }
    with ExitStack() as stack:
        for name in REPLACED:
            stack.enter_context(patch(name, stand_ins[name]))
        yield


@contextmanager
def read_once() -> Iterator[None]:
    """params.yaml read and paths hashed once, for a look at a whole study."""
    with ExitStack() as stack:
        for name, stand_in in _asked_once().items() if known() else ():
            stack.enter_context(patch(name, stand_in))
        yield


def _asked_once() -> dict[str, Callable[..., Any]]:
    import dvc.dependency.param
    import dvc.output

    return {
        "dvc.dependency.param.read_param_file": _read_once(dvc.dependency.param.read_param_file),
        "dvc.output.Output.get_hash": hashes.once(dvc.output.Output.get_hash),
    }


def _collect_once(slow: Callable[..., list[Any]]) -> Callable[..., list[Any]]:
    """`collect_stages` that takes the stages of dvc.yaml from the index, which DVC reads in any case for the graph."""

    def collect(repo: Any, targets: Any, **options: Any) -> list[Any]:
        path = repo.fs.abspath("dvc.yaml")
        stages = [stage for stage in repo.index.stages if stage.path == path] if list(targets) == ["dvc.yaml"] else []
        return stages or slow(repo, targets, **options)

    return collect


def _read_once(slow: Callable[..., Any]) -> Callable[..., Any]:
    """`read_param_file` that reads a file, and looks a key up, once per version of it. Values are shared: DVC only looks on."""
    read: dict[str, tuple[tuple[int, ...], Any, dict[str, Any]]] = {}

    def read_once(fs: Any, path: Any, key_paths: list[str] | None = None, flatten: bool = False, **options: Any) -> Any:
        if options or not (flatten and key_paths) or not Path(path).is_file():
            return slow(fs, path, key_paths, flatten=flatten, **options)
        seen = hashes.stamp(Path(path).stat())
        if str(path) not in read or read[str(path)][0] != seen:
            read[str(path)] = (seen, slow(fs, path), {})
        _, whole, values = read[str(path)]
        for key in key_paths:
            if key not in values:
                with suppress(KeyError):
                    values[key] = dpath.get(whole, key, separator=".")
        return {key: values[key] for key in key_paths if key in values}

    return read_once


@contextmanager
def _no_lock(*arguments: Any, **options: Any) -> Iterator[None]:
    """In place of locks path by path: `whole_repository` holds all of them."""
    yield


@contextmanager
def whole_repository(repo: Any) -> Iterator[None]:
    """The whole repository locked against other DVC commands, which are told who is busy, as beside `dvc repro`."""
    hardlink = repo.config["core"].get("hardlink_lock", False)
    with rwlock(repo.tmp_dir, repo.fs, "prunescope run", [], [repo.root_dir], hardlink):
        yield


@contextmanager
def patient(lock: Any, busy: Callable[[], None], given_up: Callable[[], bool]) -> Iterator[None]:
    """Inside, `repo.lock` waits for as long as another DVC command holds it; DVC's own gives up after three seconds.

    busy: called once for each such wait · given_up: whether to wait no longer: then DVC's LockError.
    """
    take = lock.lock

    def wait() -> None:
        said = False
        while True:
            try:
                return take()
            except LockError:
                if given_up():
                    raise
                if not said:
                    busy()
                said = True

    with patch.object(lock, "lock", wait):
        yield
