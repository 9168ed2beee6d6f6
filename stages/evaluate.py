"""Test metrics, costs and predictions of a cell's finished networks. The test split is read here, nowhere before."""

from pathlib import Path

import torch

from prunescope import runtime
from prunescope.data import store as stores
from prunescope.evaluation.costs import LAYER_COLUMNS, costs, layer_rows
from prunescope.evaluation.latency import latency
from prunescope.evaluation.metrics import CLASS_COLUMNS, Predictions, class_rows, decide, metrics, require_finite
from prunescope.evaluation.packing import pack
from prunescope.evaluation.predicted import predictions_table
from prunescope.evaluation.roc import MOST, ROC_COLUMNS, roc_rows
from prunescope.evaluation.scores import score_columns
from prunescope.files import write_csv, write_json
from prunescope.networks import checkpoint
from prunescope.networks.architectures import build
from prunescope.networks.masks import achieved_sparsity, collapsed
from prunescope.networks.predict import predict
from prunescope.study.params import load
from prunescope.study.stage import arguments, main


def recipe() -> None:
    args = arguments(__doc__, "model", "store", "finished", "metrics", optional=("before", "sparsity", "base"))
    params = load()
    device = runtime.device(params.runtime.device)
    runtime.prepare(params.runtime.threads, device)
    store = stores.read(args.store)
    of_level = args.sparsity is not None
    arms = params.study.methods if of_level else ("dense", *(("dense-taught",) if args.model in params.study.taught else ()))
    unpruned = build(checkpoint.read(args.finished / f"{arms[0]}.safetensors").architecture).to(device)  # for its speed alone

    def evaluate(arm: str, before: Path | None = None, path: Path | None = None) -> None:
        """Write the files of one arm; `before` is its network right after its last pruning."""
        file = path or args.finished / f"{arm}.safetensors"
        finished = checkpoint.read(file)
        network = finished.network().to(device)
        logits, labels = predict(network, store, "test", device=device)
        require_finite(logits, file)
        weights = {name: weight for name, weight in network.named_parameters() if name in finished.masks}
        found, draws = Predictions(logits, labels, store.groups[store.indices("test")]), params.evaluate.bootstrap_draws
        record = metrics(found, ece_bins=params.evaluate.ece_bins, draws=draws) | {
            **dict.fromkeys(("accuracy_after_pruning", "accuracy_after_reestimation")),
            "target_sparsity": finished.about["sparsity"] if finished.masks else 0.0,
            "achieved_sparsity": achieved_sparsity(weights) if weights else 0.0,
            "collapsed_layers": len(collapsed(finished.masks)),
        }
        if before is not None:
            pruned = checkpoint.read(before)
            for event, reestimated in (("pruning", False), ("reestimation", True)):  # alike without batch norm
                right_after, _ = predict(pruned.network(reestimated=reestimated).to(device), store, "test", device=device)
                record[f"accuracy_after_{event}"] = float((decide(right_after) == labels).double().mean())
        sizes = {"size_packed_bytes": len(pack(finished)), "size_packed_bf16_bytes": len(pack(finished, "bf16"))}
        write_json(args.metrics / f"{arm}.json", record | costs(network, finished.masks, store.image_size) | sizes)
        write_csv(args.metrics / f"{arm}-classes.csv", CLASS_COLUMNS, class_rows(found, store.classes, draws=draws))
        write_csv(args.metrics / f"{arm}-layers.csv", LAYER_COLUMNS, layer_rows(network, store.image_size))
        if found.classes <= MOST:
            write_csv(args.metrics / f"{arm}-roc.csv", ROC_COLUMNS, roc_rows(found, store.classes))
        scores = score_columns(found, store.classes, params.evaluate.critical)
        write_csv(args.metrics / f"{arm}-predictions.csv", *predictions_table(store, decide(logits).tolist(), scores))
        timed = latency(network, unpruned, store.image_size, device=device, seconds=params.evaluate.latency_seconds)
        write_json(args.metrics / f"{arm}-latency.json", timed | runtime.environment(device, torch.float32))
        print(f"{arm}: accuracy {record['accuracy']:.1%}, balanced {record['balanced_accuracy']:.1%}", flush=True)

    for arm in arms:
        evaluate(arm, args.before / f"{arm}.safetensors" if of_level else None)
    if not of_level:
        evaluate("base", path=args.base)
    for control, models in (("narrow", params.study.narrow), ("channels", params.study.channels)) if of_level else ():
        if args.model in models:
            evaluate(control)
    if args.model in params.distill.teachers:
        for teacher in params.study.methods if of_level else ("alone", "dense"):
            evaluate(f"student-{teacher}")


if __name__ == "__main__":
    main(recipe)
