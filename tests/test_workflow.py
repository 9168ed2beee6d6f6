"""What DVC runs again: the real dvc.yaml and params.yaml in a temporary clone, with stages that write a hash of their inputs.

Each stage appends its name to a log outside the clone when it really runs, so the counts are of executions, not of messages.
"""

import os
import re
import shutil
import subprocess
import sys
import textwrap
from collections import Counter
from pathlib import Path

import pytest

from workflow import OUTPUTS, ROOT

FAKE = """
import hashlib, json, os, sys
from pathlib import Path

script, arguments = Path(sys.argv[0]).stem, dict(zip(sys.argv[1::2], sys.argv[2::2]))
written = {{f"--{{name}}" for name in {outputs}[script]}}
seen = hashlib.sha256(Path("params.yaml").read_bytes() if script != "download" else b"")
for name, value in arguments.items():
    files = [Path(value), *sorted(Path(value).rglob("*"))] if name not in written else []
    for file in files:
        if file.is_file():
            seen.update(str(file).encode() + file.read_bytes())
for name in written:
    path = Path(arguments[name])
    text = json.dumps({{"number": int(seen.hexdigest()[:6], 16) / 2**24, "arguments": str(arguments)}})
    if not path.suffix or name in ("--store", "--report", "--maps") or (script == "evaluate" and name == "--metrics"):
        path.mkdir(parents=True)
        path = path / "content.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
with open({log!r}, "a") as log:
    log.write(os.environ["DVC_STAGE"].partition("@")[0] + "\\n")
"""
CELL = {"prune-oneshot": 1, "prune-layerwise": 1, "prune-iterative": 1, "finetune": 3, "distill": 3, "evaluate": 1, "cka": 1}
LAST = {"selected": 1, "report": 1}
ALL = (
    CELL | LAST | {"download": 1, "pretrain": 1, "finetune-dense": 1, "distill-dense": 1, "distill-alone": 1, "evaluate-dense": 1}
)


