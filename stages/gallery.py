"""Test images that the dense control gets right and every pruned network gets wrong. Never to be committed."""

from prunescope.data import store as stores
from prunescope.report import gallery
from prunescope.study.params import load
from prunescope.study.stage import arguments, main


def recipe() -> None:
    args = arguments(__doc__, "dataset", "store", "metrics", "gallery")
    store = stores.read(args.store)
    places = {name: place for place, name in enumerate(store.names)}
    licence = str(store.provenance.get("licence") or "")
    gallery.write(
        load().grid, args.dataset, args.metrics, args.gallery, image=lambda name: store.images[places[name]], licence=licence
    )


if __name__ == "__main__":
    main(recipe)
