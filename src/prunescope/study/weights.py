"""What network.init may say: random, imagenet, or the name of a file in the folder weights/, on which DVC keeps an eye.

Like params, this only refuses: no stage lists it in `deps`.
"""

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path, PureWindowsPath

from prunescope.errors import PrunescopeError
from prunescope.study.partial import Unknown, recipes
from prunescope.study.tables import Params

FOLDER = Path("weights")


def check_starts(params: Params, problems: list[str]) -> None:
    """Words and paths that name no file in weights/, and starts that cannot fit the study's networks."""
    for dataset, init in _inits(params):
        key, network = f"data.{dataset}.network.init", params.data[dataset].network
        if init == "imagenet" and network.width != 1:
            problems.append(
                f"{key}: found imagenet, wanted random: published weights have width 1 (found data.{dataset}.network.width: "
                f"{network.width:g})"
            )
        if init in ("random", "imagenet"):
            continue
        name = PureWindowsPath(init).name
        if name != init:
            problems.append(
                f"{key}: found {init!r}, wanted random, imagenet, or the name of a file in {FOLDER}/: copy or link it there "
                f"(ln -s {init} {FOLDER}/, from an absolute path) and write {name!r}"
            )
        elif "." not in init:
            problems.append(f"{key}: found {init!r}, wanted random, imagenet, or the name of a file in {FOLDER}/ (x.pth, say)")
        if len(params.study.models) > 1:
            models = ", ".join(params.study.models)
            problems.append(f"{key}: found a file, wanted one model in study.models, which it is for: found {models}")


def require_files(params: Params, beside: Path) -> None:
    """Raise PrunescopeError for files of weights that are not there. Asked for where nothing runs yet: stages after `weights` do
    without them.

    beside: the folder in which params.yaml and weights/ lie
    """
    folder = beside / FOLDER
    there = sorted(file.name for file in folder.glob("*") if file.name != "README.md")
    missing = [
        f"data.{dataset}.network.init: found {init!r}, which is not in {folder}; wanted random, imagenet, or the name of a file "
        f"there (there now: {', '.join(there) or 'none'}): copy or link it there"
        for dataset, init in _inits(params)
        if init not in ("random", "imagenet") and not (folder / init).is_file()
    ]
    if missing:
        raise PrunescopeError("\n  ".join(missing))


def _inits(params: Params) -> Iterator[tuple[str, str]]:
    """(data set, its init) of those that the study runs and whose init is right by itself."""
    for name, recipe in recipes(params):
        with suppress(Unknown):
            yield name, recipe.network.init
