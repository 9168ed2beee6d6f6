"""The tiny study that tests of stages run."""

import importlib.util
from typing import Any

from graph import ROOT, read_yaml


def tiny_params() -> dict[str, Any]:
    """The shipped params with one narrow model, a further pruning method made in params alone, and a handful of steps."""
    content = read_yaml(ROOT / "params.yaml")
    content["study"] |= {"models": ["vgg11_bn"], "name": "tiny"}
    content["prune"]["random"] |= {"exclude": ["classifier.6"]}
    content["prune"]["erk-cubic"] = content["prune"]["iterative-cubic"] | {
        "score": "gradient_times_weight", "score_batches": 2, "scope": "erk", "rewind": "learning_rate", "reestimate_batches": 2,
    }  # fmt: skip
    content["prune"]["lottery"]["step"] = 0.4
    content["study"]["methods"] += ["random", "lottery", "erk-cubic"]
    content["study"]["other_methods"] = ["random", "lottery", "erk-cubic"]
    content["distill"] |= {"teachers": ["vgg11_bn"], "student": "vgg11_bn"}
    content["cka"] |= {"probe_images": 40, "batch_size": 20}
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
