"""The README and docs/: commands are known ones, code runs, tables are the results', and what is named exists."""

import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from dvc.cli.parser import get_main_parser

import update_readme
from graph import ROOT, items, outs, read_yaml, stages
from pages import COMMANDS, MENTIONED, PAGES, PROGRAMS, anchors, blocks, prose, runs
from prunescope.evidence.claims import HOLDS
from prunescope.evidence.inference import OPEN
from report_fakes import again, make_study, opened, plant

README = PAGES["README.md"]
PARAMS = read_yaml(ROOT / "params.yaml")
NAMED_FILE = r"`((?:src|stages|tests|docs|scripts|benchmarks|results)/[^`<\s]+|[a-z]+\.yaml)`"
NAMED = r"\b[a-z]+(?:-[a-z]+)?@\w[\w.-]*"  # a stage by its full name


def test_commands_are_all_known():
    """Each kind of command is tried by a test here, in test_readme_commands.py or test_readme_data.py; a new one needs a test."""
    assert {command.split()[0] for _, command in COMMANDS} == {*PROGRAMS, ".", "export"}
    assert len(COMMANDS) == 57
    assert len(MENTIONED) == 56
    assert {page for page, _ in COMMANDS} == {"README.md"} | {
        f"docs/{name}.md" for name in ("studies", "own-images", "data", "methods", "machines", "results", "internals", "using")
    }


