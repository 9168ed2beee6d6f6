"""Keep a finished study, or the seeds of it that are finished, in results/<study.name>/: no images, no networks.

Metrics of several repositories join those that the archive there already has, so that a long study can be run seed by seed, on
several machines; then summary.csv, the report and its figures are made from all of them, params.yaml gets all seeds, and
results/README.md a line. What of it goes into the archive: results/archiving.py.
"""

import json
import re
import subprocess
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from prunescope import __version__
from prunescope.errors import PrunescopeError
from prunescope.evidence import facts, measures
from prunescope.figures import heatmaps
from prunescope.files import write_json, write_text
from prunescope.report import page, studies
from prunescope.report.index import INDEX, index, kept_studies
from prunescope.report.reproduce import command
from prunescope.results import curves, summary, yaml12
from prunescope.results.archiving import archivable
from prunescope.results.grid import Grid, arms_of, cells_of, dense_cell
from prunescope.results.kept import ARCHIVE, PROVENANCE, kept_grid, pack, provenance, unpack
from prunescope.results.reading import Files
from prunescope.results.results import Results

LISTS = (  # asked for
    "models", "datasets", "methods", "sparsities", "teachers", "narrow", "channels", "taught", "sensitivity", "formats",
)  # fmt: skip
TIMES = "runner/times.json"
HAND = ("before", "note")  # what a person wrote into provenance.json: commands that go before the study's own, and words


def collect(sources: Sequence[Path], results: Path, grid: Grid) -> Path:
    """Join the metrics of `sources` into results/<grid.name>/ and make its files again; the folder is returned.

    sources: repositories in which the study ran · grid: the study that the first of them asks for; where the kept study asks for
    more (students, a level, a data set, which not every seed needs), it goes on asking for it
    Raises PrunescopeError where they are not of the same recipes, of code that is not committed, or no seed is finished.
    """
    folder = results / grid.name
    for other in kept_studies(results):
        kept_grid(other)  # the index names them all
    settings = _settings(sources[0])
    grid, asks = _widest(grid, sources[0], folder)
    for other in (*sources[1:], *([folder] if (folder / "params.yaml").is_file() else [])):
        _require_same_recipes(settings, _settings(other), grid, other)
    content: dict[str, bytes | Path] = {**(unpack(folder / ARCHIVE) if (folder / ARCHIVE).is_file() else {})}
    ran: dict[Path, str] = {}
    for source in sources:
        files = dict(_stage_files(source / "metrics"))
        content |= files
        ran |= {source: _commit(source)} if files else {}
    if not (seeds := finished_seeds(content, grid)):
        raise PrunescopeError(
            f"{sources[0]}: found no evaluated dense network of {grid.name} under metrics/evaluate, wanted those of a seed at "
            "least; run dvc repro there"
        )
    text = _with_seeds((asks / "params.yaml").read_text(encoding="utf-8"), seeds)
    grid = replace(grid, seeds=seeds)
    for source in sources:
        content |= _times(content, source, grid)
    drawn = heatmaps.pairs(grid.methods, "")  # of the first seed
    kept = archivable(grid, content, {seed: measures.MAPS + (tuple(drawn) if seed == seeds[0] else ()) for seed in seeds})
    found = Results(grid, Files(Path(ARCHIVE), kept))
    summary.save(found.summary, folder / "summary.csv")
    curves.save(curves.table(found.grid, found.curves), folder / "curves.csv")
    write_text(folder / "params.yaml", text)
    commits, again = provenance(folder).get("commits", []), provenance(folder).get("command", "")
    for source, commit in ran.items():  # the last one is what the page checks out
        commits = [*(of for of in commits if of != commit), commit]
        again = command(yaml12.read(text), yaml12.read(_git(source, "show", "HEAD:params.yaml")))
    made = {"commits": commits, "command": again}
    made |= {key: value for key, value in provenance(folder).items() if key in HAND}
    write_page(found, folder, made)
    pack(kept, folder / ARCHIVE)
    hours = round(_training_seconds(found) / 3600, 2)
    about = {"study": asdict(found.grid), "training_hours": hours, "environment": facts.environment(found)}
    write_json(folder / PROVENANCE, made | about)
    write_text(results / "README.md", index(results))
    return folder


def write_page(results: Results, out: Path, made: Mapping[str, Any], *, html: bool = False) -> None:
    """The report as Markdown with its figures, and with `html` as a page."""
    begin = [f"git checkout {made['commits'][-1]}", "make setup", ". .venv/bin/activate"]
    reproduce = [*begin, *made.get("before", []), made["command"]]
    about = {"prunescope": __version__, "commit": ", ".join(made["commits"])}
    about |= {"note": made["note"]} if "note" in made else {}
    page.write(results, out, provenance=about, reproduce=reproduce, html=html)


def page_of(folder: Path, out: Path | None = None) -> Path:
    """Write the page of a kept study, HTML too, from its archive alone into `out`, else reports/<study>, which is returned.

    Raises PrunescopeError where the folder is no kept study, or `out` lies among kept studies: git has all that is there.
    """
    results = studies.opened(folder)
    out = out or Path("reports", results.grid.name)
    for above in (out.resolve(), *out.resolve().parents):
        index = above / "README.md"
        kept = index.is_file() and index.read_text(encoding="utf-8", errors="replace").startswith(INDEX)
        if kept or above == folder.resolve():
            raise PrunescopeError(f"found the output folder {out} inside {above}, wanted one beside the kept studies; see --out")
    if (out / "figures").is_dir() and not (out / "report.md").is_file():  # a report removes figures that it does not show
        raise PrunescopeError(f"found figures of something else in {out}, wanted a new folder or that of a report; see --out")
    write_page(results, out, provenance(folder), html=True)
    return out


