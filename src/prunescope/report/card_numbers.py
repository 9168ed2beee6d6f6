"""The sections of a model card that are numbers: training, evaluation, classes, size and latency; and how they are written."""

from collections.abc import Iterator, Mapping
from typing import Any

import pandas as pd

from prunescope.evidence.quality import FEW, NAMED
from prunescope.report.blocks import Block, Table, Text
from prunescope.report.carded import Carded
from prunescope.results.grid import Cell

UNKNOWN = "unknown"
MEASURES = {"accuracy": "accuracy %", "balanced_accuracy": "balanced accuracy %", "macro_f1": "macro F1 %"}
MEASURES |= {"top5_accuracy": "top-5 accuracy %", "auc": "AUC %", "ece": "ECE %", "nll": "NLL", "brier": "Brier score"}
SHARES = tuple(MEASURES)[:-2]  # shown in percent
FORMATS = ("fp32", "bf16", "int8")


def training(of: Carded) -> Iterator[Block]:
    arm, tested = of.arm, of.record(of.arm.evaluate)
    stages = dict.fromkeys((*((f"pretrain/{of.dense}",) if arm.kind in ("dense", "pruned", "channels") else ()), *arm.training))
    rows = []
    for stage in stages:
        known = of.record(stage)
        row = {"stage": stage, "steps": count(known.get("steps")), "epochs": number(known.get("epochs"), ".2f")}
        row |= {"its whole budget, steps": count(known.get("budget_steps")), "seconds": number(known.get("seconds"), ",.0f")}
        rows.append(row | {"validation accuracy after it %": percent(known.get("val_accuracy"))})
    yield Table(pd.DataFrame(rows), "Training, stage by stage. Source: their metrics.", labels=1)
    if arm.kind == "pruned":
        pruned = of.record(arm.training[0])
        yield listed(
            {"target sparsity %": percent(tested.get("target_sparsity"))}
            | {"achieved sparsity %": percent(tested.get("achieved_sparsity")), "rounds": count(pruned.get("rounds"))}
            | {"layers without a weight": count(tested.get("collapsed_layers"))}
            | {"test accuracy right after pruning %": percent(tested.get("accuracy_after_pruning"))},
            f"Pruning. Sources: {arm.training[0]}.json, {arm.evaluate}.json.",
        )
    budget = {"base": "pretrain", "student": "distill"}.get(arm.kind, "finetune")
    tables = [("prune", arm.method)] if arm.kind == "pruned" else [("distill",)] if arm.kind == "student" else []
    tables += [("data", arm.dataset, part) for part in ("network", "training", budget)]
    rows = {f"{'.'.join(keys)}.{key}": value for keys in tables for key, value in (of.setting(*keys) or {}).items()}
    if not rows:
        yield Text("Settings: unknown, for params.yaml has none of this network.")
        return
    yield listed(rows, "Settings. Source: params.yaml, as it is beside these metrics.")


def evaluation(of: Carded) -> Iterator[Block]:
    tested, dense = of.record(of.arm.evaluate), of.record(f"evaluate/{of.dense}/dense")
    rows = []
    for key, title in MEASURES.items():
        form = percent if key in SHARES else number
        row = {"measure": title, "value": form(tested.get(key)), "95 % interval": interval(tested, key, form)}
        rows.append(row | ({"dense control": form(dense.get(key))} if of.arm.method != "dense" else {}))
    images, groups = count(tested.get("test_images")), count(tested.get("test_groups"))
    yield Table(
        pd.DataFrame(rows),
        f"Test split: {images} images in {groups} groups, which no training stage reads. Intervals are over draws of these "
        f"groups: they speak of other test images, not of other seeds. Source: {of.arm.evaluate}.json.",
        labels=1,
    )


def classes(of: Carded) -> Iterator[Block]:
    table = of.results.classes(of.arm)
    if table is None:
        yield Text(f"Unknown: there is no {of.arm.evaluate}-classes.csv.")
        return
    critical = [name for name in of.critical if name in set(table["class"])]
    if not critical:
        yield Text(f"None of this data set's classes is named in evaluate.critical ({', '.join(of.critical) or 'empty'}).")
    shown = [*critical, *(name for name in table["class"] if name not in critical and len(table) <= FEW)]
    rows = []
    for known in (table[table["class"] == name].iloc[0].to_dict() for name in shown):
        name = known["class"]
        row = {"class": f"{name} ({NAMED[name]})" if name in NAMED else name, "critical": "yes" if name in critical else "no"}
        row |= {"test images": count(known["images"]), "groups": count(known.get("groups"))}
        for key, title in (("sensitivity", "sensitivity %"), ("specificity", "specificity %"), ("auc", "AUC %")):
            row[title] = f"{percent(known[key])} {interval(known, key, percent)}"
        rows.append(row)
    if rows:
        caption = "Each class against the rest, at the network's own decisions, with 95 % intervals over groups of test images."
        yield Table(pd.DataFrame(rows), f"{caption} Source: {of.arm.evaluate}-classes.csv.", labels=2)


