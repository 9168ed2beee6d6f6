"""Prune a base network by a method's plan: score, keep exactly the top weights, train between rounds, masks held.

The result is the network right after its last round; finetune spends the rest of the training budget on it.
"""

from functools import partial

from prunescope.networks import checkpoint
from prunescope.networks.masks import achieved_sparsity, collapsed, prunable
from prunescope.pruning.plans import plan_of
from prunescope.pruning.ranking import base_levels, score_of
from prunescope.pruning.recovery import Recovery
from prunescope.pruning.run import run
from prunescope.study.guards import require_layers_chosen
from prunescope.study.params import load
from prunescope.study.stage import arguments, main
from prunescope.training import losses, parallel, rates
from prunescope.training.loop import Log
from prunescope.training.optimizers import tensors
from prunescope.training.rewinding import REWINDS
from prunescope.training.setup import open_training, write_record


def recipe() -> None:
    names = ("method", "model", "dataset", "sparsity", "seed", "store", "base", "checkpoint", "metrics", "history")
    args = arguments(__doc__, *names)
    params = load()
    wanted, method = params.data[args.dataset], params.prune[args.method]
    require_layers_chosen(params)
    setup = open_training(args, wanted.training, stream="budget", run_on=params.runtime)
    base = checkpoint.read(args.base)
    network = setup.to_device(base.network())
    weights = prunable(network, method.exclude)
    budget = setup.steps(wanted.finetune.epochs)
    round_steps = setup.steps(wanted.epochs_per_round) if method.plan == "iterative" else 0
    levels = partial(base_levels, method, setup, base, args.sparsity, args.seed)
    rounds = {"round_steps": round_steps, "held": rates.held(wanted.finetune.schedule, budget)}
    plan = plan_of(method, tuple(weights), args.sparsity, budget=budget, levels=levels, **rounds)

    teaching = params.distill.teaching if method.recovery == "teacher" else {}
    loss = losses.distillation(setup.to_device(base.network()), setup.task, **teaching) if teaching else None

    log, update = Log(), setup.optimizer(network)
    progress = setup.progress(network, update, log, finetune=wanted.finetune, plan=plan, prune=method, teaching=teaching)
    label, again = f"{args.method} {args.model}", method.reestimate_batches
    recovery = Recovery(setup, progress, wanted.finetune, weights, plan, reestimate_batches=again, label=label, loss=loss)
    if not progress.resumed:
        recovery.look("start")
    masks = run(
        weights, plan, score=score_of(method, setup, progress.shared, weights, args.seed), recover=recovery,
        rewind=partial(recovery.rewind, REWINDS[method.rewind], base.state),
        masks=progress.masks or None, first_round=max(log.round - 1, 0), in_recovery=log.round > 0,
    )  # fmt: skip

    parallel.require_equal(masks)
    if not setup.first:
        return
    for warning in recovery.warnings(masks, asked=round_steps):
        print(f"warning: {warning}")
    parents = {"base": checkpoint.sha256(args.base)}
    about = {"stage": "prune", "seed": args.seed, "method": args.method, "sparsity": args.sparsity, "steps": log.steps}
    pruned = checkpoint.Checkpoint(
        "pruned", base.architecture, network.state_dict() | recovery.before, masks, tensors(progress.update),
        recovery.after, parents, about | {"restarted": log.restarted, "reestimated": again > 0, "teaching": teaching},
        inputs=setup.inputs,
    )  # fmt: skip
    checkpoint.write(args.checkpoint, pruned)
    write_record(
        args.metrics, args.history, setup, log, budget=wanted.finetune, base_sha256=parents["base"], rounds=len(plan),
        target_sparsity=args.sparsity, achieved_sparsity=achieved_sparsity(weights), collapsed_layers=collapsed(masks),
        val_accuracy_after_pruning=recovery.accuracies["pruned"],
        val_accuracy_after_reestimation=recovery.accuracies.get("reestimated"), pauses_without_recovery=recovery.skipped(),
    )  # fmt: skip
    progress.resume.finish()


if __name__ == "__main__":
    main(recipe)
