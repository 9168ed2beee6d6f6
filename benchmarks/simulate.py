"""How long a study takes on so many GPUs or cores: its real graph through the runner's own schedule, in simulated time.

DVC resolves dvc.yaml. A stage takes what it took in an earlier run (--times), else what such stages took, else a guess from
benchmarks/guesses.py, which is printed. DVC's own work and a machine's noise are left out.

python benchmarks/simulate.py                                                    the paper's grid, three seeds: 1, 8 and 64 GPUs
python benchmarks/simulate.py --shipped --slots 1 2 --times logs/times.json      the shipped study on cores, after a run of it
"""

import argparse
import contextlib
import heapq
import io
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from prunescope.runner.loop import is_alone
from prunescope.runner.schedule import Schedule
from prunescope.runner.times import Times, kind

ROOT = Path(__file__).resolve().parents[1]
PAPER = (  # as in docs/studies.md, with three seeds
    "study.models=[vgg16,densenet169]", "distill.teachers=[vgg16]", "distill.student=vgg11", "study.datasets=[cifar100,ham10000]",
    "compare_sparsities=[0.5,0.8,0.8,0.8]", "study.seeds=[0,1,2]",
)  # fmt: skip


@dataclass(frozen=True)
class Graph:
    """needs: what each stage waits for · commands: by stage · alone: those that run without neighbours."""

    needs: Mapping[str, set[str]]
    commands: Mapping[str, str]
    alone: frozenset[str]


def simulate(
    needs: Mapping[str, Any], seconds: Mapping[str, float], *, slots: int, alone: Any = (), longest: bool = True
) -> float:
    """Seconds from the first stage's beginning to the last one's end. longest: the longest path first, else as in the graph."""
    order: Callable[[str], float] = seconds.__getitem__ if longest else lambda stage: 0.0
    schedule = Schedule(needs, slots=slots, seconds=order, alone=lambda stage: stage in alone)
    now, running = 0.0, []
    while not schedule.over:
        while (stage := schedule.next()) is not None:
            schedule.begin(stage)
            heapq.heappush(running, (now + seconds[stage], stage))
        now, stage = heapq.heappop(running)
        schedule.free(stage)
        schedule.end(stage)
    return now


def critical_path(needs: Mapping[str, Any], seconds: Mapping[str, float]) -> float:
    """Seconds of the longest chain of stages: no number of slots is faster."""
    return max(Schedule(needs, slots=1, seconds=seconds.__getitem__).path.values())


def row(graph: Graph, seconds: Mapping[str, float], slots: int, unit: float) -> str:
    """A line of the table, in units of so many seconds."""
    total, path = sum(seconds.values()), critical_path(graph.needs, seconds)
    alone = sum(seconds[stage] for stage in graph.alone)
    took = simulate(graph.needs, seconds, slots=slots, alone=graph.alone)
    plain = simulate(graph.needs, seconds, slots=slots, alone=graph.alone, longest=False)
    least = {
        "critical path": path,
        "slots" if (total - alone) / slots > alone else "stages alone": alone + (total - alone) / slots,
    }
    limit = max(least, key=lambda name: least[name])
    cells = (
        f"{took / unit:.1f}",
        f"{total / took:.1f}",
        f"{total / took / slots:.0%}",
        f"{round(plain / took - 1, 3) + 0.0:.1%}",
        limit,
    )
    return f"| {slots} | {' | '.join(cells)} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shipped", action="store_true", help="params.yaml as it stands, not the paper's grid")
    parser.add_argument("--slots", type=int, nargs="+", default=[1, 8, 64], help="GPUs, or cores")
    parser.add_argument("--times", type=Path, help="seconds of stages, as a run keeps them in logs/times.json")
    arguments = parser.parse_args()
    times = Times(arguments.times or Path("none"))
    with study(() if arguments.shipped else PAPER) as (graph, params):
        known = {kind(stage) for stage in times.seconds}
        guessed = [stage for stage in graph.needs if kind(stage) not in known]
        seconds = {stage: times.expected(stage) for stage in graph.needs if kind(stage) in known}
        if guessed:
            from guesses import Guesses

            guesses = Guesses(params)
            seconds |= {stage: guesses.seconds(graph.commands[stage]) for stage in guessed}
            print(f"guessed: {len(guessed)} of {len(graph.needs)} stages\n{guesses.about()}")
    for name in dict.fromkeys(map(kind, seconds)):
        alike = [value for stage, value in seconds.items() if kind(stage) == name]
        print(f"{name}: {len(alike)} stages of {min(alike):.0f} to {max(alike):.0f} s")
    total, path = sum(seconds.values()), critical_path(graph.needs, seconds)
    unit, word = (3600, "hours") if total > 7200 else (1, "seconds")
    alone = sum(seconds[stage] for stage in graph.alone)
    parts = {"one after the other": total, "critical path": path, "stages that run alone": alone}
    print(f"{word}: {', '.join(f'{name} {value / unit:.1f}' for name, value in parts.items())}\n")
    columns = ("slots", word, "times one after the other", "slots in use", "as in the graph takes longer by", "limited by")
    print(f"| {' | '.join(columns)} |")
    print("| --: | --: | --: | --: | --: | :-- |")
    for slots in arguments.slots:
        print(row(graph, seconds, slots, unit))


@contextlib.contextmanager
def study(overrides: tuple[str, ...]) -> Iterator[tuple[Graph, Path]]:
    """dvc.yaml resolved by DVC, and its params.yaml with `overrides`."""
    from dvc.repo import Repo
    from dvc.utils.hydra import apply_overrides

    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        for name in ("dvc.yaml", "params.yaml"):
            shutil.copy(ROOT / name, folder)
        apply_overrides("params.yaml", list(overrides))
        with contextlib.redirect_stdout(io.StringIO()):
            repo = Repo.init(no_scm=True)
        found = repo.index.graph
        needs = {stage.addressing: {need.addressing for need in found.successors(stage)} for stage in found}
        commands = {stage.addressing: stage.cmd for stage in found}
        yield (
            Graph(needs, commands, frozenset(stage.addressing for stage in found if is_alone(stage))),
            Path(folder, "params.yaml"),
        )
        repo.close()


if __name__ == "__main__":
    main()
