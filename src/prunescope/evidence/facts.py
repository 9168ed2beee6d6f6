"""What the report says beside the arms: data, layer similarity, machine, base checkpoints, equal budgets or not."""

from typing import Any

import pandas as pd

from prunescope.evidence.text import NOT_RUN, NOTHING
from prunescope.results.grid import NARROW, Cell, arms_of, cells_of, dense_cell
from prunescope.results.results import Results

ENVIRONMENT = ("device", "processor", "threads", "precision", "torch", "torchvision", "python", "platform")

DUPLICATES = {
    "duplicates_across_splits": "val, test images as in another split",
    "duplicates_across_classes": "images as in another class",
}


def data_table(results: Results) -> pd.DataFrame:
    """Sizes of each data set's splits; groups (lesions) and the leak of a random split where the file gives them."""
    rows = []
    for dataset in results.grid.datasets:
        known = results.record(f"download/{dataset}")
        row = {"data": dataset}
        if known is None:
            row |= {"train images": NOT_RUN}
        else:
            sizes = {split: known.get(f"{split}_images") for split in ("train", "val", "test")}
            row |= {f"{split} images": _integer(size) for split, size in sizes.items()}
            row["classes"] = _integer(known.get("classes"))
            row["train images per class"] = _per_class(known.get("images_per_class"))
            groups = known.get("groups")
            if isinstance(groups, int) and groups < sum(size or 0 for size in sizes.values()):
                row["groups (lesions)"] = _integer(groups)
            leak = known.get("random_split_leak")
            if isinstance(leak, int | float):
                row["leak of a random split %"] = f"{leak * 100:.1f}"
            converted = known.get("converted_images")
            if isinstance(converted, dict) and converted:
                row["converted to RGB"] = ", ".join(f"{images:,} {kind}" for kind, images in converted.items())
            row |= {name: _integer(known[key]) for key, name in DUPLICATES.items() if known.get(key)}
        rows.append(row)
    return pd.DataFrame(rows).fillna(NOTHING)


def class_table(results: Results) -> pd.DataFrame:
    """Images of each class in each split, or one row where all classes of a data set have as many."""
    rows = []
    for dataset in results.grid.datasets:
        per_split = (results.record(f"download/{dataset}") or {}).get("images_per_class")
        if not isinstance(per_split, dict) or not per_split:
            continue
        names = list(next(iter(per_split.values())))
        sizes = {name: {f"{split} images": _integer(of.get(name)) for split, of in per_split.items()} for name in names}
        if all(size == sizes[names[0]] for size in sizes.values()):
            listed = ", ".join(names[:20]) + (", ..." if len(names) > 20 else "")
            sizes = {f"each of {len(names)}: {listed}": sizes[names[0]]}
        rows += [{"data": dataset, "class": name} | size for name, size in sizes.items()]
    return pd.DataFrame(rows)


def _integer(value: Any) -> str:
    if isinstance(value, list):
        value = len(value)
    return f"{value:,}" if isinstance(value, int) else NOTHING


def _per_class(images: Any) -> str:
    train = images.get("train") if isinstance(images, dict) else None
    counts = [size for size in train.values() if isinstance(size, int)] if isinstance(train, dict) else []
    if not counts:
        return NOTHING
    return f"{min(counts):,}" if min(counts) == max(counts) else f"{min(counts):,} to {max(counts):,}"


def probe_note(results: Results, cell: Cell, seed: int) -> str:
    """What a heat map must say of itself, as far as the cell's file tells: estimator, probe images, split."""
    known = results.similarity(cell, seed) or {}
    parts = [str(known.get("estimator", "CKA"))]
    images = known.get("probe_images")
    if images is not None:
        parts.append(f"n = {images:,} probe images")
    if isinstance(known.get("split"), str):
        parts.append(f"{known['split']} split")
    return " · ".join(parts)


def left_out(results: Results) -> dict[str, list[str]]:
    """Of each model, and of its students, the layers that similarity does not see, where there are some."""
    found: dict[str, list[str]] = {}
    for cell in cells_of(results.grid):
        for seed in results.grid.seeds:
            for name, layers in ((results.similarity(cell, seed) or {}).get("left_out") or {}).items():
                if layers:
                    found.setdefault(cell.model if name == "dense" else f"the students of {cell.model}", layers)
    return found


def environment(results: Results) -> dict[str, str]:
    """Where the arms were trained: each setting once, several values joined."""
    found: dict[str, dict[str, None]] = {key: {} for key in ENVIRONMENT}
    for arm in arms_of(results.grid):
        for stage in arm.training:
            known = results.record(stage) or {}
            for key in ENVIRONMENT:
                if known.get(key) is not None:
                    found[key][str(known[key])] = None
    return {key: "; ".join(values) for key, values in found.items() if values}


def data_files(results: Results) -> dict[str, str]:
    """Of each data set the files that it was prepared from, with their checksums."""
    found = {}
    for dataset in results.grid.datasets:
        files = (results.record(f"download/{dataset}") or {}).get("files")
        for name, file in files.items() if isinstance(files, dict) else ():
            unlike = "" if file["official"] else " (not the official file)"
            found[f"{dataset}: {name}, sha256"] = f"{file['sha256']}{unlike}"
    return found


def base_hashes(results: Results) -> dict[str, set[str]]:
    """The base checkpoints from which the arms of each model, data set and seed started; narrow networks have their own."""
    found: dict[str, set[str]] = {}
    for arm in arms_of(results.grid):
        if arm.kind not in ("student", NARROW):
            for stage in arm.training:
                sha = (results.record(stage) or {}).get("base_sha256")
                if isinstance(sha, str):
                    found.setdefault(dense_cell(arm.model, arm.dataset, arm.seed), set()).add(sha)
    return found


def budgets_differ(results: Results) -> list[str]:
    """The "model on data set" pairs whose dense and pruned arms did not all train for the same number of steps."""
    summary = results.summary
    arms = summary[summary["kind"].isin(("dense", "pruned")) & summary["steps"].notna()]
    counts = arms.groupby(["model", "dataset"], sort=False)["steps"].nunique()
    return [f"{model} on {dataset}" for (model, dataset), different in counts.items() if different > 1]  # type: ignore[misc]
