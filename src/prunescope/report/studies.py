"""Kept studies (results/<name>) as commands are given them: opened, or refused in a line that says what was wanted."""

from pathlib import Path

from prunescope.errors import PrunescopeError
from prunescope.results.kept import ARCHIVE, PROVENANCE, provenance
from prunescope.results.results import Results, kept


def opened(folder: Path) -> Results:
    """The results of a kept study. PrunescopeError where the folder is none."""
    require(folder)
    return kept(folder)


def require(folder: Path) -> None:
    """Raise PrunescopeError unless `prunescope keep` wrote the folder; it names kept studies that are near."""
    missing = [name for name in (PROVENANCE, ARCHIVE) if not (folder / name).is_file()]
    if missing:
        near = [of for place in (folder, Path("results")) for of in sorted(place.glob(f"*/{PROVENANCE}"))]
        listed = ", ".join(dict.fromkeys(str(of.parent) for of in near)) or "none"
        raise PrunescopeError(
            f"{folder}: found no {' and no '.join(missing)}, wanted the folder of a kept study, as `prunescope keep` writes it; "
            f"kept studies near: {listed}"
        )
    try:
        made = provenance(folder)
    except ValueError as error:
        raise PrunescopeError(f"{folder / PROVENANCE}: found no valid JSON ({error}); keep the study again") from error
    if not isinstance(made, dict) or not made.get("commits") or "command" not in made:
        raise PrunescopeError(f"{folder / PROVENANCE}: found no commits and command in it, wanted both; keep the study again")
