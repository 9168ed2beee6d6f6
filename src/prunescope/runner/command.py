"""`prunescope run`: DVC's own commands, with stages side by side on an engine."""

import argparse
import logging
import os
import shutil
import sys
from collections.abc import Sequence
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import NoReturn

from prunescope.errors import PrunescopeError
from prunescope.runner.job import LOGS

ENGINES: dict[str, str | None] = {"local": None, "ray": "ray", "slurm": "submitit"}
"""By name, with the package that each needs; each is a module of this room with `make`."""


def run(
    arguments: Sequence[str],
    *,
    engine: str,
    jobs: int | None,
    options: Sequence[str],
    device: str,
    threads: int,
    processes: str | int,
    plain: bool = False,
    fail_fast: bool = False,
) -> int:
    """Run a DVC command (`repro`, `exp run`) with stages on an engine; returns DVC's exit code.

    Raises PrunescopeError, before any work, for an engine that is unknown, not installed or cannot do what is asked.
    """
    from prunescope.runner import dvc_inside

    if engine not in ENGINES:
        raise PrunescopeError(f"--engine: found {engine}, wanted one of {', '.join(ENGINES)}")
    if not dvc_inside.known():
        _become_dvc(arguments, engine, dvc_inside.version("dvc"), ", ".join(dvc_inside.KNOWN))
    try:
        LOGS.mkdir(exist_ok=True)
    except FileExistsError:
        raise PrunescopeError(f"found {LOGS} that is no folder, wanted one for what stages print; move it away") from None
    chosen = make(engine, jobs=jobs, device=device, threads=threads, processes=processes, options=_pairs(options))
    try:
        from dvc.cli import main

        from prunescope.runner.loop import Loop
        from prunescope.runner.times import Times
        from prunescope.runner.view import View

        times = Times(LOGS.absolute() / "times.json")  # an experiment may run in another folder
        view = View(times, plain=plain)
        view.note(f"{engine}: {chosen.about}")
        loop = Loop(chosen, view, times, fail_fast=fail_fast)
        for name in ("dvc.stage", "dvc.repo.reproduce"):  # what they say about each stage, the view says
            logging.getLogger(name).setLevel(logging.WARNING)
        logging.getLogger("dvc_data.index.checkout").setLevel(logging.ERROR)  # it names every file that is still to be made
        with dvc_inside.replaced(loop.stages, loop.command):
            return main(list(arguments))
    finally:
        chosen.close()


def dry() -> None:
    """Print what would run and why."""
    from dvc.repo import Repo

    from prunescope.runner import dvc_inside
    from prunescope.runner.dry import plan

    with dvc_inside.read_once(), Repo() as repo:
        lines = list(plan(repo))
    for stage, reason in lines:
        print(f"{stage}  {reason}")
    print(f"{len(lines)} stages would run, or come from the cache" if lines else "nothing would run")


def read(words: Sequence[str]) -> argparse.Namespace:
    """A DVC command as DVC itself reads it: `-S` attached, long options cut short. Ends the program where it cannot be read."""
    _require_dvc()
    from dvc.cli import DvcParserError, parse_args

    try:
        return parse_args(list(words))
    except DvcParserError:  # it has said what is wrong
        raise SystemExit(254) from None  # as dvc does


def overrides_of(words: Sequence[str]) -> list[str]:
    """What a DVC command sets by -S."""
    return list(getattr(read(words), "set_param", ()))


def make(engine: str, **settings):
    """The engine of that name, one of ENGINES. settings: what they all take, as of params.yaml's runtime."""
    if (device := settings["device"]).startswith("cuda:"):
        raise PrunescopeError(f"runtime.device: found {device}, wanted auto or cuda: each stage gets its GPU; or use dvc repro")
    package = ENGINES[engine]
    if package and not find_spec(package):
        raise PrunescopeError(f"--engine {engine} needs {package}, which is not installed; pip install 'prunescope[{engine}]'")
    return import_module(f"prunescope.runner.{engine}").make(**settings)


def _require_dvc() -> None:
    """Raise PrunescopeError where this Python has no DVC, as one outside the environment."""
    if not find_spec("dvc"):
        raise PrunescopeError(
            f"found no package dvc in the Python {sys.executable}, wanted it: activate the environment that has it "
            "(. .venv/bin/activate), or pip install dvc"
        )


def _pairs(options: Sequence[str]) -> dict[str, str]:
    wrong = [option for option in options if "=" not in option]
    if wrong:
        raise PrunescopeError(f"--engine-option: found {wrong[0]}, wanted key=value")
    return {key: value for key, _, value in (option.partition("=") for option in options)}


def _become_dvc(arguments: Sequence[str], engine: str, found: str, known: str) -> NoReturn:
    """DVC itself from here on, in this process: a signal is its own, and so is the exit code."""
    if engine != "local":
        raise PrunescopeError(
            f"--engine {engine}: found DVC {found}, wanted one of {known}; install such a one, or leave --engine away"
        )
    print(f"warning: this DVC, {found}, is none of {known}; stages run one after the other", file=sys.stderr, flush=True)
    os.execvp(_dvc(), ["dvc", *arguments])


def _dvc() -> str:
    beside = Path(sys.executable).with_name("dvc")
    return str(beside) if beside.is_file() else shutil.which("dvc") or "dvc"
