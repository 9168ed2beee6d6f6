"""dvc.yaml against the code: dependencies are exactly what a stage imports and reads, paths in commands are declared."""

import ast
from pathlib import Path

import pytest

from workflow import NAMES, OUTPUTS, ROOT, command, items, outs, read_yaml, stages

SOURCE = ROOT / "src"
# They refuse or parse and cannot change a result; what params.py reads is tracked under `params`.
UNTRACKED = {
    f"src/prunescope/{name}.py" for name in ("params", "contradictions", "strict", "architectures", "guards", "stage", "errors")
}
PARAMS = read_yaml(ROOT / "params.yaml")


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


def closure(script: Path) -> set[str]:
    """All tracked modules that a script needs, by path; what only untracked ones import cannot reach a result either."""
    found: set[str] = set()
    todo = [script]
    while todo:
        for file in imported(todo.pop()):
            name = file.relative_to(ROOT).as_posix()
            if name not in found | UNTRACKED:
                found.add(name)
                todo.append(file)
    return found


@pytest.mark.parametrize("name", stages())
def test_deps_are_the_import_closure(name):
    stage = stages()[name]
    script, _ = command(stage)
    listed = {dep for dep in stage["deps"] if dep.startswith("src/")}
    folders = {dep for dep in listed if (ROOT / dep).is_dir()}
    needed = closure(ROOT / "stages" / f"{script}.py")
    inside = {module for module in needed if any(module.startswith(f"{folder}/") for folder in folders)}
    assert listed - folders == needed - inside, f"{name}: change `deps` in dvc.yaml to what stages/{script}.py imports"
    assert all(any(module.startswith(f"{folder}/") for module in needed) for folder in folders)


def test_package_inits_hold_no_code():
    inits = list((SOURCE / "prunescope").rglob("__init__.py"))
    assert len(inits) == 4
    for init in inits:
        body = ast.parse(init.read_text(encoding="utf-8")).body
        assert all(isinstance(node, ast.Expr | ast.Assign) for node in body), f"{init}: no stage depends on it"


@pytest.mark.parametrize("name", items(PARAMS | {"study": PARAMS["study"] | {"other_methods": ["random"]}}))
def test_paths_of_the_command_are_declared(name):
    params = PARAMS | {"study": PARAMS["study"] | {"other_methods": ["random"]}}
    stage = items(params)[name]
    script, arguments = command(stage)
    written = {arguments[key] for key in OUTPUTS[script]}
    read = {value for key, value in arguments.items() if key not in (*OUTPUTS[script], *NAMES)}
    assert written == outs(stage)
    inputs = {dep for dep in stage["deps"] if not dep.startswith(("src/", "stages/"))}
    below = {dep for dep in inputs if any(dep.startswith(f"{path}/") for path in read)}  # `--metrics metrics` reads parts
    assert read <= inputs | {str(Path(dep).parent) for dep in below}
    assert inputs - below <= read


def test_every_output_has_one_writer():
    written = [out for stage in items(PARAMS).values() for out in outs(stage)]
    assert len(written) == len(set(written)) > 60


def test_every_input_has_a_writer():
    written = {out for stage in items(PARAMS).values() for out in outs(stage)}
    for name, stage in items(PARAMS).items():
        for dep in stage["deps"]:
            if not dep.startswith(("src/", "stages/")):
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


def test_every_param_has_a_comment():
    """Each key of params.yaml carries its meaning on its line or right above it."""
    lines = (ROOT / "params.yaml").read_text(encoding="utf-8").splitlines()
    keys = [number for number, line in enumerate(lines) if line.strip().partition("#")[0].rstrip().endswith(":") is False
            and ":" in line.partition("#")[0]]  # fmt: skip
    assert len(keys) > 100
    bare = [lines[n] for n in keys if "#" not in lines[n] and not lines[n - 1].lstrip().startswith("#")]
    assert not bare


ALLOWED = {  # arrows point down: who may import whom
    "report": {"report", "files", "errors", "resampling"},
    "resampling": set(),
    "evaluate": {"resampling"},
    "pruning": {"pruning", "bits", "errors", "optimizers", "seeds"},
    "bits": set(),
    "resume": {"errors", "files", "parallel"},
    "similarity": {"cka", "errors"},
    "cka": {"features", "grams", "hsic", "errors"},
    "grams": {"features", "errors"},
    "hsic": {"features", "errors"},
    "features": {"errors"},
    "losses": {"parallel"},
    "parallel": {"errors"},
    "costs": set(),
    "models": {"errors"},
    "params": {"pruning", "contradictions", "data", "errors", "strict"},
    "contradictions": {"architectures", "data", "errors", "params", "pruning"},
    "strict": set(),
    "training": {"data", "errors", "losses", "optimizers", "parallel", "runtime"},
    "seeds": set(),
    "data": {"data", "errors", "files", "seeds"},
    "calibration": {"data", "losses", "parallel", "runtime"},
}


@pytest.mark.parametrize("part", ALLOWED)
def test_imports_point_down(part):
    place = SOURCE / "prunescope" / part
    files = list(place.rglob("*.py")) if place.is_dir() else [place.with_suffix(".py")]
    assert files
    for file in files:
        parts = {module.relative_to(SOURCE / "prunescope").parts[0].removesuffix(".py") for module in imported(file)}
        assert parts <= ALLOWED[part], f"{file} imports {parts - ALLOWED[part]}"


def test_report_never_imports_torch():
    for file in (SOURCE / "prunescope" / "report").rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else [getattr(node, "module", "")]
            assert not any(str(name).split(".")[0] in ("torch", "torchvision") for name in names), file
