"""Prune a base network by a method's plan: score, keep exactly the top weights, train between rounds, masks held.

The result is the network right after its last round; finetune spends the rest of the training budget on it.
"""

from prunescope import checkpoint
from prunescope.optimizers import tensors
from prunescope.params import load
from prunescope.pruning.masks import achieved_sparsity, apply_, collapsed, prunable
from prunescope.pruning.plans import PLANS
from prunescope.pruning.run import run
from prunescope.pruning.scores import SCORES
from prunescope.setup import open_training, train, write_record
from prunescope.stage import arguments, main
from prunescope.training import Log, measure

CURVE_POINTS = 20  # rounds that are measured on the validation split, evenly spread; a plan of 169 rounds has too many


def recipe() -> None:
    names = ("method", "model", "dataset", "sparsity", "seed", "store", "base", "checkpoint", "metrics", "history")
    args = arguments(__doc__, *names)
    params = load()
    wanted, method = params.data[args.dataset], params.prune[args.method]
    setup = open_training(args.store, wanted.training, seed=args.seed, stream="budget", run_on=params.runtime)
    base = checkpoint.read(args.base)
    network = setup.to_device(base.network())
    weights = prunable(network, method.exclude)
    budget = setup.steps(wanted.finetune.epochs)
    round_steps = setup.steps(wanted.epochs_per_round) if method.plan == "iterative" else 0
    plan = PLANS[method.plan](
        tuple(weights), args.sparsity, budget=budget, step=method.step, round_steps=round_steps,
        recovery_share=method.recovery_share,
    )  # fmt: skip
    update, log = setup.optimizer(network), Log()
    per_epoch = setup.batches.steps_per_epoch
    measured = {len(plan) - 1 - n * len(plan) // CURVE_POINTS for n in range(CURVE_POINTS)}
    measure(network, setup.validate, log, "start", step=0, per_epoch=per_epoch)

    def recover(number, round_, masks) -> None:
        log.round = number + 1
        log.sparsity = achieved_sparsity(weights)
        log.layers_pruned = len({layer for done in plan[: number + 1] for layer in done.layers})
        if number in measured:
            measure(network, setup.validate, log, "pruned", step=log.steps, per_epoch=per_epoch)
        train(
            network, setup, wanted.finetune, log, first=log.steps, last=log.steps + round_.recovery_steps,
            update=update, weights=weights, masks=masks, close=number in measured,
            label=f"{args.method} {args.model} round {number + 1}/{len(plan)}",
        )  # fmt: skip

    masks = run(weights, plan, score=lambda chosen: SCORES[method.score](chosen, seed=args.seed), recover=recover)
    apply_(weights, masks)

    for layer in collapsed(masks):
        print(f"warning: {args.method} left no weight in layer {layer}")
    skipped = sum(round_.recovery_steps == 0 for round_ in plan[:-1])
    if skipped:
        print(f"warning: the budget of {budget} steps leaves {skipped} of {len(plan) - 1} pauses between rounds without a step")
    about = {"stage": "prune", "seed": args.seed, "method": args.method, "sparsity": args.sparsity, "steps": log.steps}
    parents = {"base": checkpoint.sha256(args.base)}
    state = network.state_dict(), masks, tensors(update)
    checkpoint.write(args.checkpoint, checkpoint.Checkpoint("pruned", base.architecture, *state, parents, about))
    write_record(
        args.metrics, args.history, setup, log, budget=wanted.finetune, base_sha256=parents["base"], rounds=len(plan),
        target_sparsity=args.sparsity, achieved_sparsity=achieved_sparsity(weights), collapsed_layers=collapsed(masks),
        pauses_without_recovery=skipped,
    )  # fmt: skip


if __name__ == "__main__":
    main(recipe)
