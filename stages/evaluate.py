"""Test metrics, costs and predictions of a cell's finished networks. The test split is read here, nowhere before."""

from pathlib import Path

from prunescope import checkpoint, runtime
from prunescope.costs import costs
from prunescope.data import store as stores
from prunescope.evaluate import decide, metrics, recall_rows
from prunescope.files import write_csv, write_json
from prunescope.params import load
from prunescope.predict import predict
from prunescope.pruning.masks import achieved_sparsity, collapsed
from prunescope.stage import arguments, main


def recipe() -> None:
    args = arguments(__doc__, "model", "store", "finished", "metrics", optional=("before", "sparsity"))
    params = load()
    device = runtime.device(params.runtime.device)
    runtime.prepare(params.runtime.threads, device)
    store = stores.read(args.store)

    def evaluate(arm: str, before: Path | None = None) -> None:
        """Write the files of one arm; `before` is its network right after its last pruning."""
        finished = checkpoint.read(args.finished / f"{arm}.safetensors")
        network = finished.network().to(device)
        logits, labels = predict(network, store, "test", device=device)
        weights = {name: weight for name, weight in network.named_parameters() if name in finished.masks}
        record = metrics(logits, labels, ece_bins=params.evaluate.ece_bins) | {
            "accuracy_after_pruning": None,
            "accuracy_after_reestimation": None,
            "target_sparsity": finished.about["sparsity"] if finished.masks else 0.0,
            "achieved_sparsity": achieved_sparsity(weights) if weights else 0.0,
            "collapsed_layers": len(collapsed(finished.masks)),
        }
        if before is not None:
            pruned = checkpoint.read(before)
            looks = {"pruning": False} | ({"reestimation": True} if pruned.reestimated else {})
            for event, reestimated in looks.items():
                right_after, _ = predict(pruned.network(reestimated=reestimated).to(device), store, "test", device=device)
                record[f"accuracy_after_{event}"] = float((decide(right_after) == labels).double().mean())
        write_json(args.metrics / f"{arm}.json", record | costs(network, finished.masks, store.image_size))
        write_csv(
            args.metrics / f"{arm}-recall.csv",
            ("class", "images", "recall"),
            recall_rows(logits, labels, store.classes),
        )
        rows = zip(store.names[store.indices("test")], labels.tolist(), decide(logits).tolist(), strict=True)
        classes = (*store.classes, "undecided")  # decide gives -1 for a tie
        named = ((name, classes[actual], classes[predicted]) for name, actual, predicted in rows)
        write_csv(args.metrics / f"{arm}-predictions.csv", ("name", "actual", "predicted"), named)
        print(f"{arm}: accuracy {record['accuracy']:.4f}, balanced {record['balanced_accuracy']:.4f}", flush=True)

    teaches = args.model in params.distill.teachers
    if args.sparsity is None:
        evaluate("dense")
    else:
        for method in params.study.methods:
            evaluate(method, args.before / f"{method}.safetensors")
    teachers = ("alone", "dense") if args.sparsity is None else params.study.methods
    for teacher in teachers if teaches else ():
        evaluate(f"student-{teacher}")


if __name__ == "__main__":
    main(recipe)
