"""Which image is for training, validation or test: stratified by class, whole groups, the same on every machine."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from prunescope.errors import PrunescopeError

SPLITS = ("train", "val", "test")  # a split code is an index into this
LEAST_TEST = 4  # images of the test split: below, the estimator of layer similarity is undefined (it divides by n - 3)
NAMED = 10  # classes that an error lists


def split(
    labels: np.ndarray,
    groups: np.ndarray,
    *,
    fractions: Mapping[str, float],
    seed: int,
    classes: Sequence[str] | None = None,
) -> np.ndarray:
    """Return a split code per image, (N,) uint8; what `fractions` (of images, per class) leave is train.

    labels (N,) integers, groups (N,) strings. A group stays whole: it is dealt with the class most of its images have.
    Per class, groups in a seeded random order go to test, then to val, as long as that brings the split nearer to its
    fraction of the class's images; every split gets at least one. PrunescopeError when a class has too few groups.
    """
    unknown = set(fractions) - {"val", "test"}
    if unknown or not all(0 < share < 1 for share in fractions.values()) or sum(fractions.values()) >= 1:
        raise PrunescopeError(
            f"found split fractions {dict(fractions)}; wanted val and test, each above 0, together below 1 (what is "
            "left is train)."
        )
    labels = np.asarray(labels, dtype=np.int64)
    number, home, sizes = _groups(labels, groups)
    few = {label: int((home == label).sum()) for label in np.unique(labels).tolist() if (home == label).sum() <= len(fractions)}
    if few:
        unit = "images" if len(sizes) == len(labels) else "groups"
        named = _named([f"{_name(classes, label)}: {found} {unit}" for label, found in few.items()])
        raise PrunescopeError(
            f"found too few images to split in {len(few)} of {len(np.unique(labels))} classes ({named}); wanted at least one of "
            f"each class in each of train, {', '.join(fractions)} (a group counts for the class of most of its images). Add "
            "images of these classes, merge them with others, or leave them out."
        )
    code_of_group = np.zeros(len(sizes), dtype=np.uint8)
    for label in np.unique(labels).tolist():
        members = np.flatnonzero(home == label)
        wanted = [(SPLITS.index(name), fractions[name]) for name in ("test", "val") if name in fractions]
        # Raw PCG64 words as sort keys: numpy promises that stream for all versions, but not that of Generator.shuffle.
        keys = np.random.PCG64([seed, label]).random_raw(len(members))
        order = members[np.argsort(keys, kind="stable")]
        start, images = 0, int(sizes[members].sum())
        for position, (code, share) in enumerate(wanted):
            last = len(order) - (len(wanted) - position)  # one group is left for each later split, train included
            stop = _take(sizes[order], start, last, share * images)
            code_of_group[order[start:stop]] = code
            start = stop
    codes = code_of_group[number]
    check(labels, groups, codes, classes=classes, wanted=["train", *fractions])
    return codes


def complete(
    labels: np.ndarray,
    groups: np.ndarray,
    given: np.ndarray | None,
    *,
    val_fraction: float,
    test_fraction: float | None,
    seed: int,
    classes: Sequence[str] | None = None,
) -> np.ndarray:
    """Return split codes (N,) uint8: val and test that a source gives are kept, what is missing is dealt from train.

    `given` holds the source's codes, (N,) uint8, or is None. With an official test split `test_fraction` is None.
    Fractions are of the images that the source leaves in train. Where the source gives a val split, `val_fraction`
    decides nothing. PrunescopeError for a `test_fraction` that does not fit the source, and for all that `split` and
    `check` refuse.
    """
    codes = np.zeros(len(labels), np.uint8) if given is None else np.array(given, dtype=np.uint8)
    has_test, has_val = bool((codes == 2).any()), bool((codes == 1).any())
    check_test_fraction(has_test, test_fraction)
    fractions = {} if has_val else {"val": val_fraction}
    if test_fraction is not None:
        fractions["test"] = test_fraction
    free = np.flatnonzero(codes == 0)
    if fractions:
        codes[free] = split(labels[free], groups[free], fractions=fractions, seed=seed, classes=classes)
    check(labels, groups, codes, classes=classes)
    check_test_images(codes)
    return codes


def check_test_fraction(has_test: bool, test_fraction: float | None) -> None:
    """Raise PrunescopeError unless exactly one of them says which images are for testing."""
    if has_test and test_fraction is not None:
        raise PrunescopeError(
            f"found test_fraction {test_fraction}, but this source has a test split, which is kept; set prepare.test_fraction to "
            "official."
        )
    if not has_test and test_fraction is None:
        raise PrunescopeError(
            "found test_fraction official (the source's own test split), but this source has none; set prepare.test_fraction "
            "to a fraction, for instance 0.2."
        )


def check(
    labels: np.ndarray,
    groups: np.ndarray,
    codes: np.ndarray,
    *,
    classes: Sequence[str] | None = None,
    wanted: Sequence[str] = SPLITS,
) -> None:
    """Raise PrunescopeError unless each wanted split has images of every class and no group is in two splits."""
    for name in wanted:
        present = np.unique(labels[codes == SPLITS.index(name)])
        missing = np.setdiff1d(np.unique(labels), present)
        if len(missing):
            raise PrunescopeError(
                f"found no images in {name} of {_named([_name(classes, label) for label in missing.tolist()])}; wanted images of "
                f"every class in {', '.join(wanted)}."
            )
    shared = shared_groups(groups, codes)
    if len(shared):
        raise PrunescopeError(
            f"found {len(shared)} groups with images in two splits (the first: {shared[0]!r}); a test on images of a "
            "group that was trained on measures memory. Wanted each group in one split: in a table, give all its rows the same "
            "split, or leave the column split out."
        )


def check_test_images(codes: np.ndarray) -> None:
    """Raise PrunescopeError for a test split that layer similarity could not be estimated on, after all training."""
    images = int((codes == SPLITS.index("test")).sum())
    if images < LEAST_TEST:
        raise PrunescopeError(
            f"found {images} images in test, wanted at least {LEAST_TEST}, which layer similarity needs: add images, or "
            "put more of them into test (prepare.test_fraction, or the source's own test split)."
        )


def shared_groups(groups: np.ndarray, codes: np.ndarray) -> list[str]:
    """Return the groups that have images in more than one split, sorted."""
    names, number = np.unique(groups, return_inverse=True)
    seen = np.zeros((len(names), len(SPLITS)), dtype=bool)
    seen[number, codes] = True
    return [str(name) for name in names[seen.sum(axis=1) > 1]]


def random_split_leak(groups: np.ndarray, *, test_fraction: float) -> float | None:
    """Return the fraction of test images whose group is also in train when images, not groups, are split at random.

    The exact expectation over all splits with a `test_fraction` of the images in test and all others in train: an image
    of a group of g leaks unless its g - 1 companions are all in test too. None where every group has one image.
    """
    _, number, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    if sizes.max(initial=1) == 1:
        return None
    n = len(number)
    test = min(max(round(test_fraction * n), 1), n - 1)
    together = np.ones(int(sizes.max()) + 1)  # together[g]: all g - 1 companions of a test image are in test
    for g in range(2, len(together)):
        together[g] = together[g - 1] * max(0, test - (g - 1)) / (n - (g - 1))
    return float(np.sum(sizes * (1.0 - together[sizes])) / n)


def counts(labels: np.ndarray, groups: np.ndarray, codes: np.ndarray, classes: Sequence[str]) -> dict[str, Any]:
    """Return what the metrics say of a split: images per split and per class in it, classes, groups, both leaks."""
    per_class = {
        name: {str(of): int(((codes == code) & (labels == label)).sum()) for label, of in enumerate(classes)}
        for code, name in enumerate(SPLITS)
    }
    return {
        **{f"{name}_images": sum(per_class[name].values()) for name in SPLITS},
        "classes": len(classes),
        "groups": len(np.unique(groups)),
        "groups_in_two_splits": len(shared_groups(groups, codes)),
        "random_split_leak": random_split_leak(groups, test_fraction=float((codes == SPLITS.index("test")).mean())),
        "images_per_class": per_class,
    }


def _groups(labels: np.ndarray, groups: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return each image's group number, and each group's home class and image count; groups in order of their names."""
    _, number, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    pairs, counts = np.unique(np.stack([number, labels]), axis=1, return_counts=True)
    home = np.empty(len(sizes), dtype=np.int64)
    order = np.lexsort((-pairs[1], counts))  # the last one written wins: most images, then the lowest label
    home[pairs[0][order]] = pairs[1][order]
    return number, home, sizes


def _take(sizes: np.ndarray, start: int, last: int, target: float) -> int:
    """Return where to stop so that sizes[start:stop] sum nearest to `target` images, with start < stop <= last."""
    stop, total = start + 1, float(sizes[start])
    while stop < last and abs(total + sizes[stop] - target) < abs(total - target):
        total += sizes[stop]
        stop += 1
    return stop


def _name(classes: Sequence[str] | None, label: int) -> str:
    return repr(str(classes[label])) if classes is not None else f"number {label}"


def _named(names: Sequence[str]) -> str:
    return ", ".join(names[:NAMED]) + (", ..." if len(names) > NAMED else "")