class Clone:
    """A throw-away clone with one model, where stages are fakes."""

    def __init__(self, folder: Path):
        self.folder, self.log = folder / "clone", folder / "log"
        shutil.copytree(ROOT / "src", self.folder / "src", ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
        for name in ("dvc.yaml", ".dvcignore", ".gitignore"):
            shutil.copy(ROOT / name, self.folder / name)
        (self.folder / "stages").mkdir()
        for script in OUTPUTS:
            fake = textwrap.dedent(FAKE).format(outputs=OUTPUTS, log=str(self.log))
            (self.folder / "stages" / f"{script}.py").write_text(fake)
        params = (ROOT / "params.yaml").read_text(encoding="utf-8")
        (self.folder / "params.yaml").write_text(params.replace("  - densenet169\n", ""), encoding="utf-8")
        self.run("git", "init", "-q")
        self.run("dvc", "init", "-q")
        shutil.copy(ROOT / ".dvc" / "config", self.folder / ".dvc" / "config")
        self.commit()

    def run(self, *command: str) -> str:
        environment = os.environ | {
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            **dict.fromkeys(("GIT_AUTHOR_NAME", "GIT_COMMITTER_NAME"), "test"),
            **dict.fromkeys(("GIT_AUTHOR_EMAIL", "GIT_COMMITTER_EMAIL"), "test@example.org"),
            "DVC_NO_ANALYTICS": "1",
        }
        environment.pop("DVC_STAGE", None)
        done = subprocess.run(command, cwd=self.folder, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{command}:\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def commit(self) -> None:
        self.run("git", "add", "-A")
        self.run("git", "commit", "-q", "-m", "state")

    def executed(self, *command: str) -> dict[str, int]:
        """Run a command; how often each stage really ran."""
        self.log.write_text("")
        self.run(*command)
        return dict(Counter(self.log.read_text().split()))

    def edit(self, pattern: str, replacement: str, file: str = "params.yaml") -> dict[str, int]:
        """Change a file and `dvc repro`."""
        path = self.folder / file
        text, count = re.subn(pattern, replacement, path.read_text(encoding="utf-8"), count=1, flags=re.MULTILINE)
        assert count == 1, pattern
        path.write_text(text, encoding="utf-8")
        return self.executed("dvc", "repro")


@pytest.fixture(scope="module")
def clone(tmp_path_factory) -> Clone:
    """A clone in which everything has run once."""
    clone = Clone(tmp_path_factory.mktemp("workflow"))
    assert clone.executed("dvc", "repro") == ALL
    clone.commit()
    return clone


@pytest.mark.timeout(1200)  # a minute where nothing else runs
def test_what_runs_again(clone):
    """The table of the design, row by row, each from the state that the last one left."""
    assert clone.executed("dvc", "repro") == {}, "nothing changed"

    assert clone.edit(r"^method: iterative", "method: oneshot") == LAST
    assert clone.edit(r"^method: oneshot", "method: iterative") == {}, "back to an earlier value: the run cache"

    assert clone.edit(r"^sparsity: 0.8", "sparsity: 0.5") == CELL | LAST, "the new level's cells alone"
    assert clone.executed("dvc", "exp", "run", "-S", "sparsity=0.8") == {}, "exp run also clears the other level's files away"

    iterative = {"prune-iterative": 1, "finetune": 1, "distill": 1, "evaluate": 1, "cka": 1} | LAST
    assert clone.edit(r"^    plan: iterative(.*\n.*\n)    step: 0.1", r"    plan: iterative\1    step: 0.2") == iterative
    assert clone.edit(r"^    step: 0.2", "    step: 0.1") == {}

    assert clone.edit(r"^  probe_images: 512", "  probe_images: 256") == {"cka": 1} | LAST
    assert clone.edit(r"^  ece_bins: 15", "  ece_bins: 10") == {"evaluate": 1, "evaluate-dense": 1} | LAST
    # The fakes' outputs do not depend on code, so what follows from the new numbers does not run here.
    metric = {"evaluate": 1, "evaluate-dense": 1}
    assert clone.edit(r"\Z", "# a metric\n", "src/prunescope/evaluate.py") == metric, "a metric's code trains nothing"
    assert clone.edit(r"\Z", "# a page\n", "src/prunescope/report/page.py") == {"report": 1}
    assert clone.edit(r"\Z", "# a source\n", "src/prunescope/data/sources.py") == {"download": 1}, "same bytes, nothing below"

    again = clone.edit(r"^  - 0\n", "  - 0\n  - 1\n")
    assert again == {k: v for k, v in ALL.items() if k != "download"}, "a seed: its new cells alone"


def test_methods_compared_without_training(clone):
    """The README's comparison of two methods."""
    clone.run("git", "checkout", "-q", ".")
    clone.executed("dvc", "repro")
    clone.commit()
    assert "prune" not in " ".join(clone.executed("dvc", "exp", "run", "-S", "method=oneshot", "-n", "oneshot"))
    assert "prune" not in " ".join(clone.executed("dvc", "exp", "run", "-S", "method=iterative", "-n", "iterative"))
    printed = clone.run("dvc", "metrics", "diff", "oneshot", "iterative")
    assert re.search(r"metrics/selected.json +number +0\.\d+ +0\.\d+", printed), printed


def test_params_survive_set_param(clone):
    """`-S` rewrites params.yaml: it must change its line and keep every comment."""
    before = (clone.folder / "params.yaml").read_text(encoding="utf-8").splitlines()
    assert clone.executed("dvc", "exp", "run", "-S", "cka.probe_images=64", "cka") == {"cka": 1}
    after = (clone.folder / "params.yaml").read_text(encoding="utf-8").splitlines()
    changed = [(old, new) for old, new in zip(before, after, strict=True) if old != new]
    assert changed == [("  probe_images: 512", "  probe_images: 64")]
