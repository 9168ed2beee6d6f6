"""The tables of a row of `data` in params.yaml: what a data set asks for. See tables.py for the rest of the file."""

from typing import Annotated, Literal

from prunescope.study.fields import NoneAs, Table, number, some

Source = Literal["digits", "cifar100", "ham10000", "folder"]
Optimizer = Literal["sgd", "nesterov", "adamw"]
RateSchedule = Literal["constant", "cosine", "step", "hold"]
IMAGE_SIZES = range(8, 1025)  # px


class Prepare(Table):
    """How a prepared store is made."""

    source: Source = some("digits, cifar100, ham10000 or folder")
    path: Annotated[str | None, NoneAs("none")] = some(
        "for source folder: class folders, a zip of them, or a .csv of file,label[,group][,split]; else none", noun="a path"
    )
    image_size: int = number(
        "side of the square images, px", noun="a whole number of pixels", unit="px", ge=IMAGE_SIZES[0], le=IMAGE_SIZES[-1]
    )
    val_fraction: float = number(
        "share of the images for validation; of those for training, where the source has a test split",
        noun="a fraction", unit="fraction", gt=0, le=0.5,
    )  # fmt: skip
    test_fraction: Annotated[float | None, NoneAs("official")] = number(
        "share of all images for the test; official = the source's own test split (ham10000: ISIC 2018's)",
        noun="a fraction", unit="fraction", gt=0, le=0.5,
    )  # fmt: skip
    split_seed: int = number("of the division into splits; the same for all seeds of the study", ge=0)


class Network(Table):
    """How an architecture is fitted to the data."""

    width: float = number("factor on all channels; other than 1: VGG and DenseNet alone", noun="a factor", gt=0, le=4)
    stem: Literal["imagenet", "cifar"] = some(
        "imagenet = as published; cifar = 3x3, stride 1, no pooling (for small images; 15 times DenseNet169's MACs)"
    )
    head: Literal["torchvision", "compact"] = some("VGG's classifier: torchvision = on 7x7 positions; compact = on one")
    init: str = some("random, imagenet (torchvision's weights), or the name of a file in weights/")


class Training(Table):
    """What all training of a dataset shares."""

    batch_size: int = number("images a step", unit="images", ge=2)
    optimizer: Optimizer = some("sgd, nesterov or adamw")
    momentum: float = number("of sgd and nesterov; adamw's first beta", ge=0, lt=1)
    weight_decay: float = number("L2 factor on all parameters", ge=0)
    clip_norm: float = number("largest norm of the whole gradient; 0 = not clipped", ge=0)
    label_smoothing: float = number("probability spread over all classes", unit="fraction", ge=0, lt=1)
    imbalance: Literal["none", "class_weights", "balanced_sampling"] = some(
        "none, class_weights (in the loss) or balanced_sampling (rare classes more often)"
    )
    crop_padding: int = number("px of mirrored border for random crops; 0 = none", unit="px", ge=0)
    flip: Literal["none", "horizontal", "both"] = some("random mirroring: none, horizontal or both")


class Budget(Table):
    """One training budget."""

    epochs: float = number("passes over the train split; fractions allowed", unit="epochs", ge=0)
    learning_rate: float = number("at its highest", gt=0)
    schedule: RateSchedule = some(
        "of the learning rate over the whole budget: constant, cosine, step, or hold = constant for 70 %, then on a line to 0"
    )


class Recipe(Table):
    """What a dataset asks for."""

    prepare: Prepare = some("images, sizes and splits")
    network: Network = some("how the architectures are fitted")
    training: Training = some("what all training shares")
    pretrain: Budget = some("of the dense base network")
    finetune: Budget = some("the whole budget after the base, recovery included")
    distill: Budget = some("of the student")
    epochs_per_round: float = number(
        "of iterative methods, between rounds; fewer where they would go on while hold's rate falls",
        unit="epochs",
        ge=0,
    )
