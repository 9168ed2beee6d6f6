"""Training batches: resident uint8 with augmentation on the device, against torchvision's Dataset, PIL transforms and DataLoader.

    python benchmarks/batches.py

10,000 random images of 32 px, batches of 128, random crop with a border of 4 px, horizontal flip, normalisation: the same work
on both sides. Then the share of batch-making in a training step of the study's narrow VGG16.
"""

import statistics
import time

import numpy as np
import torch
from common import interleaved, parser, table, train_step, where
from PIL import Image
from torch.utils.data import DataLoader, Dataset

from prunescope import runtime
from prunescope.data.batches import Batches
from prunescope.data.store import Store
from prunescope.networks.architectures import Architecture, build
from prunescope.training.optimizers import make

IMAGES, BATCH = 10_000, 128
MEAN, STD = (0.5, 0.5, 0.5), (0.25, 0.25, 0.25)


class Pictures(Dataset):
    """PIL images with torchvision's transforms, as its tutorials do it."""

    def __init__(self, store: Store) -> None:
        from torchvision import transforms

        self.store = store
        self.transform = transforms.Compose([
            transforms.RandomCrop(store.image_size, padding=4, padding_mode="reflect"), transforms.RandomHorizontalFlip(),
            transforms.ToTensor(), transforms.Normalize(MEAN, STD),
        ])  # fmt: skip

    def __len__(self) -> int:
        return len(self.store.labels)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        return self.transform(Image.fromarray(self.store.images[index])), int(self.store.labels[index])


def store(size: int = 32, images: int = IMAGES) -> Store:
    """Random pictures of 100 classes, all for training."""
    generator = np.random.default_rng(0)
    names = np.array([str(number) for number in range(images)])
    return Store(
        images=generator.integers(0, 256, (images, size, size, 3), dtype=np.uint8), labels=np.arange(images) % 100,
        splits=np.zeros(images, dtype=np.uint8), groups=names, names=names, classes=tuple(map(str, range(100))),
        mean=MEAN, std=STD, image_size=size, provenance={},
    )  # fmt: skip


def main() -> None:
    args = parser(__doc__).parse_args()
    device = runtime.device(args.device)
    runtime.prepare(args.threads, device)
    precision = runtime.precision("auto", device)
    data = store()
    batches = Batches(data, "train", batch_size=BATCH, crop_padding=4, flip="horizontal", seed=0, device=device)
    epochs = iter(range(1_000_000))

    def resident() -> None:
        epoch = next(epochs)
        for step in range(batches.steps_per_epoch):
            batches.at(epoch * batches.steps_per_epoch + step)

    loaders = {
        f"DataLoader, {workers} workers, PIL": DataLoader(
            Pictures(data), BATCH, shuffle=True, num_workers=workers, drop_last=True
        )
        for workers in (0, 2)
    }

    def read(loader: DataLoader) -> None:
        for images, labels in loader:
            images.to(device), labels.to(device)

    print(where(device))
    candidates = {"prunescope Batches": resident} | {name: lambda loader=loader: read(loader) for name, loader in loaders.items()}
    seconds = interleaved(candidates, rounds=args.rounds, device=device)
    print(table(seconds, reference="prunescope Batches"))
    count = batches.steps_per_epoch * BATCH
    for name, values in seconds.items():
        print(f"{name:34} {count / statistics.median(values):10.0f} images/s")

    network = build(Architecture("vgg16_bn", 100, width=0.25, head="compact")).to(device, memory_format=torch.channels_last)
    update = make("sgd", list(network.parameters()), momentum=0.9, weight_decay=5e-4)
    making, training = [], []
    for step in range(5 * args.rounds):
        started = time.perf_counter()
        images, labels = batches.at(step)
        made = time.perf_counter()
        train_step(network, images, labels, update, precision).item()  # waits for the device, so that a step's time is its own
        making.append(made - started)
        training.append(time.perf_counter() - started)
    share = statistics.median(making) / statistics.median(training)
    print(f"share of a step of VGG16-BN at quarter width: {share:.1%} ({statistics.median(training) * 1e3:.0f} ms a step)")


if __name__ == "__main__":
    main()
