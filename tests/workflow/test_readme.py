"""The README: its commands run as typed, its table is the committed summary's, and what it names exists."""

import re
import subprocess

import pytest

import update_readme
from clone import ALL, CELL, LAST, Clone
from graph import ROOT

TEXT = (ROOT / "README.md").read_text(encoding="utf-8")
COMMANDS = [
    line.partition(" #")[0].strip()
    for block in re.findall(r"```sh\n(.*?)```", TEXT, re.DOTALL)
    for line in block.splitlines()
    if line.strip()
]


def test_commands_are_all_known():
    """Each kind of command below is tried by one of the tests here; a new kind needs a test of its own."""
    kinds = {command.split()[0] for command in COMMANDS}
    assert kinds == {"make", ".", "dvc", "export", "python", "prunescope"}
    assert len(COMMANDS) == 27


@pytest.mark.parametrize("command", [command for command in COMMANDS if command.startswith("make")])
def test_make_targets_exist(command):
    done = subprocess.run([*command.split(), "--dry-run"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("page", update_readme.PAGES, ids=lambda page: page.name)
def test_generated_blocks_are_those_of_the_results(page):
    text = page.read_text(encoding="utf-8")
    for name in update_readme.names_in(text):
        assert update_readme.fill(text, name, update_readme.BLOCKS[name]()) == text, f"{name}: run `make readme`"


def test_every_generated_block_is_shown():
    found = [name for page in update_readme.PAGES for name in update_readme.names_in(page.read_text(encoding="utf-8"))]
    assert sorted(found) == sorted(update_readme.BLOCKS)


def test_named_files_exist():
    for name in re.findall(r"\]\((?!http)([^)]+)\)", TEXT):
        assert (ROOT / name).exists(), name
    for name in re.findall(r"`(src/[^`<]+|[a-z]+\.yaml)`", TEXT):
        assert (ROOT / name).exists(), name


# More seeds are not run: with fakes too they are minutes, and test_workflow_code.py adds a seed.
DVC = [command for command in COMMANDS if command.startswith("dvc") and "study.seeds=" not in command]
DATA = [command for command in DVC if "study.name=" in command and "-n paper" not in command]


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_dvc_commands_run_as_typed(tmp_path):
    """In their order, in a clone whose stages are fakes; what runs is counted. Those on other data: test_readme_data.py."""
    clone = Clone(tmp_path, all_recipes=True, teachers=False)  # DVC takes 1 s and more a stage
    counts = [clone.executed("bash", "-c", command) for command in DVC if command not in DATA]
    clone.commit()
    assert counts[0] == {stage: n for stage, n in ALL.items() if not stage.startswith("distill")}
    assert counts[1] == {stage: n for stage, n in (CELL | LAST).items() if stage != "distill"}
    assert counts[2] == {}
    assert set(counts[3]) <= set(LAST)
    assert counts[4]["prune-oneshot"] == 1, "0.5 was there, 0.7 is new"
    paper = counts[5]
    assert paper["pretrain"] == 2
    assert paper["prune-iterative"] == 4
    assert counts[6:] == [{}, {}, {}], "diff, show and plots run nothing"
