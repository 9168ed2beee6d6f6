"""Who pays: changes of recall by class, paired by image."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import pytest

from prunescope.errors import PrunescopeError
from prunescope.evidence import classes
from report_fakes import CELL, opened, row

ACTUAL = "aaaabbbbbb" * 8


def write(metrics, cell: str, name: str, predicted: str, *, actual: str = ACTUAL, groups: Sequence[object] = ()) -> None:
    """One letter an image."""
    rows = zip(range(len(actual)), groups or range(len(actual)), actual, predicted, strict=True)
    table = pd.DataFrame(rows, columns=["name", "group", "actual", "predicted"])
    table.to_csv(metrics / "evaluate" / cell / f"{name}-predictions.csv", index=False)


def plant(metrics, seed: int = 0, iterative: str = "aaaabbbbbb") -> None:
    write(metrics, f"vgg16-digits-{seed}", "dense", "aaabbbbbbb" * 8)  # recall 3 / 4 and 1
    write(metrics, f"vgg16-digits-0.8-{seed}", "oneshot", "aaabaaabbb" * 8)  # 3 / 4 and 1 / 2
    write(metrics, f"vgg16-digits-0.8-{seed}", "layerwise", "bbbbbbbbba" * 8)  # 0 and 5 / 6
    write(metrics, f"vgg16-digits-0.8-{seed}", "iterative", iterative * 8)


def test_changes_by_hand(tree):
    metrics, study = tree(models=("vgg16",), datasets=("digits",))
    plant(metrics)
    found = classes.recall_changes(opened(metrics, study), CELL)
    assert found["class"].tolist() == ["b", "a"], "largest mean loss first: -2/9 before -1/6"
    assert found["images"].tolist() == [48, 32]
    assert found["dense"].tolist() == [1, 0.75]
    assert found["oneshot"].tolist() == [-0.5, 0]
    assert found["layerwise"].tolist() == pytest.approx([-1 / 6, -0.75])
    assert found["iterative"].tolist() == [0, 0.25]
    b = found.iloc[0]
    assert b["oneshot_low"] < -0.5 < b["oneshot_high"] < 0
    bound = 1 - 0.05 ** (1 / 48)  # nothing changed in 48 images: the exact one-sided bound
    assert (b["iterative_low"], b["iterative_high"]) == pytest.approx((-bound, bound))


def test_means_over_the_seeds_that_ran(tree):
    metrics, study = tree(models=("vgg16",), datasets=("digits",), seeds=(0, 1, 2))
    plant(metrics, 0)
    plant(metrics, 1, iterative="bbbbbbbbbb")
    found = classes.recall_changes(opened(metrics, study), CELL).set_index("class")
    assert found.loc["a", "iterative"] == pytest.approx((0.25 - 0.75) / 2)


def test_intervals_resample_groups_and_pairs(tree):
    """Against the standard error of a paired difference; images of one group move together."""
    metrics, study = tree(models=("vgg16",), datasets=("digits",))
    generator = np.random.default_rng(0)
    loss = generator.random(100) < 0.3  # of 100 groups of 4 images: all of them lost, or none
    actual = "a" * 400
    pruned = "".join("b" * 4 if lost else "a" * 4 for lost in loss)
    groups = np.repeat(np.arange(100), 4)
    for cell, name, predicted in (("0", "dense", actual), *(("0.8-0", name, pruned) for name in study.methods)):
        write(metrics, f"vgg16-digits-{cell}", name, predicted, actual=actual, groups=groups.tolist())
    [found] = classes.recall_changes(opened(metrics, study), CELL).to_dict("records")
    error = np.sqrt(loss.mean() * (1 - loss.mean()) / 100)
    assert found["oneshot_high"] - found["oneshot_low"] == pytest.approx(2 * 1.96 * error, rel=0.1)


def test_the_table(tree):
    metrics, study = tree(models=("vgg16",), datasets=("digits",))
    plant(metrics)
    table = classes.who_pays_table(opened(metrics, study))
    found = row(table, **{"class": "b"})
    assert found["oneshot, points"].startswith("−50.0 [−")
    assert found["oneshot, points"].endswith(" •")
    assert found["iterative, points"] == "+0.0 [−6.1, +6.1]"
    assert found["dense recall %"] == "100.0"
    (metrics / "evaluate/vgg16-digits-0.8-0/layerwise-predictions.csv").unlink()
    assert classes.who_pays_table(opened(metrics, study)).empty


def test_brackets_of_the_table_are_of_one_kind(tree):
    """Over images alone where one seed ran; with more over seeds and images, also beside cells of one seed, which get none."""
    metrics, study = tree(models=("vgg16", "densenet169"), seeds=(0, 1, 2))
    for seed, iterative in enumerate(("aaaabbbbbb", "aaaabbbbbb", "babbbbbbba")):
        plant(metrics, seed, iterative)
    for seed in (1, 2):
        for path in metrics.glob(f"evaluate/densenet169-digits*-{seed}/*-predictions.csv"):
            path.unlink()
    write(metrics, "densenet169-digits-0", "dense", ACTUAL)
    for name in study.methods:
        write(metrics, "densenet169-digits-0.8-0", name, "bbbabbbbbb" * 8)
    results = opened(metrics, study)
    table = classes.who_pays_table(results)
    judged = classes.judged_recall(results)
    for name in "ab":
        found = row(table[table["model"] == "vgg16"], **{"class": name})
        estimate = judged[CELL, "iterative", name].estimate
        bounds = f"[{estimate.low:+.1f}, {estimate.high:+.1f}]".replace("-", "−")
        assert estimate.measured and bounds in found["iterative, points"]
        images = classes.recall_changes(results, CELL).set_index("class").loc[name]
        assert estimate.high - estimate.low > 100 * (images["iterative_high"] - images["iterative_low"])
    alone = table[table["model"] == "densenet169"]
    assert len(alone) == 2 and not alone[[f"{of}, points" for of in study.methods]].map(lambda text: "[" in text).any(axis=None)
    assert classes.over_seeds(results)


def test_other_images_and_old_files_are_refused(tree):
    metrics, study = tree(models=("vgg16",), datasets=("digits",))
    plant(metrics)
    write(metrics, "vgg16-digits-0.8-0", "oneshot", "ab", actual="ab")
    with pytest.raises(PrunescopeError, match=r"other test images in .*vgg16-digits-0.8-0/oneshot"):
        classes.recall_changes(opened(metrics, study), CELL)
    (metrics / "evaluate/vgg16-digits-0.8-0/oneshot-predictions.csv").write_text("name,actual,predicted\n1,a,a\n")
    with pytest.raises(PrunescopeError, match="found no column group; run its stage again"):
        classes.recall_changes(opened(metrics, study), CELL)


def test_images_that_dense_has_and_all_pruned_lose(tree):
    metrics, study = tree(models=("vgg16",), datasets=("digits",), seeds=(0, 1))
    plant(metrics, 0)
    plant(metrics, 1)
    found = classes.lost_images(opened(metrics, study), CELL)
    assert list(found.columns) == ["name", "actual", "seeds", "ran", *study.methods]
    assert found.empty
    for seed in (0, 1):
        write(metrics, f"vgg16-digits-0.8-{seed}", "layerwise", "b" * 9 + "a" + "b" * 70)
        write(metrics, f"vgg16-digits-0.8-{seed}", "oneshot", ("aaaabbbbbb" if seed else "bbbabbbbba") + "aaaabbbbbb" * 7)
        write(metrics, f"vgg16-digits-0.8-{seed}", "iterative", "aabab" + "bbbba" + "aaaabbbbbb" * 7)
    write(metrics, "vgg16-digits-0.8-1", "oneshot", "aabaabbbba" + "aaaabbbbbb" * 7)
    found = classes.lost_images(opened(metrics, study), CELL)
    assert found.to_dict("records") == [
        {"name": "2", "actual": "a", "seeds": 2, "ran": 2, "oneshot": "b", "layerwise": "b", "iterative": "b"},
        {"name": "9", "actual": "b", "seeds": 2, "ran": 2, "oneshot": "a", "layerwise": "a", "iterative": "a"},
    ]
    [table] = classes.lost_table(opened(metrics, study)).to_dict("records")
    assert (table["images"], table["in every seed"], table["classes"]) == ("2", "2", "a (1), b (1)")
    (metrics / "evaluate/vgg16-digits-0.8-0/oneshot-predictions.csv").unlink()
    (metrics / "evaluate/vgg16-digits-0.8-1/oneshot-predictions.csv").unlink()
    assert not len(classes.lost_images(opened(metrics, study), CELL).columns)
    assert classes.lost_table(opened(metrics, study)).empty
