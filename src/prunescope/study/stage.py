"""What every stage script shares: its command line, and how it ends.

It decides nothing about results, so no stage lists it as a dependency in dvc.yaml.
"""

import argparse
import os
import sys
from collections.abc import Callable
from pathlib import Path

from prunescope.errors import PrunescopeError

KINDS = {"sparsity": float, "seed": int}
NAMES = {"dataset", "model", "method", "sparsity", "seed", "format"}


def arguments(doc: str | None, *required: str, optional: tuple[str, ...] = ()) -> argparse.Namespace:
    """Parse --name value for every name; those in NAMES say which cell it is, all others are paths."""
    parser = argparse.ArgumentParser(description=doc)
    for name in (*required, *optional):
        kind = KINDS.get(name, str if name in NAMES else Path)
        parser.add_argument(f"--{name.replace('_', '-')}", type=kind, required=name in required)
    return parser.parse_args()


def mirror() -> Path | None:
    """The directory that PRUNESCOPE_MIRROR names: data sets and weights that need no download."""
    folder = os.environ.get("PRUNESCOPE_MIRROR")
    return Path(folder) if folder else None


def main(recipe: Callable[[], None]) -> None:
    """Run a stage: what the user can mend ends in one line on stderr and exit 1, Ctrl-C in one line and exit 130."""
    try:
        recipe()
        code = 0
    except (PrunescopeError, OSError) as error:  # an OSError names its file and reason: disk full, no permission
        print(f"error: {error}", file=sys.stderr)
        code = 1
    except KeyboardInterrupt as stopped:
        print(f"interrupted: {str(stopped) or 'finished stages are kept; run it again to go on'}", file=sys.stderr)
        code = 130
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)  # all files are written: unloading torch's libraries would take most of a second more
