"""params.yaml as the commands begin with it, in one call."""

from collections.abc import Sequence
from pathlib import Path

from prunescope.study import budgets, teachers
from prunescope.study.contradictions import wants_networks
from prunescope.study.params import Params, load
from prunescope.study.weights import require_files


def runnable(path: Path, overrides: Sequence[str]) -> Params:
    """params.yaml as a study can begin with it: right in itself, with the files that it names, and for its networks."""
    params = load(path, overrides)
    require_files(params, path.parent)
    if wants_networks(params):
        from prunescope.study.guards import require_networks_fit  # builds networks: imports torch

        require_networks_fit(params)
    return params


def remarks(params: Params) -> list[str]:
    """What is no mistake but should be known before hours of training."""
    return [*budgets.remarks(params), *teachers.remarks(params)]
