"""Train the dense base network that every method of this model, data set and seed starts from."""

from pathlib import Path

from prunescope.networks import checkpoint
from prunescope.networks.architectures import build, fitted
from prunescope.networks.pretrained import initialise
from prunescope.runtime import seed_everything
from prunescope.study.guards import require_images_fit, require_plans_fit
from prunescope.study.params import load
from prunescope.study.stage import arguments, main, mirror
from prunescope.training.loop import Log, measure
from prunescope.training.setup import open_training, train, write_record


def recipe() -> None:
    args = arguments(__doc__, "model", "dataset", "seed", "store", "checkpoint", "metrics", "history")
    params = load()
    wanted = params.data[args.dataset]
    setup = open_training(args, wanted.training, stream="pretrain", run_on=params.runtime)
    architecture = fitted(args.model, wanted.network, len(setup.store.classes))
    seed_everything(args.seed)
    network = build(architecture)
    untaught = initialise(network, architecture, wanted.network.init, mirror())
    if untaught:
        print(f"init {wanted.network.init}: {len(untaught)} tensors start at random: {', '.join(untaught[:8])}")
    require_images_fit(network, args.model, setup.store.image_size)
    network = setup.to_device(network)
    require_plans_fit(network, params, args.dataset, steps=setup.steps)

    log = Log()
    start = checkpoint.sha256(Path(wanted.network.init)) if Path(wanted.network.init).is_file() else wanted.network.init
    progress = setup.progress(network, setup.optimizer(network), log, wanted.network, start, wanted.pretrain)
    if not progress.resumed:
        measure(network, setup.validate, log, "start", step=0, per_epoch=setup.batches.steps_per_epoch)
    train(progress, setup, wanted.pretrain, first=log.steps, label=f"pretrain {args.model}")

    if not setup.first:
        return
    about = {"stage": "pretrain", "seed": args.seed, "init": wanted.network.init, "untaught": untaught}
    digest = checkpoint.write(args.checkpoint, checkpoint.Checkpoint("dense", architecture, network.state_dict(), about=about))
    write_record(args.metrics, args.history, setup, log, budget=wanted.pretrain, base_sha256=digest)
    progress.resume.finish()


if __name__ == "__main__":
    main(recipe)
