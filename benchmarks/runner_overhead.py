"""What running a study costs beside its stages: CPU seconds of `dvc repro` and of `prunescope run`, by the number of stages.

With nothing to do; for the end of one stage when all have entries in dvc.lock (four stages forced, less the same command with
nothing to do, by four); and for `prunescope run` on average over a run of all stages. Studies are throw-away clones whose stages
are fakes (tests/clone.py). Only the head process counts, not the stages' own. Medians of rounds in turn; half an hour, most of it
the largest study, which has one round.

python benchmarks/runner_overhead.py
python benchmarks/runner_overhead.py --cells one four
"""

import argparse
import random
import statistics
import subprocess
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path

import torch
from common import where
from large_studies import GRIDS, ROOT, write_params

from prunescope.runner import lockfile

sys.path.insert(0, str(ROOT / "tests"))
from clone import Clone

HEAD = """
import resource, sys
from {module} import main
sys.argv = {argv}
try:
    code = main({given})
finally:
    used = resource.getrusage(resource.RUSAGE_SELF)
    open({result!r}, "w").write(str(used.ru_utime + used.ru_stime))
sys.exit(code)
"""
DVC, RUN = "dvc repro", "prunescope run"
FORCED = 4  # stages
LARGE = 500  # stages, from which on one round is enough


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cells", nargs="+", choices=GRIDS, default=list(GRIDS), help="of each model")
    parser.add_argument("--rounds", type=int, default=3, help="measured rounds; the median counts")
    arguments = parser.parse_args()
    print(f"{where(torch.device('cpu'))} · DVC {version('dvc')} · ruamel.yaml {version('ruamel.yaml')}")
    print(f"| stages | nothing to do: {DVC} | {RUN} | one stage's end: {DVC} | {RUN} | {RUN}, mean of a whole run |")
    print("| --: | --: | --: | --: | --: | --: |")
    for cells in arguments.cells:
        with tempfile.TemporaryDirectory() as folder:
            print(row(study(Path(folder), cells), arguments.rounds), flush=True)


def study(folder: Path, cells: str) -> Clone:
    """A clone whose stages have not run yet."""
    clone = Clone(folder, all_recipes=True)
    write_params(ROOT, clone.folder, cells)
    return clone


def row(clone: Clone, rounds: int) -> str:
    """A line of the table."""
    whole_run = head(clone, RUN)
    names = lockfile.names(clone.folder / "dvc.lock")
    forced = [name for name in names if name.startswith("finetune@")][:FORCED]
    some, again = ("-s", *forced), ("-f", "-s", *forced)
    wanted = [(command, words) for command in (DVC, RUN) for words in ((), some, again)]
    seconds: dict[tuple[str, tuple[str, ...]], list[float]] = {case: [] for case in wanted}
    for _ in range(rounds if len(names) < LARGE else 1):
        for command, words in random.sample(wanted, len(wanted)):
            seconds[command, words].append(head(clone, command, *words))
    median = {case: statistics.median(values) for case, values in seconds.items()}
    idle = [f"{median[command, ()]:.1f}" for command in (DVC, RUN)]
    ends = [f"{(median[command, again] - median[command, some]) / FORCED:.2f}" for command in (DVC, RUN)]
    cells = [f"{len(names):,}", *idle, *ends, f"{(whole_run - median[RUN, ()]) / len(names):.2f}"]
    return f"| {' | '.join(cells)} |"


def head(clone: Clone, command: str, *words: str) -> float:
    """User and system seconds of the command's own process, without its children."""
    result = clone.folder.parent / "seconds"
    if command == DVC:
        code = HEAD.format(module="dvc.cli", argv=["dvc"], given=["repro", "-q", *words], result=str(result))
    else:
        argv = ["prunescope", "run", "--plain", "--jobs", "2", "--", "repro", "-q", *words]
        code = HEAD.format(module="prunescope.__main__", argv=argv, given="", result=str(result))
    environment = clone.environment() | {"PYTHONPATH": str(ROOT / "src")}
    given = {"cwd": clone.folder, "env": environment, "capture_output": True, "text": True, "check": False}
    done = subprocess.run([sys.executable, "-c", code], **given)
    if done.returncode:
        raise SystemExit(f"{command} {' '.join(words)} failed:\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}")
    return float(result.read_text(encoding="utf-8"))


if __name__ == "__main__":
    main()
