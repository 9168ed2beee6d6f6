"""Spend the rest of the training budget on a pruned network with its masks held, or all of it on the dense control."""

from prunescope.networks import checkpoint
from prunescope.networks.masks import achieved_sparsity, apply_, prunable
from prunescope.study.guards import require_layers_chosen
from prunescope.study.params import load
from prunescope.study.stage import arguments, main
from prunescope.training import losses
from prunescope.training.loop import Log, measure
from prunescope.training.optimizers import restore_
from prunescope.training.setup import open_training, train, write_record

TAUGHT = "dense-taught"  # the control of teacher recovery; what a pruned network is taught by stands in its checkpoint


def recipe() -> None:
    names = ("method", "model", "dataset", "seed", "store", "start", "checkpoint", "metrics", "history")
    args = arguments(__doc__, *names, optional=("sparsity", "teacher"))
    params = load()
    wanted = params.data[args.dataset]
    require_layers_chosen(params)
    setup = open_training(args, wanted.training, stream="budget", run_on=params.runtime)
    start = checkpoint.read(args.start)
    network = setup.to_device(start.network(reestimated=start.about.get("reestimated", False)))
    masks = start.masks.to(setup.device)
    weights = {name: weight for name, weight in prunable(network).items() if name in masks}

    update = setup.optimizer(network)
    restore_(update, start.optimizer)  # goes on where the prune stage stopped
    spent = start.about.get("steps", 0)  # by recovery inside the prune stage
    segment = (spent, setup.steps(wanted.finetune.epochs)) if start.about.get("restarted") else None
    log = Log(sparsity=achieved_sparsity(weights) if weights else 0.0, layers_pruned=len(masks))
    teaching = params.distill.teaching if args.method == TAUGHT else start.about.get("teaching", {})
    teacher = setup.to_device(checkpoint.read(args.teacher).network()) if teaching else None  # the dense base
    loss = losses.distillation(teacher, setup.task, **teaching) if teacher else None
    progress = setup.progress(network, update, log, finetune=wanted.finetune, teaching=teaching)
    if not progress.resumed:
        measure(network, setup.validate, log, "start", step=spent, per_epoch=setup.batches.steps_per_epoch)
    train(
        progress, setup, wanted.finetune, first=spent + log.steps, segment=segment, loss=loss, weights=weights, masks=masks,
        label=f"finetune {args.method} {args.model}",
    )  # fmt: skip
    if not setup.first:
        return
    apply_(weights, masks)

    start_digest = checkpoint.sha256(args.start)
    base_digest = start.parents.get("base", start_digest)
    about = {"stage": "finetune", "seed": args.seed, "method": args.method, "sparsity": args.sparsity or 0.0}
    parents = {"base": base_digest, "start": start_digest}
    kind = "finetuned" if masks else "dense"
    made = checkpoint.Checkpoint(
        kind, start.architecture, network.state_dict(), start.masks, parents=parents, about=about, inputs=setup.inputs
    )
    checkpoint.write(args.checkpoint, made)
    write_record(
        args.metrics, args.history, setup, log, budget=wanted.finetune, base_sha256=base_digest,
        target_sparsity=args.sparsity or 0.0, achieved_sparsity=achieved_sparsity(weights) if weights else 0.0,
    )  # fmt: skip
    progress.resume.finish()


if __name__ == "__main__":
    main(recipe)
