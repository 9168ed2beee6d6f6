"""A plausible metrics tree, as the stages write it, made of numbers that a test can compute again."""

import csv
import json
import math
from collections.abc import Callable
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from prunescope.results.grid import Cell, Grid
from prunescope.results.results import Results, read

CELL = Cell("vgg16", "digits", 0.8)
LAYERS = {"vgg16": 6, "densenet169": 5}
LOSS = {"base": 0.01, "dense": 0.0, "oneshot": 0.012, "layerwise": 0.034, "iterative": 0.006}
STEPS = 40  # of the whole budget


def row(table: pd.DataFrame, **where: str) -> pd.Series:
    found = table
    for column, value in where.items():
        found = found[found[column.replace("_", " ")] == value]
    assert len(found) == 1, where
    return found.iloc[0]


def make_study(**changes: Any) -> Grid:
    """A study of two models on the digits that differs in those attributes."""
    study: dict[str, Any] = {
        "name": "toy",
        "models": ("vgg16", "densenet169"),
        "datasets": ("digits",),
        "methods": ("oneshot", "layerwise", "iterative"),
        "seeds": (0,),
        "sparsities": (0.8,),
        "teachers": ("vgg16",),
        "critical": ("mel",),
    }
    return Grid(**(study | changes))


def opened(metrics: Path, study: Grid) -> Results:
    """What stands in the files now."""
    return read(metrics, study)


def again(results: Results) -> Results:
    """The files read anew, with the summary as the test has changed it."""
    return Results(results.grid, results.files, results.summary)


def accuracy_of(model: str, method: str, seed: int, sparsity: float = 0.8) -> float:
    """The test accuracy that the tree gives to an arm (students: 0.02 below)."""
    base = {"vgg16": 0.975, "densenet169": 0.985}[model] - 0.004 * seed
    if method.startswith("student-"):
        return round(base - 0.02 - LOSS.get(method.removeprefix("student-"), 0.01), 6)
    return round(base - LOSS.get(method, 0.02) * (1.0 if sparsity > 0.7 else 0.4), 6)


def write_evaluate(path: Path, accuracy: float, sparsity: float, *, student: bool = False) -> None:
    kept = 1 - sparsity * 0.99
    packed = round(4_000_000 * kept) + 125_000
    write_json(
        path,
        {"accuracy": accuracy, "balanced_accuracy": accuracy - 0.005, "macro_f1": accuracy - 0.006}
        | {"top5_accuracy": 0.999, "auc": None, "nll": 0.1, "brier": 0.04, "ece": 0.02}
        | {"accuracy_after_pruning": None if student else accuracy * 0.4}
        | {"target_sparsity": sparsity, "achieved_sparsity": sparsity, "parameters": 1_000_000}
        | {"nonzero_parameters": round(1_000_000 * kept), "compression_ratio": 1 / kept, "macs": 20_000_000}
        | {"macs_without_weights": 0, "nonzero_macs": round(20_000_000 * kept), "size_dense_bytes": 4_000_000}
        | {"size_packed_bytes": packed, "size_packed_bf16_bytes": packed // 2}
        | {"test_images": 360, "collapsed_layers": 0},
    )
    times = {f"batch_{n}_{end}": n * value for n in (1, 32) for end, value in (("ms", 2.0), ("low_ms", 1.9), ("high_ms", 2.1))}
    times |= {"batch_1_to_dense": 0.99, "batch_32_to_dense": 1.01}
    latency = path.with_name(f"{path.stem}-latency.json")
    write_json(latency, times | {"device": "cpu", "processor": "a processor", "threads": 2})


def plant_predictions(metrics: Path, study: Grid, classes: str = "abc") -> None:
    """Predictions and class files of every arm that was evaluated: 40 images a class, two to a group, right at random."""
    for place, path in enumerate(sorted((metrics / "evaluate").glob("*/*-latency.json"))):
        name = path.stem.removesuffix("-latency")
        random = np.random.default_rng(place)
        actual = classes * 40
        predicted = [one if random.random() < 0.8 else random.choice(list(classes)) for one in actual]
        rows = "".join(f"{i},{i // 2 // len(classes)},{a},{p}\n" for i, (a, p) in enumerate(zip(actual, predicted, strict=True)))
        path.with_name(f"{name}-predictions.csv").write_text(f"name,group,actual,predicted\n{rows}")
        lines = "".join(f"{one},40,0.8,0.9,0.95\n" for one in classes)
        path.with_name(f"{name}-classes.csv").write_text(f"class,images,sensitivity,specificity,auc\n{lines}")


def write_training(path: Path, steps: int, *, speed: float = 2000.0) -> None:
    write_json(
        path,
        {"steps": steps, "epochs": steps / 10, "seconds": steps * 0.25, "images_per_second": speed if steps else 0.0}
        | {"val_accuracy": 0.97, "val_loss": 0.1, "budget_steps": STEPS, "base_sha256": "ab" * 32}
        | {"device": "cpu", "precision": "bf16", "threads": "2", "processor": "Example CPU", "torch": "2.11.0"}
        | {"torchvision": "0.26.0", "python": "3.11.7", "platform": "Linux"},
    )


def write_history(path: Path, rows: list[tuple[int, str, float, float, int]]) -> None:
    """Rows of (step, event, validation accuracy, sparsity, layers pruned), a training row after each trained one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        columns = "step,epoch,round,event,split,loss,accuracy,learning_rate,sparsity,layers_pruned"
        writer.writerow(columns.split(","))
        for number, (step, event, accuracy, sparsity, layers) in enumerate(rows):
            writer.writerow([step, step / 10, number, event, "val", 1 - accuracy, accuracy, 0.01, sparsity, layers])
            if event == "trained":
                writer.writerow([step, step / 10, number, event, "train", 0.01, accuracy - 0.02, 0.01, sparsity, layers])


def write_json(path: Path, content: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))


def write_matrix(
    folder: Path, a: str, b: str, rows: list[str], columns: list[str], *, dead: int | None = None, less: float = 0.05
) -> None:
    """Similarity falls with distance in depth and is `less` between networks; layer `dead` of `a` is undefined (empty cells)."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / f"{a}--{b}.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["", *columns])
        for i, name in enumerate(rows):
            far = [abs(i / len(rows) - j / len(columns)) for j in range(len(columns))]
            cells = ["" if i == dead else math.exp(-3 * gap) - (0.0 if a == b else less) for gap in far]
            writer.writerow([name, *cells])


