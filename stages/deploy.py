"""A cell's finished networks in one format of deployment: test metrics, bytes, and latency in turn with the dense float one."""

from prunescope import runtime
from prunescope.data import store as stores
from prunescope.deploy.exporting import evenly
from prunescope.deploy.formats import Beside, measured
from prunescope.deploy.graph import float_graph
from prunescope.deploy.loading import load as load_network
from prunescope.files import write_json
from prunescope.study.params import load
from prunescope.study.stage import arguments, main


def recipe() -> None:
    args = arguments(__doc__, "format", "model", "sparsity", "store", "dense", "finished", "metrics")
    params = load()
    device = runtime.device("cpu")
    runtime.prepare(params.runtime.threads, device)
    store, wanted = stores.read(args.store), params.evaluate
    train = store.indices("train")
    chosen = train[evenly(len(train), params.deploy.calibration_images)]

    dense = args.dense / "dense.safetensors"
    beside = Beside(
        store, float_graph(load_network(dense, store=args.store)).SerializeToString(), store.images[chosen],
        wanted.bootstrap_draws, wanted.latency_seconds, wanted.ece_bins, wanted.critical, params.runtime.threads,
    )  # fmt: skip
    files = {"dense": dense} | {arm: args.finished / f"{arm}.safetensors" for arm in params.study.methods}
    for control, models in (("narrow", params.study.narrow), ("channels", params.study.channels)):
        if args.model in models:
            files[control] = args.finished / f"{control}.safetensors"
    for arm, file in files.items():
        found = measured(load_network(file, store=args.store), args.format, beside)
        write_json(args.metrics / f"{arm}.json", found | runtime.environment(device, runtime.precision("fp32", device)))
        print(f"{arm} as {args.format}: accuracy {found['accuracy']:.1%}, agreement {found['agreement']:.1%}", flush=True)


if __name__ == "__main__":
    main(recipe)
