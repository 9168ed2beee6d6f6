"""The tiny study that tests of stages run."""

import contextlib
import importlib.util
import os
import shlex
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from graph import OUTPUTS, ROOT, items, outs, read_yaml

ORDER = tuple(OUTPUTS)  # in the order of the graph


def tiny_params() -> dict[str, Any]:
    """The shipped params with one narrow model, a further pruning method made in params alone, and a handful of steps."""
    content = read_yaml(ROOT / "params.yaml")
    content["study"] |= {"models": ["vgg11_bn"], "name": "tiny"}
    content["prune"]["random"] |= {"exclude": ["classifier.6"]}
    content["prune"]["erk-cubic"] = content["prune"]["iterative-cubic"] | {
        "score": "gradient_times_weight", "score_batches": 2, "scope": "erk", "rewind": "learning_rate", "reestimate_batches": 2,
    }  # fmt: skip
    content["prune"]["lottery"] |= {"step": 0.4, "recovery": "teacher"}
    content["study"] |= {"narrow": ["vgg11_bn"], "channels": ["vgg11_bn"], "taught": ["vgg11_bn"]}
    content["study"]["methods"] += ["random", "lottery", "erk-cubic"]
    content["study"]["other_methods"] = ["random", "lottery", "erk-cubic"]
    content["distill"] |= {"teachers": ["vgg11_bn"], "student": "vgg11_bn"}
    content["cka"] |= {"probe_images": 40, "batch_size": 20}
    content["deploy"] |= {"formats": ["int8"], "calibration_images": 64}
    content["sensitivity"] |= {"models": ["vgg11_bn"], "levels": [0.8, 0.95]}
    content["evaluate"] |= {"bootstrap_draws": 50, "latency_seconds": 0.01}
    recipe = content["data"]["digits"]
    recipe["network"]["width"] = 0.0625
    recipe["training"]["batch_size"] = 256  # 4 steps an epoch
    for budget, epochs in (("pretrain", 3), ("finetune", 3), ("distill", 1)):
        recipe[budget]["epochs"] = epochs
    recipe["epochs_per_round"] = 0.25
    recipe["finetune"]["schedule"] = "cosine"  # so that it matters where a rate stands
    content["runtime"] |= {"device": "cpu", "precision": "fp32", "threads": 1}
    return content


def load_stage(script: str) -> Any:
    spec = importlib.util.spec_from_file_location(f"stage_{script}", ROOT / "stages" / f"{script}.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def run_study(
    folder: Path,
    content: dict[str, Any],
    before: Callable[[str, Any, pytest.MonkeyPatch], None] = lambda *_: None,
    scripts: Sequence[str] = ORDER,
) -> int:
    """Run every stage of the study that `content` is, in this process and in the folder; how many there were.

    scripts: those whose stages run, in the order of the graph
    before: called with each stage's name, its module, and what undoes patches in the end.
    """
    (folder / "params.yaml").write_text(yaml.safe_dump(content), encoding="utf-8")
    ran = 0
    with contextlib.chdir(folder), pytest.MonkeyPatch.context() as patch:
        patch.delenv("PRUNESCOPE_MIRROR", raising=False)
        patch.setitem(os.environ, "MPLBACKEND", "Agg")
        for script in scripts:
            module = load_stage(script)
            for name, stage in items(content).items():
                _, path, *arguments = shlex.split(stage["cmd"])
                if Path(path).stem != script:
                    continue
                before(name, module, patch)
                patch.setattr(sys, "argv", [path, *arguments])
                module.recipe()
                missing = [out for out in outs(stage) if not Path(out).exists()]
                assert not missing, f"{name} did not write {missing}"
                ran += 1
    return ran
