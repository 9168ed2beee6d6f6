"""The study as one self-contained HTML page, the same as Markdown, and its figures."""

import subprocess
from dataclasses import asdict
from pathlib import Path
from typing import Any

from prunescope import __version__
from prunescope.report.page import write
from prunescope.report.reproduce import command
from prunescope.results import yaml12
from prunescope.results.results import read
from prunescope.study.params import load
from prunescope.study.stage import arguments, main


def recipe() -> None:
    args = arguments(__doc__, "metrics", "report")
    params = load()
    commit = _git("describe", "--always", "--abbrev=12") or "not a git checkout"
    here, committed = Path("params.yaml").read_text(encoding="utf-8"), _git("show", "HEAD:params.yaml")
    again = command(*(_without_method(yaml12.read(text) or {}) for text in (here, committed)))
    study = ", ".join(f"{key}: {value}" for key, value in asdict(params.grid).items())
    write(
        read(args.metrics, params.grid),
        args.report,
        provenance={"prunescope": __version__, "commit": commit, "study": study},
        figures=Path("resume/figures"),
        reproduce=[f"git checkout {commit}", "make study", ". .venv/bin/activate", again],
    )
    print(f"open {args.report / 'report.html'}")


def _without_method(settings: dict[str, Any]) -> dict[str, Any]:
    """No number of the page depends on the method whose numbers `selected` shows."""
    return {key: value for key, value in settings.items() if key != "method"}


def _git(*arguments: str) -> str:
    """What git prints, or nothing where this is no checkout."""
    try:
        return subprocess.run(["git", *arguments], capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return ""


if __name__ == "__main__":
    main(recipe)
