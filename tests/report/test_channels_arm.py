"""A base without whole channels in all that is made from a study's files: the table of arms, sizes, times, causes, its card."""

import json
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from prunescope import __main__ as module
from prunescope.evidence import contrasts, plotted, storage
from prunescope.figures import levels
from prunescope.report import causes, pictures
from prunescope.report.blocks import Plot, Table
from prunescope.results.grid import Grid, arms_of
from prunescope.results.summary import RATES
from report_fakes import opened, row, write_evaluate, write_training

CELL = "vgg16-digits-0.8-0"


@pytest.fixture
def thinned(tree) -> tuple[Path, Grid]:
    """A study that also asks for it, of one of its models, and what the stages would have written."""
    metrics, study = tree()
    path = metrics / "evaluate" / CELL / "channels.json"
    write_evaluate(path, 0.95, 0.0)
    small = {"parameters": 200_000, "nonzero_parameters": 200_000, "macs": 5_000_000, "nonzero_macs": 5_000_000}
    path.write_text(
        json.dumps(json.loads(path.read_text()) | small | {"size_dense_bytes": 800_000, "size_packed_bytes": 700_000})
    )
    latency = path.with_name("channels-latency.json")
    latency.write_text(json.dumps(json.loads(latency.read_text()) | {"batch_1_to_dense": 0.4, "batch_32_to_dense": 0.3}))
    training = metrics / "finetune" / CELL / "channels.json"
    write_training(training, 40)
    training.write_text(json.dumps(json.loads(training.read_text()) | {"learning_rate_sum": 0.4}))
    return metrics, replace(study, channels=("vgg16",))


def test_it_is_an_arm_of_its_model_at_each_level(thinned) -> None:
    metrics, study = thinned
    wanted = [("vgg16", level, f"evaluate/vgg16-digits-{level}-0/channels") for level in (0.8, 0.5)]
    arms = [arm for arm in arms_of(replace(study, sparsities=(0.8, 0.5))) if arm.kind == "channels"]
    assert [(arm.model, arm.sparsity, arm.evaluate) for arm in arms] == wanted
    [found] = opened(metrics, study).summary.query("method == 'channels'").to_dict("records")
    assert (found["kind"], found["steps"], found["parameters"], found["accuracy"]) == ("channels", 40, 200_000, 0.95)
    assert found[RATES] == 1.0, "it loses its channels before the first step"


def test_tables_of_sizes_and_budgets_have_a_row_of_it(thinned) -> None:
    results = opened(*thinned)
    found = row(storage.storage_table(results), model="vgg16", method="channels")
    assert (found["all params, M"], found["MB dense"], found["1 image, of unpruned"]) == ("0.200", "0.800", "0.40×")
    budget = row(storage.budget_table(results), model="vgg16", method="channels")
    assert (budget["steps"], budget["rate after last pruning %"]) == ("40", "100")
    assert "channels" not in set(storage.storage_table(results).query("model == 'densenet169'")["method"])
    assert storage.measured_speed(results).endswith(
        "; those of fewer channels took 0.40 times as long for 1 image and 0.30 times as long for 32 images."
    )


def test_the_trade_off_has_a_point_of_it_in_a_colour_of_its_own(thinned) -> None:
    metrics, study = thinned
    rows = plotted.costs(opened(metrics, study))
    [found] = rows.query("method == 'channels'").to_dict("records")
    assert (found["network"], found["value"], found["megabytes"], found["times"]) == ("channels 80 %", 94.5, 0.7, 0.4)
    for asked in (("vgg16",), ()):
        [figure] = pictures.cost_figure(opened(metrics, replace(study, channels=asked)))
        assert isinstance(figure, Plot) and ("channels has fewer channels" in figure.caption) == bool(asked)
    vgg = rows.query("model == 'vgg16'")
    assert "channels 80 %" in set(levels.front(vgg, "times")["network"]), "the fastest of all is on the front"
    whole = levels.trade_off(rows, study.methods, {"digits": "accuracy"}).whole()
    scale = whole["vconcat"][0]["hconcat"][0]["layer"][1]["encoding"]["color"]["scale"]
    hues = dict(zip(scale["domain"], scale["range"], strict=True))
    assert "channels" in hues and len(set(hues.values())) == len(hues)


def test_causes_compare_it_and_say_what_it_is(thinned) -> None:
    metrics, study = thinned
    effects = contrasts.table(opened(metrics, study), contrasts.controls)["effect"].tolist()
    assert "channels − dense" in effects and "iterative − channels" in effects
    said = [block.caption for block in causes.blocks(opened(metrics, study)) if isinstance(block, Table)]
    without = [block.caption for block in causes.blocks(opened(metrics, replace(study, channels=()))) if isinstance(block, Table)]
    assert any("channels: the base without the filters of the smallest L1 norm" in text for text in said)
    assert not any("channels: the base" in text for text in without)


def test_its_card(thinned, monkeypatch, tmp_path) -> None:
    from prunescope.networks import checkpoint
    from prunescope.networks.architectures import Architecture, build

    metrics, _ = thinned
    monkeypatch.chdir(metrics.parent)
    architecture = Architecture("vgg11", 10, width=0.0625, channels={"features.0": [2, 3], "features.3": [8, 2]})
    path = Path(f"checkpoints/finished/{CELL}/channels.safetensors")
    made = checkpoint.Checkpoint("finetuned", architecture, build(architecture).state_dict(), parents={"base": "ab" * 32})
    checkpoint.write(path, made)
    monkeypatch.setattr(sys, "argv", ["prunescope", "card", str(path)])
    assert module.main() == 0
    _, front, text = Path("MODEL_CARD.md").read_text(encoding="utf-8").split("---\n", 2)
    assert yaml.safe_load(front)["tags"] == ["prunescope", "channels", "vgg11"]
    text = text.replace("\\", "")
    assert (
        "without the filters of the smallest L1 norm: a dense network with as few parameters as one that is 80 % sparse" in text
    )
    assert "| architecture: channels | fewer in 2 layers; the checkpoint's header names them |" in text
    assert "| pretrain/vgg16-digits-0 | 40 |" in text and "| 1 | nan" not in text
