"""What DVC itself costs: CPU seconds of `dvc repro` with nothing to do, and the size of dvc.lock, by the number of stages.

Each study is a throw-away clone whose stages are fakes (tests/clone.py), run once; then `dvc repro` is measured, in turn over
all repositories, with DVC's YAML reader in C (ruamel.yaml.clib) and in Python. Minutes: the largest takes half of one a time.

python benchmarks/large_studies.py                                       this repository
python benchmarks/large_studies.py --repository before --repository .    checkouts of two commits, measured in turn
"""

import argparse
import importlib.util
import os
import random
import resource
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[1]
# Two models with their students, by the cells of each: data sets, seeds and whether a second level is compared.
GRIDS = {
    "one": (["digits"], [0], False),
    "four": (["digits"], [0, 1], True),
    "twelve": (["digits", "cifar100-small"], [0, 1, 2], True),
    "forty-four": (["digits"], [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21], True),
}
DVC = "import sys; sys.modules.update({hidden}); from dvc.cli import main; sys.exit(main({arguments}))"
READERS = {"C": "{}", "Python": "{'_ruamel_yaml': None, '_ruamel_yaml_clibz': None}"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repository", type=Path, action="append", help="a checkout; may be repeated (default: this one)")
    parser.add_argument("--cells", nargs="+", choices=GRIDS, default=list(GRIDS)[:3], help="of each model")
    parser.add_argument("--rounds", type=int, default=3, help="measured rounds; the median counts")
    parser.add_argument("--build", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    repositories = [path.resolve() for path in arguments.repository or [ROOT]]
    if arguments.build:
        build(repositories[0], arguments.build, arguments.cells[0])
        return
    readers = READERS if importlib.util.find_spec("_ruamel_yaml") else {"Python": "{}"}
    print("| stages | repository | dvc.lock | reader | CPU seconds, median | lowest | highest |")
    print("| --: | :-- | --: | :-- | --: | --: | --: |")
    for grid in arguments.cells:
        with tempfile.TemporaryDirectory() as folder:
            clones = {}
            for number, repository in enumerate(repositories):
                place = Path(folder, str(number))
                built = [sys.executable, __file__, "--build", place, "--repository", repository, "--cells", grid]
                subprocess.run(built, check=True)
                clones[repository] = place / "clone"
            candidates = [(repository, reader) for repository in repositories for reader in readers]
            seconds = {candidate: [] for candidate in candidates}
            for _ in range(arguments.rounds):
                for repository, reader in random.sample(candidates, len(candidates)):
                    seconds[repository, reader].append(repro(clones[repository], readers[reader]))
            for (repository, reader), found in seconds.items():
                lock = (clones[repository] / "dvc.lock").read_text(encoding="utf-8")
                row = (len(yaml.safe_load(lock)["stages"]), repository.name, f"{len(lock) / 1000:,.0f} KB", reader)
                times = (statistics.median(found), min(found), max(found))
                print("|", *(f"{cell} |" for cell in row), *(f"{time:.1f} |" for time in times), flush=True)


def build(repository: Path, folder: Path, cells: str) -> None:
    """A clone in `folder`/clone in which all stages of the study have run once, without DVC's own second a stage."""
    sys.path.insert(0, str(repository / "tests"))
    try:
        graph = importlib.import_module("graph")
    except ModuleNotFoundError:  # its name before the modules moved into rooms
        graph = importlib.import_module("workflow")
    clone = importlib.import_module("clone").Clone(folder, all_recipes=True)
    params = write_params(repository, clone.folder, cells)
    todo = dict(graph.items(params))
    while todo:  # a stage is run when no other that is left writes what it reads
        left = {out for stage in todo.values() for out in graph.outs(stage)}
        for name, stage in [*todo.items()]:
            if not any(
                out == dep or out.startswith(f"{dep}/") or dep.startswith(f"{out}/") for dep in stage["deps"] for out in left
            ):
                subprocess.run(stage["cmd"].split(), cwd=clone.folder, env=os.environ | {"DVC_STAGE": name}, check=True)
                del todo[name]
    clone.run("dvc", "commit", "-q", "-f")
    if clone.executed("dvc", "repro"):
        raise SystemExit("stages ran again after all had run: nothing that is measured would count")


def write_params(repository: Path, clone: Path, cells: str) -> dict:
    """params.yaml of the repository with the grid of that name, for a clone with the recipes of all data sets."""
    params = yaml.safe_load((repository / "params.yaml").read_text(encoding="utf-8"))
    datasets, seeds, two_levels = GRIDS[cells]
    params["study"] |= {"datasets": datasets, "seeds": seeds}
    params["compare_sparsities"] = [0.5 if two_levels else params["sparsity"], *[params["sparsity"]] * 3]
    (clone / "params.yaml").write_text(yaml.safe_dump(params, sort_keys=False), encoding="utf-8")
    return params


def repro(clone: Path, hidden: str) -> float:
    """User and system seconds of `dvc repro` with nothing to do."""
    code = DVC.format(hidden=hidden, arguments=["repro", "-q"])
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    environment = os.environ | {"DVC_NO_ANALYTICS": "1"}
    subprocess.run([sys.executable, "-c", code], cwd=clone, env=environment, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


if __name__ == "__main__":
    main()
