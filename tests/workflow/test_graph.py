"""dvc.yaml against the code: dependencies are exactly what a stage imports and reads, paths in commands are declared."""

import ast
from collections.abc import Set
from pathlib import Path

import pytest

from graph import GIVEN, NAMES, OUTPUTS, ROOT, command, items, outs, read_yaml, stages

SOURCE = ROOT / "src"
PACKAGE = SOURCE / "prunescope"
UNTRACKED = {"study", "errors.py"}  # they refuse or parse and cannot change a result; the values are tracked under `params`
PARAMS = read_yaml(ROOT / "params.yaml")
FURTHER = {"other_methods": ["random"], "narrow": ["vgg16_bn"], "channels": ["vgg16_bn"], "taught": ["vgg16_bn"]}
WHOLE = PARAMS | {
    "study": PARAMS["study"] | FURTHER,
    "sensitivity": PARAMS["sensitivity"] | {"models": ["vgg16_bn"]},
    "deploy": PARAMS["deploy"] | {"formats": ["int8"]},
}
"""The shipped study with what it leaves out, so that every stage of dvc.yaml has an item."""


def room(file: Path) -> str:
    """The folder, or the file, of src/prunescope in which a module lies."""
    return file.relative_to(PACKAGE).parts[0]


def imported(path: Path) -> set[Path]:
    """Our own modules that a file imports, at any depth of the file; packages' __init__ not counted."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        else:
            continue
        files = (SOURCE / Path(*name.split(".")).with_suffix(".py") for name in names if name.startswith("prunescope"))
        found |= {file for file in files if file.is_file()}
    return found


def rooms_of(script: Path) -> set[str]:
    """All rooms that a script needs: those that it imports, and all that the modules of these import."""
    return reached({room(file) for file in imported(script)}, beside=UNTRACKED)


def reached(todo: set[str], beside: Set[str] = frozenset()) -> set[str]:
    """These rooms and all that their modules import, without those `beside`."""
    found: set[str] = set()
    while todo := todo - beside - found:
        found |= todo
        files = [file for name in todo for file in ([PACKAGE / name] if name.endswith(".py") else (PACKAGE / name).rglob("*.py"))]
        todo = {room(module) for file in files for module in imported(file)}
    return found


@pytest.mark.parametrize("name", stages())
def test_deps_are_the_rooms_that_the_script_needs(name):
    stage = stages()[name]
    script, _ = command(stage)
    listed = {dep.removeprefix("src/prunescope/") for dep in stage["deps"] if dep.startswith("src/")}
    needed = rooms_of(ROOT / "stages" / f"{script}.py")
    assert listed == needed, f"{name}: change `deps` in dvc.yaml to what stages/{script}.py imports"
    assert f"stages/{script}.py" in stage["deps"]


def test_package_inits_hold_no_code():
    """Beside the package's own `load`, which only imports: what it does is a room's."""
    inits = list((SOURCE / "prunescope").rglob("__init__.py"))
    assert len(inits) == sum(not name.endswith(".py") for name in LINE) + 1
    for init in inits:
        body = ast.parse(init.read_text(encoding="utf-8")).body
        if init.parent == PACKAGE and isinstance(body[-1], ast.FunctionDef):
            function, body = body[-1], body[:-1]
            kinds = [type(node) for node in function.body]
            assert (function.name, kinds) == ("load", [ast.Expr, ast.ImportFrom, ast.Return])
        assert all(isinstance(node, ast.Expr | ast.Assign) for node in body), f"{init}: no stage depends on it"


@pytest.mark.parametrize("name", items(WHOLE))
def test_paths_of_the_command_are_declared(name):
    stage = items(WHOLE)[name]
    script, arguments = command(stage)
    written = {arguments[key] for key in OUTPUTS[script]}
    read = {value for key, value in arguments.items() if key not in (*OUTPUTS[script], *NAMES)}
    assert written == outs(stage)
    inputs = {dep for dep in stage["deps"] if not dep.startswith(("src/", "stages/"))}
    below = {dep for dep in inputs if any(dep.startswith(f"{path}/") for path in read)}  # `--metrics metrics` reads parts
    assert read <= inputs | {str(Path(dep).parent) for dep in below}
    assert inputs - below <= read


def test_every_output_has_one_writer():
    written = [out for stage in items(WHOLE).values() for out in outs(stage)]
    assert len(written) == len(set(written)) > 60


def test_every_input_has_a_writer():
    written = {out for stage in items(WHOLE).values() for out in outs(stage)}
    for name, stage in items(WHOLE).items():
        for dep in stage["deps"]:
            if not dep.startswith(GIVEN):
                made = any(out == dep or out.startswith(f"{dep}/") for out in written)
                assert made, f"{name}: nothing makes {dep}"


def test_every_stage_says_what_it_does():
    assert all(stage.get("desc") for stage in stages().values())


def test_expensive_stages_keep_their_run_cache():
    """cache: false, persist and always_changed switch DVC's run cache off."""
    for name, stage in stages().items():
        assert "always_changed" not in stage
        detailed = [out for kind in ("outs", "metrics", "plots") for out in stage.get(kind, ()) if isinstance(out, dict)]
        uncached = [out for out in detailed for settings in out.values() if "cache" in settings or "persist" in settings]
        assert not uncached or name == "selected"


# Who may import whom: a room imports those below its line, never those beside it.
LINES = (
    ("__main__.py",),
    ("report",),
    ("evidence", "runner"),
    ("figures", "study"),
    ("pruning", "results", "deploy"),
    ("training", "evaluation", "pretrained"),
    ("networks", "sources"),
    ("data",),
    ("similarity", "columns.py", "resampling.py", "runtime.py", "files.py"),
    ("seeds.py", "errors.py"),
)
LINE = {name: number for number, line in enumerate(LINES) for name in line}


def test_every_room_has_a_line():
    found = {room(file) for file in PACKAGE.rglob("*.py")} - {"__init__.py"}
    assert found == set(LINE)


@pytest.mark.parametrize("name", LINE)
def test_imports_point_down(name):
    files = list((PACKAGE / name).rglob("*.py")) or [PACKAGE / name]
    assert files
    for file in files:
        others = {room(module) for module in imported(file)} - {name}
        wrong = {other for other in others if LINE[other] <= LINE[name] or (other == "study" and name != "__main__.py")}
        assert not wrong, f"{file.relative_to(SOURCE)} imports {', '.join(sorted(wrong))}"


def test_no_module_imports_itself_round_about():
    below = {file: imported(file) for file in PACKAGE.rglob("*.py")}
    while free := {file for file, modules in below.items() if not modules}:
        below = {file: modules - free for file, modules in below.items() if file not in free}
    assert not below, f"circle among {sorted(file.relative_to(SOURCE).as_posix() for file in below)}"


@pytest.mark.parametrize("name", ["results", "evidence", "figures", "report"])
def test_who_reads_results_never_imports_torch(name):
    """Nor a room that does: it takes seconds, and a clone without an environment for training can make a report."""
    assert reached({name}) <= {"report", "evidence", "figures", "results", "columns.py", "resampling.py", "files.py", "errors.py"}
    for file in (PACKAGE / name).rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else [getattr(node, "module", "")]
            assert not any(str(name).split(".")[0] in ("torch", "torchvision") for name in names), file
