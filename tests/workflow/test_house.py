"""The house in order: small files, modules in rooms, one list of checks, versions that agree, git without what commands make."""

import ast
import re
import shlex
import subprocess
import tomllib

import pytest
from test_graph import LINES

from graph import ROOT, items, read_yaml

FILES = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()
PYTHON = [name for name in FILES if name.endswith(".py") and (ROOT / name).exists()]


def lines(name: str) -> int:
    return len((ROOT / name).read_text(encoding="utf-8").splitlines())


def test_no_file_is_long():
    """250 lines of Python, and 80 of a stage, which is read from top to bottom like a recipe."""
    assert len(PYTHON) > 150
    long = {name: lines(name) for name in PYTHON if lines(name) > (80 if name.startswith("stages/") else 250)}
    assert not long, "divide it along an idea"


@pytest.mark.parametrize(
    ("name", "limit"),
    [
        ("dvc.yaml", 400),
        ("README.md", 150),
        ("CONTRIBUTING.md", 110),
    ],
)
def test_what_a_newcomer_reads_is_short(name, limit):
    assert lines(name) <= limit


def test_the_readme_has_few_words():
    assert len((ROOT / "README.md").read_text(encoding="utf-8").split()) <= 1500, "longer things are pages in docs/"


def test_the_lock_of_the_shipped_study_is_small():
    """DVC writes it anew, whole, after every stage. A stage has about 2.7 KB: half of it names what it depends on."""
    most = 2_800 * len(items(read_yaml(ROOT / "params.yaml")))
    assert (ROOT / "dvc.lock").stat().st_size <= most, "few, coarse deps in dvc.yaml; no stages of other studies"


def test_modules_lie_in_rooms():
    beside = {name.removeprefix("src/prunescope/") for name in PYTHON if re.fullmatch(r"src/prunescope/[^/]+\.py", name)}
    wanted = {"__init__", "__main__", "columns", "errors", "files", "resampling", "runtime", "seeds"}
    assert beside == {f"{name}.py" for name in wanted}


def test_scripts_are_no_documents():
    assert not [name for name in PYTHON if name.startswith("docs/")], "a subcommand for users, scripts/ for maintainers"


def test_hooks_are_the_checks():
    """What pre-commit runs before commits and pushes is what `make check` and thereby CI run."""
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    [checks] = re.findall(r"^check:.*\n\t\$\(IN_VENV\) (.*)$", makefile, re.MULTILINE)
    [local] = read_yaml(ROOT / ".pre-commit-config.yaml")["repos"]
    assert [hook["entry"] for hook in local["hooks"]] == checks.split(" && ")
    assert {hook["language"] for hook in local["hooks"]} == {"system"}
    assert all(hook["pass_filenames"] is False for hook in local["hooks"])
    assert (ROOT / ".ci" / "run").read_text(encoding="utf-8").rstrip().endswith("make check")


