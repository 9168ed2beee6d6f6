"""Teach a small student: alone, from the dense teacher or from a pruned one; always the same start and the same steps."""

from prunescope.networks import checkpoint, start
from prunescope.networks.architectures import build, fitted
from prunescope.runtime import seed_everything
from prunescope.study.guards import require_layers_chosen
from prunescope.study.params import load
from prunescope.study.stage import arguments, main
from prunescope.training import losses
from prunescope.training.loop import Log, measure
from prunescope.training.setup import open_training, train, write_record


def recipe() -> None:
    names = ("method", "dataset", "seed", "store", "start", "checkpoint", "metrics", "history")
    args = arguments(__doc__, *names, optional=("sparsity", "teacher"))
    params = load()
    wanted = params.data[args.dataset]
    require_layers_chosen(params)
    setup = open_training(args, wanted.training, stream="distill", run_on=params.runtime)
    architecture = fitted(params.distill.student, wanted.network, len(setup.store.classes))
    seed_everything(args.seed)
    student = build(architecture)
    started = start.load_(args.start, student)
    student = setup.to_device(student)
    loss, parents, teaching = setup.task, {}, None
    if args.teacher:
        teacher, teaching = setup.to_device(checkpoint.read(args.teacher).network()), params.distill.teaching
        loss = losses.distillation(teacher, setup.task, **teaching)
        parents = {"teacher": checkpoint.sha256(args.teacher)}

    log = Log()
    progress = setup.progress(
        student, setup.optimizer(student), log, student=architecture.as_dict(), distill=wanted.distill, teaching=teaching or {}
    )
    if not progress.resumed:
        measure(student, setup.validate, log, "start", step=0, per_epoch=setup.batches.steps_per_epoch)
    train(progress, setup, wanted.distill, first=log.steps, loss=loss, label=f"distill {args.method}")

    if not setup.first:
        return
    about = {"stage": "distill", "seed": args.seed, "method": args.method, "sparsity": args.sparsity or 0.0}
    state, lineage = student.state_dict(), started.parents | parents
    made = checkpoint.Checkpoint("distilled", architecture, state, parents=lineage, about=about, inputs=setup.inputs)
    checkpoint.write(args.checkpoint, made)
    write_record(args.metrics, args.history, setup, log, budget=wanted.distill, **{f"{k}_sha256": v for k, v in parents.items()})
    progress.resume.finish()


if __name__ == "__main__":
    main(recipe)
