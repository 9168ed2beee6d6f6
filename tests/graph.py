"""What the tests know about dvc.yaml: its stages with their matrix items filled in, and which arguments are outputs."""

import itertools
import re
import shlex
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parent.parent
GIVEN = ("src/", "stages/", "weights")  # what stages depend on and none makes
GIVEN_FOLDERS = ("metrics/deploy", "metrics/distill", "metrics/sensitivity")  # in git, so that a study without these finds them
OUTPUTS = {  # arguments of a stage script that name what it writes, others are inputs; in the graph's order
    "download": ("store", "metrics"),
    "weights": ("start",),
    "pretrain": ("checkpoint", "metrics", "history"),
    "prune": ("checkpoint", "metrics", "history"),
    "finetune": ("checkpoint", "metrics", "history"),
    "channels": ("checkpoint", "metrics", "history"),
    "distill": ("checkpoint", "metrics", "history"),
    "evaluate": ("metrics",),
    "deploy": ("metrics",),
    "cka": ("metrics", "maps"),
    "sensitivity": ("metrics",),
    "selected": ("selected", "summary", "curves"),
    "report": ("report",),
}
NAMES = ("dataset", "model", "method", "sparsity", "seed", "format")  # arguments that are no paths


def read_yaml(path: Path) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def stages() -> dict[str, dict[str, Any]]:
    """The stages of dvc.yaml as written."""
    return read_yaml(ROOT / "dvc.yaml")["stages"]


def fill(value: Any, item: dict[str, str], params: dict[str, Any]) -> Any:
    """`value` with ${item.x} and ${a.b} replaced, as DVC does."""
    if isinstance(value, str):

        def look_up(match: re.Match) -> Any:
            key = match[1]
            if key == "key":  # DVC's word for a matrix item's values, joined
                return "-".join(item.values())
            if key.startswith("item."):
                return str(item[key.removeprefix("item.")])
            found: Any = params
            for part in re.findall(r"[^.\[\]]+", key):
                found = found[int(part)] if isinstance(found, list) else found[part]
            return found if isinstance(found, list) else str(found)

        whole = re.fullmatch(r"\$\{([^}]+)\}", value)
        return look_up(whole) if whole else re.sub(r"\$\{([^}]+)\}", look_up, value)
    if isinstance(value, list):
        return [fill(part, item, params) for part in value]
    if isinstance(value, dict):
        return {fill(key, item, params): fill(part, item, params) for key, part in value.items()}
    return value


def items(params: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Every stage of the study by its full name (prune-oneshot@vgg16_bn-digits-0.8-0), filled in."""
    found = {}
    for name, stage in stages().items():
        matrix = fill(stage.get("matrix", {}), {}, params)
        values = [list(dict.fromkeys(map(str, axis))) for axis in matrix.values()]
        for chosen in itertools.product(*values):
            item = dict(zip(matrix, chosen, strict=True))
            full = f"{name}@{'-'.join(chosen)}" if matrix else name
            found[full] = fill({k: v for k, v in stage.items() if k != "matrix"}, item, params)
    return found


def command(stage: dict[str, Any]) -> tuple[str, dict[str, str]]:
    """(script's name, arguments) of a stage's command."""
    python, script, *arguments = shlex.split(stage["cmd"])
    assert python == "python"
    return Path(script).stem, dict(zip((a.removeprefix("--") for a in arguments[::2]), arguments[1::2], strict=True))


def outs(stage: dict[str, Any]) -> set[str]:
    """All paths that a stage declares as written: outs, metrics and plots."""
    declared = [*stage.get("outs", ()), *stage.get("metrics", ()), *stage.get("plots", ())]
    return {path for out in declared for path in (out if isinstance(out, dict) else [out])}
