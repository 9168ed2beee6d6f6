"""The command line: all subcommands have help and start quickly, errors end in one line. What they do: in their rooms."""

import argparse
import subprocess
import sys
import tomllib

import pytest

from graph import ROOT
from prunescope import __main__ as module
from prunescope.deploy import commands
from prunescope.errors import PrunescopeError


def subcommands() -> dict[str, argparse.ArgumentParser]:
    [found] = [action for action in module.parser()._actions if isinstance(action, argparse._SubParsersAction)]
    return found.choices


def run(*arguments: str, code: str = "") -> subprocess.CompletedProcess[str]:
    start = ["-c", code] if code else ["-m", "prunescope"]
    return subprocess.run([sys.executable, *start, *arguments], capture_output=True, text=True, check=False)


def test_version_is_the_packages():
    wanted = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    assert run("--version").stdout == f"prunescope {wanted}\n"
    assert f"version: {wanted}" in (ROOT / "CITATION.cff").read_text(encoding="utf-8")


def test_help_names_every_subcommand_and_imports_nothing_heavy():
    code = "import sys; from prunescope.__main__ import parser; print(parser().format_help()); print(*sys.modules)"
    shown, modules = run(code=code).stdout.rsplit("\n\n", 1)
    names = subcommands()
    assert {"pack", "unpack", "compare", "report", "card", "example-images"} <= names.keys()
    for name, sub in names.items():
        assert name in shown and sub.description and sub.description.split()[0] in sub.format_help()
        homes = (getattr(home, name.replace("-", "_"), None) for home in (module, commands))
        assert sub.get_default("run") in homes, "the function of its name"
    assert not {"torch", "pandas", "numpy", "matplotlib"} & set(modules.split())


def test_example_images_says_what_it_wrote(tmp_path, monkeypatch, capsys):
    seen = {}

    def write(folder, **settings) -> int:
        seen.update(settings, folder=folder)
        return 6000

    monkeypatch.setattr("prunescope.sources.examples.write", write)
    monkeypatch.setenv("PRUNESCOPE_MIRROR", str(tmp_path))
    monkeypatch.setattr(sys, "argv", ["prunescope", "example-images", "own"])
    assert module.main() == 0
    assert str(seen["folder"]) == "own" and seen["mirror"] == tmp_path and str(seen["cache"]) == "downloads"
    assert capsys.readouterr().out == "own: 6,000 images of 10 classes, divided into train and test\n"


@pytest.mark.parametrize(
    ("error", "code", "line"),
    [
        (PrunescopeError("found a, wanted b"), 1, "error: found a, wanted b\n"),
        (PermissionError(13, "Permission denied", "x"), 1, "error: [Errno 13] Permission denied: 'x'\n"),
        (KeyboardInterrupt(), 130, "interrupted\n"),
    ],
)
def test_errors_end_in_one_line(monkeypatch, capsys, error, code, line):
    def fail(arguments: argparse.Namespace) -> None:
        raise error

    monkeypatch.setattr(module, "compare", fail)
    monkeypatch.setattr(sys, "argv", ["prunescope", "compare"])
    assert module.main() == code
    assert capsys.readouterr().err == line


def test_an_unknown_subcommand_names_the_known_ones():
    done = run("prune")
    assert done.returncode == 2 and all(name in done.stderr for name in subcommands())


def test_check_says_all_problems_or_how_many_networks(tmp_path):
    shipped = (ROOT / "params.yaml").read_text(encoding="utf-8")
    (tmp_path / "params.yaml").write_text(shipped, encoding="utf-8")
    assert run("check", str(tmp_path / "params.yaml")).stdout.endswith("the study small has 15 networks to compare\n")
    broken = shipped.replace("sparsity: 0.8", "sparsity: 1.8", 1).replace("method: iterative", "method: magic", 1)
    (tmp_path / "params.yaml").write_text(broken.replace("  - vgg16_bn\n", "  - vgg61\n", 1), encoding="utf-8")
    found = run("check", str(tmp_path / "params.yaml"))
    assert found.returncode == 1 and found.stdout == ""
    assert found.stderr.startswith("error: ") and "sparsity: found 1.8, wanted a fraction in [0, 1)" in found.stderr
    assert "Traceback" not in run("check", str(tmp_path / "none.yaml")).stderr


def test_check_takes_the_values_of_an_experiment():
    found = run("check", str(ROOT / "params.yaml"), "-S", "sparsity=0.5", "--set-param", "study.name=half")
    assert found.stdout.endswith(
        "params.yaml with sparsity=0.5, study.name=half: no problem found; the study half has 24 networks to compare\n"
    )
    long = run("check", str(ROOT / "params.yaml"), "-S", "study.datasets=[cifar100-quarter]", "-S", "sparsity=0.95")
    assert long.stdout.splitlines()[0] == (
        "remark: data.cifar100-quarter.epochs_per_round: prune.iterative takes 10 rounds to sparsity 0.95, 0.6 epochs between "
        "them, 5.4 together; they will be shorter, as the learning rate of hold falls after 4.2 of 6 epochs, and all of that "
        "comes after the last pruning"
    )
    assert "remark" not in run("check", str(ROOT / "params.yaml"), "-S", "study.datasets=[cifar100-quarter]").stdout
    words = ("--", "exp", "run", "--dry", "-S", "study.datasets=[cifar100-quarter]", "-S", "sparsity=0.95")
    assert run("run", *words).stdout == f"{long.stdout.splitlines()[0]}\n", "run says it too"
    found = run("check", str(ROOT / "params.yaml"), "-S", "study.models=[resnet18]")
    assert (
        found.returncode == 1
        and '\n  distill.teachers: found vgg16_bn, wanted models of the study (resnet18) or none: -S "' in found.stderr
    )
    assert "sparsity: 0.8" in (ROOT / "params.yaml").read_text(encoding="utf-8")


@pytest.mark.parametrize(("words", "code", "line"), [
    (["check", "sparsity=0.5"], 1, "error: found no file sparsity=0.5, wanted params.yaml or, for a value: -S sparsity=0.5\n"),
    (["run", "exp", "run", "-S", "sparsity=0.5"], 2, "write -- before a DVC command: prunescope run -- exp run -S key=value\n"),
    (["pack", "a", "b", "--fast"], 2, "unrecognized arguments: --fast\n"),
])  # fmt: skip
def test_words_in_the_wrong_place_are_answered_with_the_right_one(words, code, line):
    done = run(*words)
    assert done.returncode == code and done.stderr.endswith(line)
