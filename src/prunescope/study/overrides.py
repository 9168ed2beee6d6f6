"""What `dvc exp run -S key=value` would make of params.yaml, without writing it."""

import json
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from prunescope.errors import PrunescopeError


def overridden(content: Any, overrides: list[str]) -> Any:
    """The content of params.yaml with overrides (Hydra's grammar), set by DVC's own function.

    Raises PrunescopeError for what DVC refuses: a key that is not there, a value that cannot be read.
    """
    from dvc.exceptions import DvcException  # a fifth of a second
    from dvc.utils.hydra import apply_overrides

    if not isinstance(content, dict):
        return content
    with TemporaryDirectory() as folder:
        path = Path(folder) / "params.json"
        path.write_text(json.dumps(content), encoding="utf-8")
        try:
            apply_overrides(path, [override.removeprefix("params.yaml:") for override in overrides])
        except DvcException as error:
            reason = str(error.__cause__ or error).splitlines()[0]
            raise PrunescopeError(f"-S {' -S '.join(overrides)}: {reason}; wanted key=value with a key of params.yaml") from error
        return json.loads(path.read_text(encoding="utf-8"))
