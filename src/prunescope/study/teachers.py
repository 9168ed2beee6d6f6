"""Who teaches in a study: the dense networks of distillation, and the base network where recovery learns from it.

Like params, this only refuses: no stage lists it in `deps`.
"""

from contextlib import suppress

from prunescope.study.architectures import ARCHITECTURES
from prunescope.study.partial import Unknown, recipes
from prunescope.study.tables import Params


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
                problems.append(
                    f"data.{dataset}.pretrain.epochs: found 0 and {' and '.join(taught)}, wanted no network that the base "
                    "teaches: it has not seen the data by then"
                )