def layer_names(model: str, count: int) -> list[str]:
    if model.startswith("densenet"):
        return [f"features.denseblock{i // 60 + 1}.denselayer{i % 60 // 2 + 1}.conv{i % 2 + 1}" for i in range(count)]
    return [*(f"features.{3 * i}" for i in range(count - 1)), "classifier.6"]


def plant(metrics: Path, study: Grid, layers: dict[str, int] | None = None, *, cka: bool = True) -> None:
    """Write the metrics of every arm of the study, with layer similarity or without."""
    layers = layers or LAYERS
    for dataset in study.datasets:
        images = {"train_images": 1077, "val_images": 360, "test_images": 360, "classes": 10, "groups": 1797}
        per_class = {"train": {"0": 101, "1": 110}, "val": {"0": 34, "1": 36}, "test": {"0": 36, "1": 36}}
        write_json(metrics / "download" / f"{dataset}.json", images | {"images_per_class": per_class})
        for model in study.models:
            for seed in study.seeds:
                plant_dense(metrics, study, model, dataset, seed)
                for sparsity in study.sparsities:
                    plant_pruned(metrics, study, model, dataset, sparsity, seed, layers[model])
                    if cka:
                        plant_cka(metrics, study, model, f"{model}-{dataset}-{sparsity}-{seed}", layers)


def plant_dense(metrics: Path, study: Grid, model: str, dataset: str, seed: int) -> None:
    cell = f"{model}-{dataset}-{seed}"
    end = accuracy_of(model, "dense", seed)
    for name, stage, accuracy in (("base", f"pretrain/{cell}", end - 0.01), ("dense", f"finetune/{cell}/dense", end)):
        write_evaluate(metrics / "evaluate" / cell / f"{name}.json", accuracy, 0.0)
        write_training(metrics / f"{stage}.json", STEPS)
    rows = [
        (0, "start", end - 0.01, 0.0, 0),
        *((10 * i, "trained", end - 0.002 * (4 - i), 0.0, 0) for i in range(1, 5)),
    ]
    write_history(metrics / "finetune" / cell / "dense.csv", rows)
    if model in study.teachers:
        for name in ("alone", "dense"):
            accuracy = accuracy_of(model, f"student-{name}", seed)
            write_evaluate(metrics / "evaluate" / cell / f"student-{name}.json", accuracy, 0.0, student=True)
            write_training(metrics / "distill" / cell / f"{name}.json", 30)


