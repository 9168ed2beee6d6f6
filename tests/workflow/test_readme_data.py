"""The commands of the README and of the other pages run as typed: real data, own images, another method."""

import pytest

from clone import CELL, Clone
from pages import COMMANDS

# Those of docs/studies.md: test_readme_commands.py. More seeds are not run, as there.
TYPED = [command for page, command in COMMANDS if page != "docs/studies.md" and command.startswith("dvc")]
# Adding weights, pushing and pulling: test_workflow_remote.py and test_weights_stage.py.
OTHER = [command for command in dict.fromkeys(TYPED) if command.startswith("dvc exp") and "study.seeds=" not in command]


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_commands_on_other_data_run_as_typed(tmp_path):
    """In a clone whose stages are fakes, each once though two pages have it; what runs is counted."""
    clone = Clone(tmp_path, all_recipes=True, teachers=False)
    counts = {command: clone.executed("bash", "-c", command) for command in OTHER}
    assert len(counts) == 10
    further = {command: count for command, count in counts.items() if "study.other_methods" in command}
    tried = {command: count for command, count in counts.items() if "sensitivity.models" in command}
    whole = {command: count for command, count in counts.items() if "study.channels" in command}
    formats = {command: count for command, count in counts.items() if "deploy.formats" in command}
    known = {**further, **tried, **whole, **formats}
    small = {command: count for command, count in counts.items() if "own-images" not in command and command not in known}
    assert len(small) == 3 and len(further) == 3 and len(tried) == len(whole) == len(formats) == 1
    for command, count in small.items():
        assert count["download"] == count["pretrain"] == CELL["prune-oneshot"], command
    [again] = [count for command, count in counts.items() if "own-images" in command]
    assert again["download"] == 1, "its parameters changed"
    random, factorial, controls = further.values()
    assert random["prune-other"] == 1 and factorial["prune-other"] == 3 and controls["prune-other"] == 1
    assert controls["pretrain-narrow"] == controls["finetune-narrow"] == controls["finetune-taught"] == 1
    [count] = whole.values()
    assert count["finetune-channels"] == 1 and "pretrain-narrow" not in count
    [count] = formats.values()
    assert count["deploy"] == 3, "each format once"
    [count] = tried.values()
    assert count["sensitivity"] == 1 and "prune-other" not in count
