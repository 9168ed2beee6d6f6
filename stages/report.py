"""The study as one self-contained HTML page, the same as Markdown, and its figures."""

import subprocess
from dataclasses import asdict

from prunescope import __version__
from prunescope.params import Params, load
from prunescope.report.page import write
from prunescope.stage import arguments, main


def recipe() -> None:
    args = arguments(__doc__, "metrics", "summary", "report")
    params = load()
    write(
        params.grid,
        args.metrics,
        args.report,
        provenance={"prunescope": __version__, "commit": commit(), "params": grid_line(params)},
        reproduce=["make study", ". .venv/bin/activate", "dvc repro"],
        method=params.method,
    )
    print(f"open {args.report / 'report.html'}")


def commit() -> str:
    """The commit of the working tree, marked where tracked files differ from it."""
    try:
        described = subprocess.run(
            ["git", "describe", "--always", "--dirty", "--abbrev=12"], capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return "not a git checkout"
    return described.stdout.strip()


def grid_line(params: Params) -> str:
    """The study's own lines of params.yaml."""
    return ", ".join(f"{key}: {value}" for key, value in asdict(params.grid).items())


if __name__ == "__main__":
    main(recipe)
