"""The weights that training starts from: torchvision's or a file's, checked; where they are random, only the word for it."""

from prunescope.networks import start
from prunescope.study.params import load
from prunescope.study.stage import arguments, main, mirror


def recipe() -> None:
    args = arguments(__doc__, "dataset", "store", "weights", "start", optional=("model",))
    params = load()
    network, model = params.data[args.dataset].network, args.model or params.distill.student
    if network.init == "random" or (network.init != "imagenet" and not args.model):  # a file is the teacher's, not the student's
        start.write(args.start, "random")
        return
    from prunescope.data import store as stores  # torch is imported where it is needed: a random start costs no time
    from prunescope.networks import checkpoint
    from prunescope.networks.architectures import fitted
    from prunescope.pretrained import fitting, places, published, reading

    architecture = fitted(model, network, len(stores.read(args.store).classes))
    folders = [args.weights, *(folder / "weights" for folder in [mirror()] if folder)]
    path = published.find(model, folders) if network.init == "imagenet" else places.file_for(model, args.weights, network.init)
    tensors, untaught = fitting.fit(reading.read(path), architecture, str(path))
    print(f"{path} (SHA-256 {checkpoint.sha256(path)}): {len(tensors)} tensors taken; random: {', '.join(untaught) or 'none'}")
    start.write(args.start, network.init, tensors, untaught=untaught)


if __name__ == "__main__":
    main(recipe)
