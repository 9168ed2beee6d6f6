"""What networks predicted on the test split, image by image, and what two of them share."""

from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from prunescope.errors import PrunescopeError
from prunescope.resampling import Floats, resampled_sums

COLUMNS = ["name", "group", "actual", "predicted"]
SHARE, SCORE = "auc_share", "score_"  # columns of a network's outputs, the second with a class (evaluation/scores.py)
DRAWS = 2000
TAILS = (0.025, 0.975)  # between these quantiles of the draws lies the 95 % interval


@dataclass(frozen=True, eq=False)
class Predictions:
    """A network's predictions: `table` has `COLUMNS`, one row per test image; `source` names it in errors.

    What else the table has is known of the images themselves (age, sex, site): all networks that saw them have the same.
    """

    table: pd.DataFrame
    source: str

    @property
    def columns(self) -> list[str]:
        """Of what is known of the images; none in studies that were kept before predictions had it."""
        return [name for name in self.table.columns if name not in (*COLUMNS, SHARE) and not name.startswith(SCORE)]

    @cached_property
    def classes(self) -> list[str]:
        return sorted(self.table["actual"].unique())

    @cached_property
    def right(self) -> Floats:
        """(N,) 1 for an image that was classified rightly, else 0."""
        return np.asarray(self.table["actual"] == self.table["predicted"], dtype=float)

    @property
    def shares(self) -> Floats | None:
        """(N,) what each image has to do with the mean AUC (`evaluation/scores.py`); None where the file does not say."""
        return self._column(SHARE)

    def scores(self, name: str) -> Floats | None:
        """(N,) the probability of a class that is critical; None where it is not kept."""
        return self._column(f"{SCORE}{name}")

    def _column(self, name: str) -> Floats | None:
        if name not in self.table.columns or (self.table[name] == "").any():
            return None
        return self.table[name].to_numpy(dtype=float)

    @cached_property
    def _numbers(self) -> NDArray[np.intp]:
        return np.searchsorted(self.classes, self.table["actual"].to_numpy(dtype=str))

    @property
    def member(self) -> Floats:
        """(N, K) 1 where an image is of a class; made anew each time, as a study has hundreds of networks."""
        return np.eye(len(self.classes))[self._numbers]

    @cached_property
    def resampled(self) -> tuple[Floats, Floats]:
        """How many images of each class are right, and how many there are, each (DRAWS, K), in resamples of groups (lesions).

        Networks that saw the same images have the same resamples: their differences may be taken draw by draw. A draw can be
        without images of a class.
        """
        right = resampled_sums(self.right[:, None] * self.member, self.table["group"].to_numpy(), draws=DRAWS)
        return right, _images(tuple(self.table["actual"]), tuple(self.table["group"]))


@lru_cache(maxsize=4)
def _images(actual: tuple[str, ...], group: tuple[str, ...]) -> Floats:
    """(DRAWS, K) images of each class in resamples: the same for all networks that saw these images."""
    member = np.eye(len(set(actual)))[np.unique(np.array(actual), return_inverse=True)[1]]
    return resampled_sums(member, np.array(group), draws=DRAWS)


def same_images(first: Predictions, second: Predictions) -> None:
    """Raises PrunescopeError where two files are of other images, or of the same in another order."""
    if not first.table[["name", "actual"]].equals(second.table[["name", "actual"]]):
        raise PrunescopeError(
            f"found other test images in {first.source} than in {second.source}; wanted the same in all: run dvc repro"
        )


def agreement(first: Predictions | None, second: Predictions | None) -> float | None:
    """Fraction of test images for which two networks predict the same class; None where one did not run."""
    if first is None or second is None:
        return None
    same_images(first, second)
    return float((first.table["predicted"] == second.table["predicted"]).mean())
