"""The commands of docs/studies.md run as typed, from the first to the last."""

import pytest

from clone import ALL, CELL, LAST, Clone
from pages import COMMANDS

# More seeds are not run: with fakes too they are minutes, and test_workflow_code.py adds a seed.
TYPED = [
    command
    for page, command in COMMANDS
    if page == "docs/studies.md" and command.startswith("dvc") and "study.seeds=" not in command
]


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_commands_of_the_studies_run_as_typed(tmp_path):
    """In a clone whose stages are fakes; what runs is counted. DVC takes 1 s and more a stage, so the paper has one network."""
    clone = Clone(tmp_path, all_recipes=True, teachers=False)
    typed = [command.replace("[vgg16,densenet169]", "[vgg16]") for command in TYPED]
    counts = [clone.executed("bash", "-c", command) for command in typed]
    assert len(counts) == 10
    assert counts[0] == {stage: n for stage, n in ALL.items() if not stage.startswith("distill") and stage != "weights-student"}
    assert counts[1] == {stage: n for stage, n in (CELL | LAST).items() if stage != "distill"}
    assert counts[2] == {}
    assert set(counts[3]) == {"selected"}, "the page does not depend on the method"
    assert counts[4]["prune-oneshot"] == 1, "0.5 was there, 0.7 is new"
    assert counts[5:8] == [{}, {}, {}], "show, plots and a target that is there run nothing"
    assert counts[8]["prune-oneshot"] == 3 and "pretrain" not in counts[8], "five levels, of which two were there"
    paper = counts[9]
    assert paper["pretrain"] == paper["distill-alone"] == 2, "two data sets"
    assert paper["prune-iterative"] == 4, "at two levels"
