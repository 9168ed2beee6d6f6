"""Layer sensitivity of a base network: validation accuracy with one layer pruned, all others dense. Nothing is trained."""

from functools import partial

from prunescope.files import write_csv
from prunescope.networks import checkpoint
from prunescope.networks.masks import prunable
from prunescope.networks.predict import validate
from prunescope.pruning.sensitivity import COLUMNS, layer_sensitivity
from prunescope.study.params import load
from prunescope.study.stage import arguments, main
from prunescope.training.setup import open_training


def recipe() -> None:
    args = arguments(__doc__, "dataset", "seed", "store", "base", "metrics")
    params = load()
    wanted = params.sensitivity
    setup = open_training(args, params.data[args.dataset].training, stream="budget", run_on=params.runtime, alone=True)
    network = setup.to_device(checkpoint.read(args.base).network())
    images = min(wanted.images, len(setup.store.indices("val")))
    look = partial(validate, store=setup.store, split="val", device=setup.device, precision=setup.precision, most=images)

    rows = []
    for row in layer_sensitivity(
        network, prunable(network), wanted.levels, batches=setup.batches, validate=look, precision=setup.precision
    ):
        rows.append((*row, images))
        layer, level, _, _, accuracy, *_ = rows[-1]
        print(f"{layer or 'dense'} {100 * level:g} %: accuracy {100 * accuracy:.1f} %", flush=True)
    write_csv(args.metrics, (*COLUMNS, "images"), rows)


if __name__ == "__main__":
    main(recipe)
