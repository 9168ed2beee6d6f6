"""Layer similarity of a cell: inside each network, between dense and methods, student against teacher; yardsticks beside it."""

from itertools import combinations

import numpy as np
import torch

from prunescope import runtime
from prunescope.data import store as stores
from prunescope.data.batches import balanced, in_order
from prunescope.files import replacing, write_csv, write_json
from prunescope.networks import checkpoint
from prunescope.networks.architectures import build
from prunescope.similarity import rows
from prunescope.similarity.cka import cka_maps
from prunescope.similarity.features import unseen
from prunescope.similarity.hsic import LEAST
from prunescope.similarity.intervals import diagonal, diversity, mask_overlap
from prunescope.study.params import load
from prunescope.study.stage import arguments, main

ALONE = "student-alone"
SPLIT = "test"  # whose images all networks see


def recipe() -> None:
    args = arguments(__doc__, "model", "store", "dense", "finished", "metrics", "maps")
    params = load()
    device = runtime.device(params.runtime.device)
    runtime.prepare(params.runtime.threads, device)
    store = stores.read(args.store)
    methods = params.study.methods
    students = {f"student-{m}": m for m in methods} if args.model in params.distill.teachers else {}
    paths = {"dense": args.dense / "dense.safetensors"} | {n: args.finished / f"{n}.safetensors" for n in (*methods, *students)}
    if students:  # the control of every taught one
        paths[ALONE] = args.dense / f"{ALONE}.safetensors"
    found = {name: checkpoint.read(path) for name, path in paths.items()}
    networks = {name: of.network().to(device) for name, of in found.items()}
    torch.manual_seed(0)
    networks["untrained"] = build(found["dense"].architecture).to(device)

    probe = balanced(store, SPLIT, params.cka.probe_images, least=LEAST["debiased"])
    count = max(len(probe) // params.cka.batch_size, 1)
    parts = [probe[number::count] for number in range(count)]  # of all classes each, as a store may lie in class order
    batches = (images for part in parts for images, _ in in_order(store, part, batch_size=len(part), device=device))
    maps = cka_maps(networks, batches, layers=params.cka.layers, pool=params.cka.pool, bandwidth=params.cka.bandwidth, keep=True)

    between = list(combinations(("dense", *methods), 2))
    alike = [*between, ("dense", "untrained")]
    taught = [*students.items(), *((ALONE, method) for method in (methods if students else ()))]
    pairs = [(name, name) for name in networks] + alike + taught
    args.maps.mkdir(parents=True, exist_ok=True)
    for first, second in pairs:
        write_csv(args.maps / f"{first}--{second}.csv", ("", *maps.layers[second]), rows.matrix(maps, first, second))
    write_csv(args.maps / "probe.csv", ("name", "class"), ((store.names[i], store.classes[store.labels[i]]) for i in probe))
    # From these the networks of other seeds are compared, which never are in memory together.
    dense = {f"batch{number}": vectors[maps.place("dense")] for number, vectors in enumerate(maps.vectors)}
    with replacing(args.maps / "dense.npz") as temporary, temporary.open("wb") as file:
        np.savez(file, **dense)  # pyright: ignore[reportArgumentType]

    depths = {pair: diagonal(maps, *pair) for pair in alike}
    by_depth = rows.by_depth(maps, {pair: layers for pair, (layers, _) in depths.items()})
    write_csv(args.maps / "depth.csv", rows.DEPTH, by_depth)
    overlaps = {pair: mask_overlap(found[pair[0]].masks, found[pair[1]].masks) for pair in combinations(methods, 2)}
    by_layer = rows.overlaps({pair: layers for pair, (layers, _) in overlaps.items()})
    write_csv(args.maps / "overlap.csv", rows.OVERLAP, by_layer)
    record = {"probe_images": maps.samples, "batches": maps.batches, "estimator": maps.estimator, "split": SPLIT}
    record["left_out"] = {name: unseen(networks[name], maps.layers[name], params.cka.layers) for name in ("dense", *students)}
    write_json(
        args.metrics,
        record
        | {"off_diagonal": {name: rows.record(diversity(maps, name)) for name in networks}}
        | {"diagonal": {f"{a}--{b}": rows.record(mean) for (a, b), (_, mean) in depths.items()}}
        | {"mask_overlap": {f"{a}--{b}": rows.record(total) for (a, b), (_, total) in overlaps.items()}},
    )


if __name__ == "__main__":
    main(recipe)
