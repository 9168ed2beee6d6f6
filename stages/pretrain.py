"""Train the dense base network that every method of this model, data set and seed starts from.

With a sparsity: a narrow one, with as many parameters as the base has left at that sparsity, from random weights.
"""

from prunescope.networks import checkpoint, start
from prunescope.networks.architectures import build, fitted
from prunescope.networks.narrow import narrowed
from prunescope.runtime import seed_everything
from prunescope.study.guards import require_study_fits
from prunescope.study.params import load
from prunescope.study.stage import arguments, main
from prunescope.training.loop import Log, measure
from prunescope.training.setup import open_training, train, write_record


def recipe() -> None:
    args = arguments(
        __doc__, "model", "dataset", "seed", "store", "checkpoint", "metrics", "history", optional=("sparsity", "start")
    )
    params = load()
    wanted = params.data[args.dataset]
    setup = open_training(args, wanted.training, stream="pretrain", run_on=params.runtime)
    require_study_fits(params, args.dataset, steps=setup.steps)
    architecture = fitted(args.model, wanted.network, len(setup.store.classes))
    if args.sparsity is not None:
        architecture = narrowed(architecture, args.sparsity)
    seed_everything(args.seed)
    network = build(architecture)
    started = start.load_(args.start, network) if args.start else start.Start([], {})
    network = setup.to_device(network)

    log = Log()
    progress = setup.progress(network, setup.optimizer(network), log, network=wanted.network, pretrain=wanted.pretrain)
    if not progress.resumed:
        measure(network, setup.validate, log, "start", step=0, per_epoch=setup.batches.steps_per_epoch)
    train(progress, setup, wanted.pretrain, first=log.steps, label=f"pretrain {args.model}")

    if not setup.first:
        return
    init = wanted.network.init if args.start else "random"
    about = {"stage": "pretrain", "seed": args.seed, "init": init, "untaught": started.untaught}
    made = checkpoint.Checkpoint(
        "dense", architecture, network.state_dict(), parents=started.parents, about=about, inputs=setup.inputs
    )
    digest = checkpoint.write(args.checkpoint, made)
    write_record(args.metrics, args.history, setup, log, budget=wanted.pretrain, base_sha256=digest)
    progress.resume.finish()


if __name__ == "__main__":
    main(recipe)
