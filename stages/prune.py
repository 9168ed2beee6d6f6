"""Prune a base network by a method's plan: score, keep exactly the top weights, train between rounds, masks held.

The result is the network right after its last round; finetune spends the rest of the training budget on it.
"""

from functools import partial

from prunescope.networks import checkpoint
from prunescope.networks.masks import achieved_sparsity, collapsed, prunable
from prunescope.pruning.calibration import mean_gradients, reestimate_
from prunescope.pruning.plans import plan_of
from prunescope.pruning.run import run
from prunescope.pruning.scores import SCORES
from prunescope.study.params import load
from prunescope.study.stage import arguments, main
from prunescope.training import parallel
from prunescope.training.loop import Log, measure
from prunescope.training.optimizers import tensors
from prunescope.training.rewinding import REWINDS
from prunescope.training.setup import open_training, train, write_record

CURVE_POINTS = 20  # rounds that are measured on the validation split, evenly spread; a plan of 169 rounds has too many


def recipe() -> None:
    names = ("method", "model", "dataset", "sparsity", "seed", "store", "base", "checkpoint", "metrics", "history")
    args = arguments(__doc__, *names)
    params = load()
    wanted, method = params.data[args.dataset], params.prune[args.method]
    setup = open_training(args, wanted.training, stream="budget", run_on=params.runtime)
    base = checkpoint.read(args.base)
    network = setup.to_device(base.network())
    weights = prunable(network, method.exclude)
    budget = setup.steps(wanted.finetune.epochs)
    round_steps = setup.steps(wanted.epochs_per_round) if method.plan == "iterative" else 0
    plan = plan_of(method, tuple(weights), args.sparsity, budget=budget, round_steps=round_steps)
    measured = {len(plan) - 1 - n * len(plan) // CURVE_POINTS for n in range(CURVE_POINTS)}

    log = Log()
    progress = setup.progress(network, setup.optimizer(network), log, wanted.finetune, plan, method)
    calibrate = {"batches": setup.batches, "precision": setup.precision}
    slopes = partial(mean_gradients, progress.shared, weights, loss=setup.task, count=method.score_batches, **calibrate)
    statistics, val_accuracy = {}, {}

    def look(event: str) -> None:
        val_accuracy[event] = measure(
            network, setup.validate, log, event, step=log.steps, per_epoch=setup.batches.steps_per_epoch
        )

    def rewind() -> None:
        log.restarted = REWINDS[method.rewind](network, base.state, progress.update)

    def recover(number, round_, masks) -> None:
        if number + 1 > log.round:  # else an interrupted run came as far as this round's training
            progress.masks = masks
            log.round = number + 1
            log.sparsity = achieved_sparsity(weights)
            log.layers_pruned = len({layer for done in plan[: number + 1] for layer in done.layers})
            if number in measured:
                look("pruned")
            if method.reestimate_batches:
                statistics["before"] = {name: buffer.clone() for name, buffer in network.named_buffers()}
                statistics["after"] = reestimate_(network, count=method.reestimate_batches, **calibrate)
                if number in measured:
                    look("reestimated")
        end = sum(done.recovery_steps for done in plan[: number + 1])
        train(
            progress, setup, wanted.finetune, first=log.steps, last=end, weights=weights, masks=masks,
            segment=(end - round_.recovery_steps, end) if log.restarted else None, close=number in measured,
            label=f"{args.method} {args.model} round {number + 1}/{len(plan)}",
        )  # fmt: skip

    if not progress.resumed:
        look("start")
    masks = run(
        weights, plan, score=partial(SCORES[method.score], seed=args.seed, gradients=slopes), recover=recover, rewind=rewind,
        masks=progress.masks or None, first_round=max(log.round - 1, 0), in_recovery=log.round > 0,
    )  # fmt: skip

    parallel.require_equal(masks)
    if not setup.first:
        return
    for layer in collapsed(masks):
        print(f"warning: {args.method} left no weight in layer {layer}")
    skipped = sum(round_.recovery_steps == 0 for round_ in plan[:-1])
    if skipped:
        print(f"warning: the budget of {budget} steps leaves {skipped} of {len(plan) - 1} pauses between rounds without a step")
    about = {"stage": "prune", "seed": args.seed, "method": args.method, "sparsity": args.sparsity, "steps": log.steps}
    parents = {"base": checkpoint.sha256(args.base)}
    checkpoint.write(
        args.checkpoint,
        checkpoint.Checkpoint(
            "pruned", base.architecture, network.state_dict() | statistics.get("before", {}), masks, tensors(progress.update),
            statistics.get("after", {}), parents, about | {"restarted": log.restarted},
        ),
    )  # fmt: skip
    write_record(
        args.metrics, args.history, setup, log, budget=wanted.finetune, base_sha256=parents["base"], rounds=len(plan),
        target_sparsity=args.sparsity, achieved_sparsity=achieved_sparsity(weights), collapsed_layers=collapsed(masks),
        val_accuracy_after_pruning=val_accuracy["pruned"], val_accuracy_after_reestimation=val_accuracy.get("reestimated"),
        pauses_without_recovery=skipped,
    )  # fmt: skip
    progress.resume.finish()


if __name__ == "__main__":
    main(recipe)
