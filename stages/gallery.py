"""Test images that the dense control gets right and every pruned network gets wrong. Never to be committed."""

from prunescope.data import store as stores
from prunescope.report import gallery
from prunescope.results.results import read
from prunescope.study.params import load
from prunescope.study.stage import arguments, main


def recipe() -> None:
    args = arguments(__doc__, "dataset", "store", "metrics", "gallery")
    store = stores.read(args.store)
    places = {name: place for place, name in enumerate(store.names)}
    licence = str(store.provenance.get("licence") or "")
    results = read(args.metrics, load().grid)
    gallery.write(results, args.dataset, args.gallery, image=lambda name: store.images[places[name]], licence=licence)


if __name__ == "__main__":
    main(recipe)