@pytest.mark.parametrize("words", runs("make"), ids=" ".join)
def test_make_targets_exist(words):
    done = subprocess.run(["make", *words, "--dry-run"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    for variable in re.findall(r"([A-Z]+)=", " ".join(words)):  # make takes any
        assert variable in (ROOT / "Makefile").read_text(encoding="utf-8"), variable


def test_a_verdict_is_asked_of_studies_that_lack_a_cell(tmp_path):
    study = make_study(models=("vgg16",), datasets=("digits", "other"), seeds=(0, 1, 2), sparsities=(0.8, 0.5))
    plant(tmp_path, study)
    results = again(opened(tmp_path, study))
    for (dataset, sparsity), lost in {("digits", 0.8): 0.05, ("digits", 0.5): 0.06, ("other", 0.8): 0.0}.items():
        mine = (results.summary["dataset"] == dataset) & results.summary["sparsity"].isin([0.0, sparsity])
        layerwise = results.summary["method"] == "layerwise"
        noise = results.summary["seed"] * (0.002 + 0.001 * layerwise)
        results.summary.loc[mine, "balanced_accuracy"] = (0.9 + noise - lost * layerwise)[mine]
    missing = (results.summary["dataset"] == "other") & (results.summary["sparsity"] == 0.5)
    results = replace(results, given=results.summary[~missing])
    assert update_readme.cells(results)[1] == "2 yes, 1 equal"
    assert update_readme.words(results)[1] == HOLDS
    assert update_readme.without_one(results)[1] == "3 of 3"
    balanced = results.summary["balanced_accuracy"]
    worse = 0.2 * ((results.summary["dataset"] == "other") & (results.summary["method"] == "layerwise"))
    torn = replace(results, given=results.summary.assign(balanced_accuracy=balanced + worse))
    assert update_readme.words(torn)[1] == OPEN, "layerwise is better by far on the other"
    assert update_readme.without_one(torn)[1] == "2 of 3", "without that it holds"
    assert update_readme.without_one(opened(tmp_path / "none", study))[1] == "–"


@pytest.mark.parametrize("page", update_readme.PAGES, ids=lambda page: page.name)
def test_generated_blocks_are_those_of_the_results(page):
    text = page.read_text(encoding="utf-8")
    for name in update_readme.names_in(text):
        assert update_readme.fill(text, name, update_readme.BLOCKS[name]()) == text, f"{name}: run `make readme`"


def test_every_generated_block_is_shown():
    found = [name for page in update_readme.PAGES for name in update_readme.names_in(page.read_text(encoding="utf-8"))]
    assert sorted(found) == sorted(update_readme.BLOCKS)


@pytest.mark.parametrize("words", runs("prunescope"), ids=" ".join)
def test_subcommands_exist(words):
    """With their options, which start with --; what they do is tested beside their code."""
    wanted = [word for word in words[1:] if word.startswith("--")]
    done = subprocess.run([sys.executable, "-m", "prunescope", words[0], "--help"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert all(re.search(rf"(?<!\S)\[?{option}\b", done.stdout) for option in wanted), done.stdout


@pytest.mark.parametrize("words", [words for words in runs("prunescope") if words[0] == "check"], ids=" ".join)
def test_checks_of_the_pages_find_no_problem(words):
    done = subprocess.run([sys.executable, "-m", "prunescope", *words], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0 and "no problem found" in done.stdout, done.stderr


def test_dvc_understands_its_commands():
    parser, calls = get_main_parser(), runs("dvc")
    assert len(calls) == 41
    for words in calls:
        parser.parse_args(words)


def test_scripts_exist():
    calls = runs("python")
    assert calls
    for script, *options in calls:
        text = (ROOT / script).read_text(encoding="utf-8")
        assert all(option in text for option in options if option.startswith("--")), (script, options)


def test_keys_exist():
    """Of params.yaml: those that commands set, and those named in a sentence."""
    text = "\n".join([*(command for _, command in COMMANDS), *map(prose, PAGES)])
    keys = set(re.findall(r"-S \"?([\w.]+)=", text)) | set(
        re.findall(r"`((?:study|data|runtime|prune|distill|sensitivity)\.[a-z_.]+)`", text)
    )
    assert len(keys) > 12
    for key in keys:
        found = PARAMS
        for part in key.split("."):
            assert part in found, key
            found = found[part]


def test_stages_and_files_of_the_study_exist():
    """Stages by full name, checkpoints and metrics files of digits: what the shipped study or the recipe `own` makes."""
    known = items(PARAMS) | items(PARAMS | {"study": PARAMS["study"] | {"datasets": ["own"]}})
    made = {path for stage in known.values() for path in outs(stage)}
    text = "\n".join(re.sub(r"^```text.*?^```", "", page, flags=re.DOTALL | re.MULTILINE) for page in PAGES.values())
    names = set(re.findall(NAMED, text))
    assert names
    assert names <= set(known), names - set(known)
    paths = set(re.findall(r"\b(?:checkpoints|metrics)/[\w./-]*digits[\w./-]*", text))
    assert paths
    for path in paths:
        assert path in made or made & {str(parent) for parent in Path(path).parents}, path


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page):
    folder = (ROOT / page).parent
    for target, _, anchor in (link.partition("#") for link in re.findall(r"\]\((?!https?:)([^)]+)\)", PAGES[page])):
        path = (folder / target).resolve() if target else ROOT / page
        assert path.exists(), target
        if anchor:
            assert anchor in anchors(path.read_text(encoding="utf-8")), f"{target}#{anchor}"


@pytest.mark.parametrize("page", PAGES)
def test_named_files_exist(page):
    for name in re.findall(NAMED_FILE, PAGES[page]):
        assert (ROOT / name).exists(), name


def test_files_are_named():
    assert sum(len(re.findall(NAMED_FILE, text)) for text in PAGES.values()) >= 5


def test_every_page_is_listed():
    """In the README and in the index of docs/."""
    pages = {path.name for path in (ROOT / "docs").glob("*.md")} - {"README.md"}
    assert set(re.findall(r"\]\(docs/([a-z-]+\.md)\)", README)) >= pages
    assert set(re.findall(r"\]\(([a-z-]+\.md)\)", PAGES["docs/README.md"])) == pages


def test_the_readme_is_short():
    assert README.count("\n") <= 150
    assert len(README.split()) <= 1500
    assert README[: README.index("```sh")].count("\n") < 20, "the first command is on the first screen"


def test_the_rooms_are_those_of_dvc_yaml():
    """internals.md says which stages depend on which room; the README lists the rooms."""
    rooms = sorted(path.parent.name for path in (ROOT / "src/prunescope").glob("*/__init__.py"))
    rows = dict(re.findall(r"^\| `(\w+)` \| [^|]+ \| ([a-z, ]+) \|$", PAGES["docs/internals.md"], re.MULTILINE))
    assert sorted(rows) == rooms
    assert sorted(re.findall(r"^  (\w+)/ ", README, re.MULTILINE)) == rooms
    for room, listed in rows.items():
        depend = {name.partition("-")[0] for name, stage in stages().items() if f"src/prunescope/{room}" in stage["deps"]}
        assert set(listed.split(", ")) == (depend or {"none"}), room


def test_every_method_is_described():
    rows = re.findall(r"^\| `([\w-]+)` \|", PAGES["docs/methods.md"], re.MULTILINE)
    assert rows == list(PARAMS["prune"])


CODE = [(page, code) for page, code in blocks("python") if "onnxruntime" not in code]  # that: tests/deploy/test_using_page.py


@pytest.mark.parametrize(("page", "code"), CODE, ids=[page for page, _ in CODE])
def test_code_runs(page, code, tmp_path, monkeypatch, make_network):
    """With the checkpoint that it names, and with three small networks."""
    import torch

    from prunescope.networks import checkpoint
    from prunescope.networks.architectures import Architecture, build
    from prunescope.networks.inputs import Inputs

    monkeypatch.chdir(tmp_path)
    architecture = Architecture("vgg16_bn", 10, width=0.0625)
    for path in map(Path, re.findall(r"checkpoints/[\w./-]+", code)):
        inputs = Inputs("digits", tuple("0123456789"), (0.3, 0.3, 0.3), (0.3, 0.3, 0.3), 32)
        checkpoint.write(path, checkpoint.Checkpoint("dense", architecture, build(architecture).state_dict(), inputs=inputs))
    space = {name: make_network(seed) for seed, name in enumerate(("dense", "pruned", "student"))}
    exec(code, space | {"batches": [torch.rand(8, 3, 4, 4) for _ in range(2)]})


def test_code_blocks_are_all_tried():
    assert [page for page, _ in CODE] == ["README.md", "docs/guarantees.md", "docs/internals.md", "docs/using.md"]
    assert len(blocks("python")) == len(CODE) + 1