def costs(of: Carded) -> Iterator[Block]:
    tested, timed = of.record(of.arm.evaluate), of.record(f"{of.arm.evaluate}-latency")
    sizes = {"dense": "size_dense_bytes", "packed, lossless": "size_packed_bytes", "packed, bf16": "size_packed_bf16_bytes"}
    rows = {f"MB, {name}": number(tested.get(key), ".3f", 1e6) for name, key in sizes.items()}
    rows |= {"multiply-accumulates, M": number(tested.get("macs"), ",.1f", 1e6)}
    rows |= {"of them with weights that are not zero, M": number(tested.get("nonzero_macs"), ",.1f", 1e6)}
    for images in (1, 32):
        low, high = (number(timed.get(f"batch_{images}_{end}_ms"), ".2f") for end in ("low", "high"))
        rows[f"ms for {images} image{'s' * (images > 1)}"] = f"{number(timed.get(f'batch_{images}_ms'), '.2f')} [{low}, {high}]"
        rows[f"the same for {images}, over the unpruned network's"] = number(timed.get(f"batch_{images}_to_dense"), ".2f")
    place = ", ".join(f"{key} {timed.get(key, UNKNOWN)}" for key in ("device", "processor", "threads", "precision"))
    yield listed(
        rows,
        f"Packed: what `prunescope pack` writes. Latency: median and quartiles of forward passes ({place}). Zeros save storage, "
        f"not time: dense kernels multiply them too. Sources: {of.arm.evaluate}.json and -latency.json.",
    )


def formats(of: Carded) -> Iterator[Block]:
    """The network in formats of deployment, where the stage deploy measured it."""
    level = of.arm.sparsity or of.setting("sparsity")
    cell = Cell(of.arm.model, of.arm.dataset, level).of(of.arm.seed)
    found = {form: of.record(f"deploy/{form}-{cell}/{of.arm.method}") for form in FORMATS}
    rows = []
    for form, known in ((form, known) for form, known in found.items() if known):
        row = {"format": form, "MB": number(known.get("size_bytes"), ".3f", 1e6)}
        row |= {"MB, zstd": number(known.get("size_zstd_bytes"), ".3f", 1e6)}
        for key in ("accuracy", "balanced_accuracy"):
            row[MEASURES[key]] = f"{percent(known.get(key))} (change {percent(known.get(f'change_{key}'))} "
            row[MEASURES[key]] += f"{interval(known, f'change_{key}', percent)})"
        row |= {f"recall of {name} %": percent(known[f"recall_{name}"]) for name in of.critical if f"recall_{name}" in known}
        rows.append(
            row
            | {"1 image, ms": number(known.get("batch_1_ms"), ".2f"), "32 images, ms": number(known.get("batch_32_ms"), ".1f")}
        )
    if rows:
        places = {f"{known['runtime']}, {known['processor']}, {known['threads']} thread(s)" for known in found.values() if known}
        caption = "As ONNX on the same test split; changes against the network in torch, with 95 % intervals"
        yield Table(pd.DataFrame(rows), f"{caption}. {' and '.join(sorted(places))}. Source: metrics/deploy.", labels=1)


def listed(rows: Mapping[str, Any], caption: str) -> Table:
    frame = pd.DataFrame({"what": list(rows), "value": [str(value) for value in rows.values()]})
    return Table(frame, caption, labels=2)


def number(value: Any, form: str = ".3f", unit: float = 1) -> str:
    return UNKNOWN if value is None or pd.isna(value) else f"{value / unit:{form}}"


def percent(value: Any) -> str:
    return number(None if value is None else value * 100, ".1f")


def count(value: Any) -> str:
    return number(value, ",.0f")


def interval(record: Mapping[str, Any], key: str, form: Any) -> str:
    low, high = (form(record.get(f"{key}_{end}")) for end in ("low", "high"))
    return UNKNOWN if UNKNOWN in (low, high) else f"[{low}, {high}]"


def three(values: Any) -> str:
    return ", ".join(f"{value:.4f}" for value in values) if values else UNKNOWN
