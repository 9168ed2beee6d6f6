"""Where a study's metrics files lie: a folder as the stages leave it, or the archive of a kept study."""

import io
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from prunescope.errors import PrunescopeError


@dataclass(frozen=True)
class Files:
    """Files by their names below metrics/; `content` has their bytes, or where they lie, where that is not one folder."""

    where: Path
    content: Mapping[str, bytes | Path] | None = field(default=None, repr=False)

    def read(self, name: str) -> bytes | None:
        """The bytes of a file; None where it does not exist (that stage did not run)."""
        if self.content is not None:
            found = self.content.get(name)
            return found.read_bytes() if isinstance(found, Path) else found
        try:
            return (self.where / name).read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            return None

    def path(self, name: str) -> str:
        """What messages call a file."""
        return str(self.where / name)

    def json(self, name: str) -> dict[str, Any] | None:
        """The object in a JSON file."""
        data = self.read(name)
        if data is None:
            return None
        try:
            content = json.loads(data)
        except ValueError as error:
            raise PrunescopeError(
                f"{self.path(name)}: found no valid JSON ({error}), wanted a metrics file; run its stage again"
            ) from error
        if not isinstance(content, dict):
            found = type(content).__name__
            raise PrunescopeError(f"{self.path(name)}: found a JSON {found}, wanted an object of metrics; run its stage again")
        return content

    def table(self, name: str, columns: set[str], **reading: Any) -> pd.DataFrame | None:
        """A CSV that has at least these columns; `reading` goes to pandas."""
        data = self.read(name)
        if data is None:
            return None
        table = pd.read_csv(io.BytesIO(data), **reading)
        if missing := columns - set(table.columns):
            raise PrunescopeError(f"{self.path(name)}: found no column {', '.join(sorted(missing))}; run its stage again")
        return table
