"""Studies in memory whose predictions carry columns of images, with effects that are planted in subgroups."""

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from prunescope.results.grid import cells_of
from prunescope.results.reading import Files
from prunescope.results.results import Results
from report_fakes import make_study

CLASSES = ("a", "b", "mel")
Harm = Callable[[pd.DataFrame], NDArray]  # by image, how much less often it is classified rightly


def images_of(groups: int, each: int = 1, seed: int = 0) -> pd.DataFrame:
    """Test images: name, group, actual, and the columns age, sex and site (rare: in one group of 40)."""
    random = np.random.default_rng(seed)
    age = random.choice([*range(20, 90, 5)], groups).astype(str)
    age[random.random(groups) < 0.1] = ""
    of_group = pd.DataFrame({
        "group": [f"g{n}" for n in range(groups)],
        "actual": random.choice(CLASSES, groups),
        "age": age,
        "sex": random.choice(["female", "male"], groups),
        "site": np.where(np.arange(groups) % 40 == 0, "rare", random.choice(["back", "face", "hand"], groups)),
    })  # fmt: skip
    images = of_group.loc[np.repeat(np.arange(groups), each)].reset_index(drop=True)
    return images.assign(name=[f"i{n}" for n in range(len(images))])


def planted(
    images: pd.DataFrame, harm: Mapping[str, Harm] | None = None, *, seeds: int = 3, shift: float = 0.05, draw: int = 0
) -> Results:
    """A study of one cell, with `harm` by method.

    Each network is right at random, about some groups more often than about others, with a shift of its own; images of a group
    are right or wrong together.
    """
    study = make_study(models=("vgg16",), seeds=tuple(range(seeds)))
    random = np.random.default_rng(draw)
    _, group = np.unique(images["group"], return_inverse=True)
    easy, [cell] = random.beta(4, 1, group.max() + 1), cells_of(study)
    content: dict[str, bytes | Path] = {}
    for seed in study.seeds:
        for name in ("dense", *study.methods):
            lost = (harm or {}).get(name, lambda of: np.zeros(len(of)))(images)
            right = (random.random(len(easy)) - easy)[group] < shift * random.normal() - lost
            predicted = np.where(right, images["actual"], images["actual"].map({"a": "b", "b": "a", "mel": "a"}))
            table = images[["name", "group", "actual"]].assign(predicted=predicted)
            table = table.join(images.drop(columns=["name", "group", "actual"]))
            folder = cell.dense(seed) if name == "dense" else cell.of(seed)
            content[f"evaluate/{folder}/{name}-predictions.csv"] = table.to_csv(index=False).encode()
    return Results(study, Files(Path("in memory"), content))
