"""The command `prunescope`: what is done with finished networks and numbers outside the workflow."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from prunescope import __version__
from prunescope.deploy import commands as deploying
from prunescope.errors import PrunescopeError

if TYPE_CHECKING:
    from prunescope.study.params import Params


def main() -> int:
    """Run one subcommand; what the user can mend ends in one line and exit 1."""
    made = parser()
    arguments, rest = made.parse_known_args()
    if rest:
        hint = "; write -- before a DVC command: prunescope run -- exp run -S key=value" if arguments.command == "run" else ""
        made.error(f"unrecognized arguments: {' '.join(rest)}{hint}")
    try:
        code = arguments.run(arguments)
    except BrokenPipeError:  # as in `| head`
        sys.stderr.close()
        return 1
    except (PrunescopeError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    return code or 0


def parser() -> argparse.ArgumentParser:
    """All subcommands, each with the function below that runs it; these import what they need themselves, so help is quick."""
    made = argparse.ArgumentParser(prog="prunescope", description=__doc__)
    made.add_argument("--version", action="version", version=f"prunescope {__version__}")
    commands = made.add_subparsers(dest="command", required=True)

    def add(name: str, what: str) -> argparse.ArgumentParser:
        return commands.add_parser(name, help=what, description=what)

    checking = add("check", "whether params.yaml is right: all problems at once, nothing is run")
    checking.set_defaults(run=check)
    checking.add_argument("params", nargs="?", type=Path, default=Path("params.yaml"), help="default: %(default)s")
    checking.add_argument(
        "-S", "--set-param", action="append", default=[], metavar="KEY=VALUE", help="as if set so by `dvc exp run`; not written"
    )

    running = add("run", "the study as `dvc repro` runs it, stages side by side: one a GPU, else one a core with one thread")
    running.set_defaults(run=run)
    running.add_argument(
        "--jobs", type=int, help="stages at once (default: one a GPU, else one a core; 64 in the queue of Slurm)"
    )
    running.add_argument("--engine", default="local", help="where stages run: local (default), this machine; ray; slurm")
    running.add_argument("--engine-option", action="append", default=[], metavar="KEY=VALUE", help="what the engine takes")
    running.add_argument("--keep-going", action="store_true", help="as dvc has it; what it does here always: see --fail-fast")
    running.add_argument(
        "--fail-fast", action="store_true", help="after a failure nothing begins; else what does not depend on it"
    )
    running.add_argument("--plain", action="store_true", help="lines instead of a live table, as where there is no terminal")
    running.add_argument("--dry", action="store_true", help="what would run, and why; nothing runs")
    running.add_argument("dvc", nargs="*", help="after --: a dvc command instead of repro, such as exp run -S sparsity=0.5")

    deploying.add_to(add)

    comparing = add("compare", "methods side by side, of the work tree, revisions and kept studies")
    comparing.set_defaults(run=compare)
    comparing.add_argument(
        "revision", nargs="*", help="experiments, branches, commits, kept studies (results/decisive); none: the work tree"
    )
    comparing.add_argument("--experiments", action="store_true", help="the work tree and all experiments")
    comparing.add_argument(
        "--measure",
        default="balanced_accuracy",
        help="a column of summary.csv, or of a class sensitivity:mel (default: %(default)s)",
    )
    comparing.add_argument("--format", choices=("table", "markdown", "json"), default="table")
    comparing.add_argument("--figure", type=Path, help="a PNG to draw the measure against sparsity into")

    keeping = add("keep", "a finished study, or its finished seeds, in results/<study.name>/: no images")
    keeping.set_defaults(run=keep)
    keeping.add_argument(
        "folder",
        nargs="*",
        type=Path,
        default=[Path()],
        help="repositories in which it ran, the whole study's first (default: .)",
    )
    keeping.add_argument("--results", type=Path, default=Path("results"), help="where it is kept (default: %(default)s)")

    reporting = add("report", "the page of a kept study, from its archive: without training, git or DVC")
    reporting.set_defaults(run=report)
    reporting.add_argument("study", type=Path, help="its folder, such as results/decisive")
    reporting.add_argument("--out", type=Path, help="a folder for report.html, report.md, figures/ (default: reports/<study>)")

    carding = add("card", "a finished network's model card, as Hugging Face's hub reads it")
    carding.set_defaults(run=card)
    carding.add_argument("network", help="checkpoints/finished/<cell>/<method>.safetensors; with --study <cell>/<method>")
    carding.add_argument("--study", type=Path, help="a kept study that has its numbers, where no checkpoint is at hand")
    carding.add_argument("--out", type=Path, default=Path("MODEL_CARD.md"), help="default: %(default)s")

    showing = add("gallery", "the test images that pruning loses, as a page for this machine alone")
    showing.set_defaults(run=gallery)
    showing.add_argument("dataset", nargs="*", help="default: all data sets of the study")

    examples = add("example-images", "ten classes of CIFAR-100 as PNG files, to try own images with")
    examples.set_defaults(run=example_images)
    examples.add_argument(
        "folder", type=Path, help="a new folder; CIFAR-100 comes from PRUNESCOPE_MIRROR or a download of 169 MB"
    )
    return made


def check(arguments: argparse.Namespace) -> None:
    from prunescope.results.grid import arms_of

    if "=" in arguments.params.name and not arguments.params.exists():
        raise PrunescopeError(f"found no file {arguments.params}, wanted params.yaml or, for a value: -S {arguments.params}")
    params = _begin(arguments.params, arguments.set_param)
    what = f"{arguments.params} with {', '.join(arguments.set_param)}" if arguments.set_param else f"{arguments.params}"
    print(f"{what}: no problem found; the study {params.grid.name} has {len(list(arms_of(params.grid)))} networks to compare")


def _begin(path: Path, overrides: Sequence[str]) -> "Params":
    """params.yaml as a study can begin with it; what should be known before hours of training is printed."""
    from prunescope.study.runnable import remarks, runnable

    params = runnable(path, overrides)
    for remark in remarks(params):
        print(f"remark: {remark}")
    return params


def run(arguments: argparse.Namespace) -> int:
    from prunescope.runner import command

    words = _without_strange_teachers(arguments.dvc or ["repro"])
    asked = command.read(words)
    runtime = _begin(Path("params.yaml"), command.overrides_of(words)).runtime
    if getattr(asked, "dry", False) or (arguments.dry and arguments.dvc):
        raise PrunescopeError(
            f"found a look at {' '.join(words)}, wanted `prunescope run --dry` alone: the study as params.yaml says; of "
            "other values `prunescope check -S key=value` says what would be wrong"
        )
    if arguments.dry:
        command.dry()
        return 0
    return command.run(
        words,
        engine=arguments.engine,
        jobs=arguments.jobs,
        options=arguments.engine_option,
        device=runtime.device,
        threads=runtime.threads,
        processes=runtime.processes,
        plain=arguments.plain,
        fail_fast=arguments.fail_fast,
    )


def _without_strange_teachers(words: Sequence[str]) -> list[str]:
    """A DVC command; where it chooses models, with the teachers among them alone, which it says."""
    from prunescope.runner import command
    from prunescope.study.params import teachers_left

    left = teachers_left(command.overrides_of(words))
    if left:
        print(f"teachers that are no models of this study are left out: -S {left}", file=sys.stderr)
    return [*words, "-S", left] if left else list(words)


def compare(arguments: argparse.Namespace) -> None:
    from prunescope.report.compare import compare

    every, measure = arguments.experiments, arguments.measure
    text = compare(arguments.revision, every_experiment=every, measure=measure, form=arguments.format, figure=arguments.figure)
    print(text)


def keep(arguments: argparse.Namespace) -> None:
    from prunescope.report.keep import collect
    from prunescope.study.params import load

    folders = arguments.folder
    print(f"kept in {collect(folders, arguments.results, load(folders[0] / 'params.yaml').grid)}")


def report(arguments: argparse.Namespace) -> None:
    from prunescope.report.keep import page_of

    print(f"open {page_of(arguments.study, arguments.out) / 'report.html'}")


def card(arguments: argparse.Namespace) -> None:
    from prunescope.report import card, carded
    from prunescope.sources.prepare import SOURCES

    if arguments.study:
        found = carded.of_study(arguments.study, arguments.network)
    else:
        from prunescope.data import store
        from prunescope.networks import checkpoint

        found = carded.of_checkpoint(Path(arguments.network), checkpoint.read, checkpoint.sha256, store.read)
    card.write(found, arguments.out, {name: {"licence": of.licence, "citation": of.citation} for name, of in SOURCES.items()})
    print(f"{arguments.out}: the card of {found.path}; read it before you publish it")


def gallery(arguments: argparse.Namespace) -> None:
    from prunescope.data import store as stores
    from prunescope.report.gallery import write_all
    from prunescope.results.results import read
    from prunescope.study.params import load

    for page in write_all(read(Path("metrics"), load().grid), arguments.dataset, stores.read):
        print(f"{page}: for this machine alone, do not publish or commit it")


def example_images(arguments: argparse.Namespace) -> None:
    from prunescope.sources import examples
    from prunescope.study.stage import mirror

    count = examples.write(arguments.folder, mirror=mirror(), cache=Path("downloads"))
    print(f"{arguments.folder}: {count:,} images of {len(examples.CLASSES)} classes, divided into train and test")


if __name__ == "__main__":
    sys.exit(main())