def plant_pruned(metrics: Path, study: Grid, model: str, dataset: str, sparsity: float, seed: int, layers: int) -> None:
    cell = f"{model}-{dataset}-{sparsity}-{seed}"
    for method in study.methods:
        end = accuracy_of(model, method, seed, sparsity)
        write_evaluate(metrics / "evaluate" / cell / f"{method}.json", end, sparsity)
        rounds = {"oneshot": 1, "layerwise": layers, "iterative": 8}.get(method, 2)
        spent = 0 if method == "oneshot" else 24
        rows: list[tuple[int, str, float, float, int]] = [(0, "start", end - 0.01, 0.0, 0)]
        for turn in range(1, rounds + 1):
            done = turn if method == "layerwise" else layers
            part = sparsity * turn / rounds
            rows.append((spent * (turn - 1) // rounds, "pruned", end * (1 - 0.6 * part / rounds**0.5), part, done))
            if spent:
                rows.append((spent * turn // rounds, "trained", end - 0.02 * turn / rounds, part, done))
        write_history(metrics / "prune" / cell / f"{method}.csv", rows)
        write_training(metrics / "prune" / cell / f"{method}.json", spent, speed=1000.0)
        tail = [(step, "trained", end - 0.0005 * (STEPS - step), sparsity, layers) for step in range(spent, STEPS + 1, 4)]
        write_history(metrics / "finetune" / cell / f"{method}.csv", tail[1:])
        write_training(metrics / "finetune" / cell / f"{method}.json", STEPS - spent)
        if model in study.teachers:
            accuracy = accuracy_of(model, f"student-{method}", seed, sparsity)
            write_evaluate(metrics / "evaluate" / cell / f"student-{method}.json", accuracy, 0.0, student=True)
            write_training(metrics / "distill" / cell / f"{method}.json", 30)


def plant_cka(metrics: Path, study: Grid, model: str, cell: str, layers: dict[str, int]) -> None:
    folder = metrics / "cka" / cell
    names = layer_names(model, layers[model])
    networks = ["dense", *study.methods]
    for place, a in enumerate(networks):
        for b in networks[place:]:
            write_matrix(folder, a, b, names, names, dead=2 if a == "layerwise" else None)
    if model in study.teachers:
        for method in study.methods:
            for student, less in ((f"student-{method}", 0.05), ("student-alone", 0.15)):
                write_matrix(folder, student, method, layer_names("vgg11", layers.get("vgg11", 4)), names, less=less)
    inside = {network: interval(0.5 + 0.01 * place) for place, network in enumerate(networks)}
    pairs = [*combinations(networks, 2), ("dense", "untrained")]
    diagonal = {f"{a}--{b}": interval(0.9 - 0.1 * place) for place, (a, b) in enumerate(pairs)}
    overlap = {f"{a}--{b}": {"jaccard": 0.6, "chance": 0.111} for a, b in combinations(study.methods, 2)}
    content: dict[str, Any] = {"probe_images": 256, "batches": 4, "split": "test", "estimator": "debiased minibatch linear CKA"}
    content |= {"left_out": {"dense": []}}
    content |= {"off_diagonal": inside, "diagonal": diagonal, "mask_overlap": overlap}
    write_json(metrics / "cka" / f"{cell}.json", content)
    with (folder / "depth.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["pair", "position", "layer", "cka", "low", "high", "standard_error"])
        for pair, of in diagonal.items():
            for position, layer in enumerate(names):
                writer.writerow([pair, position, layer, *interval(of["value"] - 0.01 * position).values(), 0.01])
    random = np.random.default_rng(int(cell.rsplit("-", 1)[1]))
    kept = {"batch0": random.normal(size=(len(names), 28)), "batch1": random.normal(size=(len(names), 21))}
    np.savez(folder / "dense.npz", batch0=kept["batch0"].astype(np.float32), batch1=kept["batch1"].astype(np.float32))


def interval(value: float) -> dict[str, float]:
    return {"value": value, "low": value - 0.02, "high": value + 0.02}


@pytest.fixture
def tree(tmp_path: Path) -> Callable[..., tuple[Path, Grid]]:
    """`metrics, study = tree(seeds=(0, 1))` writes the tree of a study that differs in those attributes."""

    def build(**changes: Any) -> tuple[Path, Grid]:
        study = make_study(**changes)
        plant(tmp_path / "metrics", study)
        return tmp_path / "metrics", study

    return build