def pins(name: str) -> dict[str, str]:
    """Package and version of each line of a requirements file; markers and local versions left out."""
    found = re.findall(r"^([\w.-]+)==([\w.]+)", (ROOT / name).read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[-_.]+", "-", package).lower(): version for package, version in found}


def test_requirements_agree():
    all_of_them, cpu = pins("requirements.txt"), pins("requirements-cpu.txt")
    assert cpu == {name: all_of_them[name] for name in ("torch", "torchvision")}
    assert "-r requirements" not in (ROOT / "requirements-dev.txt").read_text(encoding="utf-8"), "it would bring CUDA"
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    direct = {re.sub(r"[-_.]+", "-", re.split(r"[><=; ]", wanted)[0]).lower() for wanted in project["dependencies"]}
    assert len(direct) > 15 and direct <= all_of_them.keys()
    dev = {re.sub(r"[-_.]+", "-", re.split(r"[><=; ]", wanted)[0]).lower() for wanted in project["optional-dependencies"]["dev"]}
    assert dev <= pins("requirements-dev.txt").keys()


@pytest.mark.parametrize(("given", "wanted"), [("", "-r requirements.txt"), ("TORCH=cpu", "-r requirements-cpu.txt")])
def test_make_installs_the_environment_asked_for(tmp_path, given, wanted):
    command = ["make", "--dry-run", "study", f"VENV={tmp_path / 'venv'}", *shlex.split(given)]
    printed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert re.findall(r"-r requirements[\w-]*\.txt", printed) == [wanted]
    wrong = subprocess.run([*command, "TORCH=gpu"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert wrong.returncode == 2 and "found TORCH=gpu, wanted cpu" in wrong.stderr


def test_an_environment_for_the_cpu_stays_one(tmp_path):
    """Else bringing it up to date would download CUDA."""
    (tmp_path / ".run").write_text("cpu\n")
    command = ["make", "--dry-run", "--always-make", "setup", f"VENV={tmp_path}"]
    printed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert re.findall(r"-r (requirements[\w-]*\.txt)", printed) == ["requirements-cpu.txt", "requirements-dev.txt"]


MADE = ("own-images/train/a/b.png", "dvc_plots/index.html", "vgg16.packed", "vgg16.safetensors", "curve.png", "downloads/a.zip",
        "network.onnx", "report/report.html", "reports/small/report.html", "MODEL_CARD.md",
        "gallery/digits.html", "resume/a", "prepared/a/b", "checkpoints/a/b", "metrics/evaluate/a.json",
        ".venv/x")  # fmt: skip


def test_what_commands_make_is_ignored():
    checked = subprocess.run(["git", "check-ignore", "--no-index", *MADE], cwd=ROOT, capture_output=True, text=True, check=False)
    assert checked.stdout.splitlines() == list(MADE)
    kept = ("docs/forest.png", "results/a/figures/b.png", "metrics/summary.csv", "metrics/selected.json", "dvc.lock")
    checked = subprocess.run(["git", "check-ignore", "--no-index", *kept], cwd=ROOT, capture_output=True, text=True, check=False)
    assert checked.stdout == ""


def test_dvc_stages_nothing_behind_the_users_back():
    assert "autostage = false" in (ROOT / ".dvc" / "config").read_text(encoding="utf-8")


def test_benchmarks_give_stages_all_that_they_ask_for():
    found = 0
    for file in sorted((ROOT / "benchmarks").glob("*.py")):
        text = file.read_text(encoding="utf-8")
        for script in re.findall(r"stages/(\w+)\.py\"", text):
            [asked] = re.findall(
                r"arguments\(\s*__doc__, ([^)=]*)", (ROOT / "stages" / f"{script}.py").read_text(encoding="utf-8")
            )
            missing = [name for name in re.findall(r'"(\w+)"', asked) if f'"--{name}"' not in text]
            assert not missing, f"{file.name} runs {script} without {missing}"
            found += 1
    assert found == 6


def test_the_large_studies_of_the_benchmark_grow_as_their_names_say():
    text = (ROOT / "benchmarks" / "large_studies.py").read_text(encoding="utf-8")
    [grids] = re.findall(r"^GRIDS = (\{.*?^\})$", text, re.MULTILINE | re.DOTALL)
    found = ast.literal_eval(grids)
    params = read_yaml(ROOT / "params.yaml")
    for count, (datasets, seeds, two_levels) in zip((1, 4, 12, 44), found.values(), strict=True):
        wanted = params | {"study": params["study"] | {"datasets": datasets, "seeds": seeds}}
        wanted["compare_sparsities"] = [0.5 if two_levels else params["sparsity"], *[params["sparsity"]] * 3]
        cells = [name for name in items(wanted) if name.startswith("cka@")]
        assert len(cells) == count * len(params["study"]["models"])
    assert list(found) == ["one", "four", "twelve", "forty-four"]


CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")


def test_contributing_names_what_is_there():
    """Files exist, and a table of names that is said to stand in one stands there."""
    paths = set(re.findall(r"`((?:src|tests|scripts|stages|benchmarks)/[\w./]*|\w+\.yaml)`", CONTRIBUTING))
    assert len(paths) > 12 and all((ROOT / path).exists() for path in paths)
    assert all((ROOT / path).exists() for path in re.findall(r"\]\((?!http)([^)]+)\)", CONTRIBUTING))
    named = [line.split("|")[2:4] for line in CONTRIBUTING.splitlines() if line.startswith("| ") and "`src/" in line]
    assert len(named) == 7
    claims = []
    for written, added in named:
        claims += [([file], name) for name, file in re.findall(r"`(\w+)` (?:there and )?in `(src/[\w./]+)`", added)]
        files = re.findall(r"`(src/[\w./]+\.py)`", written)
        claims += [(files, name) for name in re.findall(r"`(\w+)`(?: or `\w+`)? there", added)]
        claims += [(files, name) for name in re.findall(r"in `(\w+)`", written)]
    assert len(claims) == 16
    for files, name in claims:
        text = "\n".join((ROOT / file).read_text(encoding="utf-8") for file in files)
        assert re.search(rf"^(def )?{name}\b", text, re.MULTILINE), f"{name} is not in {files}"


def test_contributing_draws_the_rooms_as_they_are_held():
    [drawn] = re.findall(r"```text\n(.*?)```", CONTRIBUTING, re.DOTALL)
    below = 0
    for names in LINES:
        bare = [re.escape(name.replace("__main__.py", "__main__")) for name in names]
        numbers = {n for n, line in enumerate(drawn.splitlines()) for name in bare if re.search(rf"(^|  ){name}(  |$)", line)}
        assert len(numbers) == 1 and min(numbers) > below, names
        below = min(numbers)


def test_commands_of_contributing_are_known():
    commands = [line.partition(" #")[0].split() for block in re.findall(r"```sh\n(.*?)```", CONTRIBUTING, re.DOTALL)
                for line in block.splitlines()]  # fmt: skip
    assert [command[:2] for command in commands] == [
        ["make", "setup"], [".", ".venv/bin/activate"], ["make", "check"],
        ["dvc", "repro"], ["python", "scripts/same_checkpoints.py"],
    ]  # fmt: skip
    for command in (command for command in commands if command[0] == "make"):
        subprocess.run([*command, "--dry-run"], cwd=ROOT, capture_output=True, check=True)
