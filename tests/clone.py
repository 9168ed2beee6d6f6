"""A temporary clone with the real dvc.yaml and params.yaml, in which every stage writes a hash of its inputs: what would DVC run?

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

import yaml

from graph import GIVEN_FOLDERS, OUTPUTS, ROOT

FAKE = """
import hashlib, json, os, sys
from pathlib import Path

script, arguments = Path(sys.argv[0]).stem, dict(zip(sys.argv[1::2], sys.argv[2::2]))
written = {{f"--{{name}}" for name in {outputs}[script]}}
settings, seen = Path("params.yaml").read_bytes() if script != "download" else b"", hashlib.sha256()
for name, value in arguments.items():
    files = [Path(value), *sorted(Path(value).rglob("*"))] if name not in written else []
    for file in files:
        if file.is_file():
            seen.update(str(file).encode() + file.read_bytes())
for name in written:
    path, mine = Path(arguments[name]), seen.copy()
    mine.update(settings if name not in ("--summary", "--curves") else b"")  # these are of all arms, whichever is selected
    text = json.dumps({{"number": int(mine.hexdigest()[:6], 16) / 2**24, "arguments": str(arguments)}})
    if not path.suffix or name in ("--store", "--report", "--maps") or (script == "evaluate" and name == "--metrics"):
        path.mkdir(parents=True)
        path = path / "content.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
with open({log!r}, "a") as log:
    log.write(os.environ["DVC_STAGE"].partition("@")[0] + "\\n")
"""
CELL = {
    "prune-oneshot": 1,
    "prune-layerwise": 1,
    "prune-iterative": 1,
    "finetune": 3,
    "distill": 3,
    "evaluate": 1,
    "cka": 1,
}
LAST = {"selected": 1, "report": 1}
ALL = (
    CELL
    | LAST
    | {
        "download": 1,
        "weights": 1,
        "weights-student": 1,
        "pretrain": 1,
        "finetune-dense": 1,
        "distill-dense": 1,
        "distill-alone": 1,
        "evaluate-dense": 1,
    }
)


class Clone:
    """A throw-away clone with one model, where stages are fakes; with digits alone, as DVC reads params.yaml for every stage."""

    def __init__(self, folder: Path, *, all_recipes: bool = False, teachers: bool = True, comments: bool = True):
        self.folder, self.log = folder / "clone", folder / "log"
        shutil.copytree(ROOT / "src", self.folder / "src", ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
        for name in ("dvc.yaml", ".dvcignore", ".gitignore"):
            shutil.copy(ROOT / name, self.folder / name)
        (self.folder / "stages").mkdir()
        (self.folder / "weights").mkdir()
        shutil.copy(ROOT / "weights" / "README.md", self.folder / "weights")
        for name in GIVEN_FOLDERS:
            (self.folder / name).mkdir(parents=True)
            (self.folder / name / ".gitkeep").touch()
        for script in OUTPUTS:
            fake = textwrap.dedent(FAKE).format(outputs=OUTPUTS, log=str(self.log))
            (self.folder / "stages" / f"{script}.py").write_text(fake)
        params = (ROOT / "params.yaml").read_text(encoding="utf-8")
        params = params.replace("  - densenet169\n", "")
        if not all_recipes:
            params, cut = re.subn(r"(?ms)^  (cifar100-small:|# Further methods).*?(?=^\S)", "", params)
            assert cut == 2
        if not teachers:
            params, cut = re.subn(r"(?m)^  teachers:.*\n  - vgg16_bn\n", "  teachers: []\n", params)
            assert cut == 1
        if not comments:
            params = yaml.safe_dump(yaml.safe_load(params), sort_keys=False)
        (self.folder / "params.yaml").write_text(params, encoding="utf-8")
        self.run("git", "init", "-q")
        self.run("dvc", "init", "-q")
        shutil.copy(ROOT / ".dvc" / "config", self.folder / ".dvc" / "config")
        self.run("git", "add", "-f", *(f"{name}/.gitkeep" for name in GIVEN_FOLDERS))
        self.commit()

    def environment(self) -> dict[str, str]:
        """What commands in the clone see: this interpreter first, a name for git, no DVC around it."""
        environment = os.environ | {
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            **dict.fromkeys(("GIT_AUTHOR_NAME", "GIT_COMMITTER_NAME"), "test"),
            **dict.fromkeys(("GIT_AUTHOR_EMAIL", "GIT_COMMITTER_EMAIL"), "test@example.org"),
            "DVC_NO_ANALYTICS": "1",
        }
        environment.pop("DVC_STAGE", None)
        return environment

    def run(self, *command: str) -> str:
        done = subprocess.run(command, cwd=self.folder, env=self.environment(), capture_output=True, text=True, check=False)
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