def finished_seeds(content: Iterable[str], grid: Grid) -> tuple[int, ...]:
    """Seeds of which the dense control of some model was evaluated; content: names of files."""
    names = "|".join(re.escape(f"{model}-{dataset}-") for model in grid.models for dataset in grid.datasets)
    matches = (re.fullmatch(rf"evaluate/(?:{names})(\d+)/dense\.json", name) for name in content)
    return tuple(sorted({int(match[1]) for match in matches if match}))


def _widest(grid: Grid, source: Path, folder: Path) -> tuple[Grid, Path]:
    """The study that asks for more, and the folder whose params.yaml says so: `source`, or the kept `folder`."""
    if not (folder / PROVENANCE).is_file():
        return grid, source
    old = kept_grid(folder)
    lost, new = ([name for name in LISTS if set(getattr(a, name)) - set(getattr(b, name))] for a, b in ((old, grid), (grid, old)))
    if lost and new:
        raise PrunescopeError(
            f"{source}: found more {', '.join(new)} than {folder} has, and fewer {', '.join(lost)}; wanted all that is there and "
            "what is new: add it in params.yaml, for which nothing runs again"
        )
    return (replace(old, seeds=grid.seeds), folder) if lost else (grid, source)  # with what decides, of all data sets


def _settings(folder: Path) -> dict[str, Any]:
    return yaml12.read((folder / "params.yaml").read_text(encoding="utf-8"))


def _require_same_recipes(settings: Mapping[str, Any], other: Mapping[str, Any], grid: Grid, where: Path) -> None:
    pairs = {f"data.{name}": [of.get("data", {}).get(name) for of in (settings, other)] for name in grid.datasets}
    pairs |= {f"prune.{name}": [of.get("prune", {}).get(name) for of in (settings, other)] for name in grid.methods}
    pairs["cka"] = [of.get("cka") for of in (settings, other)]
    pairs["distill"] = [of.get("distill", {}) | {"teachers": None} for of in (settings, other)]  # not every seed needs students
    measured = ("ece_bins", "bootstrap_draws", "latency_seconds")  # the rest of this table judges what was measured
    pairs |= {f"evaluate.{name}": [of.get("evaluate", {}).get(name) for of in (settings, other)] for name in measured}
    asked = [table for of in (settings, other) if (table := of.get("sensitivity", {})).get("models")]
    if len(asked) == 2:  # a seed may have been run without it, or before there was such a table
        pairs["sensitivity"] = [table | {"models": None} for table in asked]
    unlike = [key for key, (here, there) in pairs.items() if here != there]
    if unlike:
        raise PrunescopeError(
            f"{where}: found other values of {', '.join(unlike)} in its params.yaml than in the first folder's, wanted the same: "
            "a study has one recipe; give another one another study.name"
        )


def _with_seeds(settings: str, seeds: Sequence[int]) -> str:
    """params.yaml's text with these seeds."""
    listed = "".join(f"  - {seed}\n" for seed in seeds)
    spelled = r"(?m)^  seeds:(?: \[[\d, ]*\]( *#.*)?\n|( *#.*)?\n(?:  - \d+(?: *#.*)?\n)+)"
    settings, count = re.subn(spelled, lambda found: f"  seeds:{found[1] or found[2] or ''}\n{listed}", settings, count=1)
    if count != 1:
        raise PrunescopeError("params.yaml: found no list of numbers under study.seeds, wanted [0, 1] or one a line")
    return settings


def _stage_files(metrics: Path) -> Iterator[tuple[str, Path]]:
    """What the stages wrote: metrics/<stage>/..., without what git and DVC keep there."""
    for file in metrics.glob("*/**/*"):
        if file.is_file() and not file.name.startswith(".git"):
            yield file.relative_to(metrics).as_posix(), file


def _times(content: Mapping[str, bytes | Path], source: Path, grid: Grid) -> dict[str, bytes]:
    """Seconds that stages of the study's networks took, as `prunescope run` noted them; with what the archive has already."""
    path = source / "logs/times.json"
    if not path.is_file():
        return {}
    wanted = {of for cell in cells_of(grid) for seed in grid.seeds for of in (cell.of(seed), cell.dense(seed))}
    read = json.loads(path.read_text("utf-8")).items()
    noted = {name: of for name, of in read if any(f"-{name.partition('@')[2]}".endswith(f"-{cell}") for cell in wanted)}
    every = (Files(Path(ARCHIVE), content).json(TIMES) or {}) | noted
    return {TIMES: (json.dumps(dict(sorted(every.items())), indent=1) + "\n").encode()}


def _commit(repository: Path) -> str:
    """The commit that ran; refused where its code was changed since."""
    if changed := _git(repository, "status", "--porcelain", "--", "src", "stages", "dvc.yaml"):
        raise PrunescopeError(
            f"{repository}: found code that is not committed, wanted a commit that made the numbers:\n{changed}"
        )
    return _git(repository, "rev-parse", "--short=12", "HEAD").strip()


def _git(repository: Path, *arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=repository, capture_output=True, text=True, check=False)
    if done.returncode:
        raise PrunescopeError(f"{repository}: wanted the git repository in which the study ran, but {done.stderr.strip()}")
    return done.stdout


def _training_seconds(results: Results) -> float:
    """Of all networks of the study: base networks and what came after."""
    arms = list(arms_of(results.grid))
    stages = {stage for arm in arms for stage in arm.training}
    stages |= {f"pretrain/{dense_cell(arm.model, arm.dataset, arm.seed)}" for arm in arms}
    return sum((results.record(stage) or {}).get("seconds", 0.0) for stage in sorted(stages))
