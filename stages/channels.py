"""Remove whole channels from the base, to as many parameters as the pruned networks have left, and train what is left.

It is a dense network, without masks. It has the whole budget after its removal, as the dense control has.
"""

from prunescope.networks import checkpoint
from prunescope.networks.architectures import build, fill_
from prunescope.pruning.channels import thinned
from prunescope.study.guards import require_layers_chosen
from prunescope.study.params import load
from prunescope.study.stage import arguments, main
from prunescope.training.loop import Log, measure
from prunescope.training.setup import open_training, train, write_record


def recipe() -> None:
    names = ("model", "dataset", "sparsity", "seed", "store", "base", "checkpoint", "metrics", "history")
    args = arguments(__doc__, *names)
    params = load()
    wanted = params.data[args.dataset]
    require_layers_chosen(params)
    setup = open_training(args, wanted.training, stream="budget", run_on=params.runtime)
    base = checkpoint.read(args.base)
    architecture, state = thinned(base.network(), base.architecture, args.sparsity)
    network = build(architecture)
    fill_(network, state)
    network = setup.to_device(network)

    log = Log()
    progress = setup.progress(network, setup.optimizer(network), log, finetune=wanted.finetune, network=architecture.as_dict())
    if not progress.resumed:
        measure(network, setup.validate, log, "start", step=0, per_epoch=setup.batches.steps_per_epoch)
    train(progress, setup, wanted.finetune, first=log.steps, label=f"channels {args.model}")

    if not setup.first:
        return
    about = {"stage": "channels", "seed": args.seed, "method": "channels", "sparsity": args.sparsity}
    parents = {"base": checkpoint.sha256(args.base)}
    state = network.state_dict()
    made = checkpoint.Checkpoint("finetuned", architecture, state, parents=parents, about=about, inputs=setup.inputs)
    checkpoint.write(args.checkpoint, made)
    write_record(
        args.metrics, args.history, setup, log, budget=wanted.finetune, base_sha256=parents["base"],
        target_sparsity=args.sparsity, achieved_sparsity=0.0,
        val_accuracy_after_pruning=log.rows[0]["accuracy"],
    )  # fmt: skip
    progress.resume.finish()


if __name__ == "__main__":
    main(recipe)
