"""The study as one self-contained HTML page, the same as Markdown, and its figures."""

import subprocess
from dataclasses import asdict
from pathlib import Path
from typing import Any

import yaml

from prunescope import __version__
from prunescope.params import load
from prunescope.report.page import write
from prunescope.stage import arguments, main


def recipe() -> None:
    args = arguments(__doc__, "metrics", "report")
    params = load()
    commit = _git("describe", "--always", "--abbrev=12") or "not a git checkout"
    study = ", ".join(f"{key}: {value}" for key, value in asdict(params.grid).items())
    write(
        params.grid,
        args.metrics,
        args.report,
        provenance={"prunescope": __version__, "commit": commit, "study": study},
        reproduce=[f"git checkout {commit}", "make study", ". .venv/bin/activate", f"dvc exp run{_overrides()}"],
        method=params.method,
    )
    print(f"open {args.report / 'report.html'}")


def _overrides() -> str:
    """The params that differ from the commit's, as DVC takes them on the command line."""
    committed = _flat(yaml.safe_load(_git("show", "HEAD:params.yaml") or "{}"))
    here = _flat(yaml.safe_load(Path("params.yaml").read_text(encoding="utf-8")))
    changed = {key: value for key, value in here.items() if committed.get(key) != value}
    return "".join(f' -S "{key}={str(value).replace(chr(39), "")}"' for key, value in changed.items())


def _flat(tree: dict[str, Any], above: str = "") -> dict[str, Any]:
    """Nested tables as one with dotted keys."""
    flat: dict[str, Any] = {}
    for key, value in tree.items():
        flat |= _flat(value, f"{above}{key}.") if isinstance(value, dict) else {f"{above}{key}": value}
    return flat


def _git(*arguments: str) -> str:
    """What git prints, or nothing where this is no checkout."""
    try:
        return subprocess.run(["git", *arguments], capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return ""


if __name__ == "__main__":
    main(recipe)
