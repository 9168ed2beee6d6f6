"""How long stages took in earlier runs: what the order of stages and the time left are reckoned from."""

import json
from pathlib import Path
from statistics import mean

from prunescope.files import write_json

UNKNOWN = 10.0  # seconds for a stage of which nothing is known


class Times:
    """Seconds of stages by DVC's name, kept in a file. A stage never run is taken to last as long as others of its kind."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            read = json.loads(path.read_text(encoding="utf-8"))
            self.seconds = {str(name): float(value) for name, value in read.items()}
        except (OSError, ValueError, AttributeError, TypeError):
            self.seconds = {}

    def expected(self, stage: str) -> float:
        """Seconds that it is expected to take: as last time, else the mean of its kind (prune-oneshot, say), else UNKNOWN."""
        if stage in self.seconds:
            return self.seconds[stage]
        alike = [value for name, value in self.seconds.items() if kind(name) == kind(stage)]
        return mean(alike) if alike else UNKNOWN

    def keep(self, stage: str, seconds: float) -> None:
        """It ended well after so long, which counts from now on."""
        self.seconds[stage] = round(seconds, 3)

    def save(self) -> None:
        write_json(self.path, dict(sorted(self.seconds.items())))


def kind(stage: str) -> str:
    """A stage's name without its cell."""
    return stage.partition("@")[0]
