"""What network.init may say: random, imagenet, or the name of a file in the folder weights/, on which DVC keeps an eye.

Like params, this only refuses: no stage lists it in `deps`.
"""

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path, PureWindowsPath

from prunescope.errors import PrunescopeError
from prunescope.pretrained.places import file_for
from prunescope.study.partial import Unknown, recipes
from prunescope.study.tables import Params

FOLDER = Path("weights")
WORDS = ("random", "imagenet")  # of network.init; all else names a file


def check_starts(params: Params, problems: list[str]) -> None:
    """Words and paths that name no file in weights/, and starts that cannot fit the study's networks."""
    for dataset, init in _inits(params):
        key, network = f"data.{dataset}.network.init", params.data[dataset].network
        if init == "imagenet" and network.width != 1:
            problems.append(
                f"{key}: found imagenet, wanted random: published weights have width 1 (found data.{dataset}.network.width: "
                f"{network.width:g})"
            )
        if init in WORDS:
            continue
        name = PureWindowsPath(init).name
        if name != init:
            problems.append(
                f"{key}: found {init!r}, wanted random, imagenet, or the name of a file in {FOLDER}/: copy or link it there "
                f"(ln -s {init} {FOLDER}/, from an absolute path) and write {name!r}"
            )
        elif "." not in init:
            problems.append(f"{key}: found {init!r}, wanted random, imagenet, or the name of a file in {FOLDER}/ (x.pth, say)")


def require_files(params: Params, beside: Path) -> None:
    """Raise PrunescopeError for files of weights that are not there: in weights/, or for several models in a folder of
    each one's name there. Asked for where nothing runs yet: stages after `weights` do without them.

    beside: the folder in which params.yaml and weights/ lie
    """
    folder, models = beside / FOLDER, params.study.models
    there = sorted(str(file.relative_to(folder)) for file in folder.rglob("*") if file.is_file() and file.name != "README.md")
    missing = []
    for dataset, init in _inits(params):
        if init in WORDS:
            continue
        if len(models) == 1:
            wanted = [] if file_for(models[0], folder, init).is_file() else [folder / init]
        else:
            wanted = [path for model in models if not (path := folder / model / init).is_file()]
        if wanted:
            missing.append(
                f"data.{dataset}.network.init: found {init!r}, but no {', '.join(map(str, wanted))}; wanted random, imagenet, or "
                f"the name of a file in {folder}, for several models one in each model's folder there (there now: "
                f"{', '.join(there) or 'none'}): copy or link it there"
            )
    if missing:
        raise PrunescopeError("\n  ".join(missing))


def _inits(params: Params) -> Iterator[tuple[str, str]]:
    """(data set, its init) of those that the study runs and whose init is right by itself."""
    for name, recipe in recipes(params):
        with suppress(Unknown):
            yield name, recipe.network.init
