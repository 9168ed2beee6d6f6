"""Who teaches in a study: the dense networks of distillation, and the base network where recovery learns from it.

Like params, this only refuses and remarks: no stage lists it in `deps`.
"""

from collections.abc import Iterator
from contextlib import suppress

from prunescope.study.architectures import ARCHITECTURES
from prunescope.study.partial import Unknown, recipes
from prunescope.study.tables import Params, Recipe
from prunescope.study.weights import WORDS


def check_teachers(params: Params, problems: list[str]) -> None:
    """Teachers that are not trained: dvc.yaml has a stage for each, and can neither leave one out nor train it."""
    models, teachers = params.study.models, params.distill.teachers
    missing = [name for name in teachers if name not in models]
    if missing and set(models) <= set(ARCHITECTURES):  # else a model's mistyped name is what is wrong
        left = ",".join(name for name in teachers if name in models)
        problems.append(
            f"distill.teachers: found {', '.join(missing)}, wanted models of the study ({', '.join(models)}) or none: "
            f'-S "distill.teachers=[{left}]"'
        )


def check_taught(params: Params, problems: list[str]) -> None:
    """Recovery taught by a base that was never trained: in the paper's regime it is pruned before it has seen the data."""
    for dataset, recipe, taught in _taught_unseen(params):
        with suppress(Unknown):
            if recipe.network.init in WORDS:
                problems.append(
                    f"data.{dataset}.pretrain.epochs: found 0 and {taught}, wanted no network that the base teaches: it has not "
                    "seen the data by then"
                )


def remarks(params: Params) -> list[str]:
    """The same of a base from a file, which may have learnt the data elsewhere."""
    return [
        f"data.{dataset}.pretrain.epochs: 0, and the base teaches {taught}: does {recipe.network.init} know this data's classes?"
        for dataset, recipe, taught in _taught_unseen(params)
        if recipe.network.init not in WORDS
    ]


def _taught_unseen(params: Params) -> Iterator[tuple[str, Recipe, str]]:
    """Data sets on which the base is not trained though it teaches, and whom."""
    study = params.study
    taught = []
    for name in study.methods:
        with suppress(Unknown, KeyError):
            taught += [f"study.methods {name}"] if params.prune[name].recovery == "teacher" else []
    with suppress(Unknown):
        taught += [f"study.taught {', '.join(study.taught)}"] if study.taught else []
    for dataset, recipe in recipes(params):
        with suppress(Unknown):
            if taught and recipe.pretrain.epochs == 0:
                yield dataset, recipe, " and ".join(taught)
