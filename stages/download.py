"""Get a data set and prepare it: uint8 images, labels, a leak-free split, checksums."""

from pathlib import Path

from prunescope.files import write_json
from prunescope.sources.prepare import prepare
from prunescope.study.params import load
from prunescope.study.stage import arguments, main, mirror

DOWNLOADS = Path("downloads")  # archives as they came, kept between runs; not an output


def recipe() -> None:
    args = arguments(__doc__, "dataset", "store", "metrics", optional=("mirror",))
    wanted = load().data[args.dataset].prepare
    record = prepare(
        wanted.source,
        args.store,
        image_size=wanted.image_size,
        val_fraction=wanted.val_fraction,
        test_fraction=wanted.test_fraction,
        split_seed=wanted.split_seed,
        mirror=args.mirror or mirror(),
        cache=DOWNLOADS,
        path=wanted.path,
    )
    write_json(args.metrics, record)


if __name__ == "__main__":
    main(recipe)
