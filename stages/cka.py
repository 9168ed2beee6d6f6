"""Layer similarity of a cell: inside each network, between dense and methods, student against teacher."""

from itertools import combinations

import numpy as np

from prunescope import checkpoint, runtime
from prunescope.cka import cka_maps, diagonal, off_diagonal_mean
from prunescope.data import store as stores
from prunescope.data.batches import balanced, in_order
from prunescope.files import replacing, write_csv, write_json
from prunescope.params import load
from prunescope.stage import arguments, main


def recipe() -> None:
    args = arguments(__doc__, "model", "store", "dense", "finished", "metrics", "maps")
    params = load()
    device = runtime.device(params.runtime.device)
    runtime.prepare(params.runtime.threads, device)
    store = stores.read(args.store)
    methods = params.study.methods
    students = {m: f"student-{m}" for m in methods} if args.model in params.distill.teachers else {}
    paths = {"dense": args.dense} | {n: args.finished / f"{n}.safetensors" for n in (*methods, *students.values())}
    networks = {name: checkpoint.read(path).network().to(device) for name, path in paths.items()}
    pairs = [(n, n) for n in networks] + list(combinations(("dense", *methods), 2)) + [(s, m) for m, s in students.items()]

    probe = balanced(store, "test", params.cka.probe_images)
    count = max(len(probe) // params.cka.batch_size, 1)
    parts = [probe[number::count] for number in range(count)]  # of all classes each, as a store may lie in class order
    batches = (images for part in parts for images, _ in in_order(store, part, batch_size=len(part), device=device))
    found = cka_maps(networks, batches, pairs=pairs)

    args.maps.mkdir(parents=True, exist_ok=True)
    for (first, second), values in found.maps.items():
        rows = ((layer, *_cells(row)) for layer, row in zip(found.layers[first], values, strict=True))
        write_csv(args.maps / f"{first}--{second}.csv", ("", *found.layers[second]), rows)
    arrays = {f"{first}--{second}": values for (first, second), values in found.maps.items()}
    layers = {f"layers:{name}": np.array(names) for name, names in found.layers.items()}
    with replacing(args.maps / "maps.npz") as temporary, temporary.open("wb") as file:
        np.savez_compressed(file, **arrays, **layers)  # pyright: ignore[reportArgumentType]
    write_csv(args.maps / "probe.csv", ("name", "class"), ((store.names[i], store.classes[store.labels[i]]) for i in probe))

    inside = {name: _number(off_diagonal_mean(found.maps[name, name])) for name in networks}
    between = {f"{a}--{b}": _number(_mean(diagonal(found.maps[a, b]))) for a, b in combinations(("dense", *methods), 2)}
    record = {"probe_images": found.samples, "estimator": "debiased linear CKA", "split": "test"}
    write_json(args.metrics, record | {"off_diagonal": inside, "diagonal": between})


def _cells(row: np.ndarray) -> list[float | None]:
    """A row of a map for a CSV: a dead layer's NaN becomes an empty cell."""
    return [_number(round(float(value), 6)) for value in row]


def _number(value: float) -> float | None:
    return None if np.isnan(value) else float(value)


def _mean(values: np.ndarray) -> float:
    """The mean of the layers that are alive, NaN where none is."""
    alive = values[~np.isnan(values)]
    return float(alive.mean()) if len(alive) else float("nan")


if __name__ == "__main__":
    main(recipe)
