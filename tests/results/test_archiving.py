"""What an archive holds: the same rows and columns of predictions, joined, and nothing twice."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from prunescope.errors import PrunescopeError
from prunescope.evidence import endpoints
from prunescope.results import joined
from prunescope.results.archiving import archivable
from prunescope.results.grid import Cell
from prunescope.results.reading import Files
from prunescope.results.results import Results
from report_fakes import make_study

CELL = Cell("vgg16", "digits", 0.8)
FOLDER = "evaluate/vgg16-digits-0.8-0"


def network(seed: int, images: int = 30) -> str:
    """A predictions file whose classes, names and columns are spelled as badly as they may be."""
    random = np.random.default_rng(seed)
    rows = ["name,group,actual,predicted,auc_share,score_a:b,age"]
    for image in range(images):
        guess = random.choice(["NA", "a:b", "'"])
        share, score = f"{random.random() / 100:.3e}", f"{random.random():.6g}"
        rows.append(f"{image:03d},g{image // 2},{['NA', 'a:b'][image % 2]},{guess},{share},{score},{'' if image % 3 else 60}")
    return "\n".join(rows) + "\n"


def study(auc: bool = True):
    return make_study(models=("vgg16",), primary={"digits": "auc" if auc else "accuracy"})


def table(files: dict[str, bytes | Path] | dict[str, bytes], name: str) -> pd.DataFrame:
    found = Results(study(), Files(Path("x"), files)).predictions(CELL, 0, name)
    assert found is not None
    return found.table


def content(*names: str) -> dict[str, bytes | Path]:
    return {f"{FOLDER}/{name}-predictions.csv": network(seed).encode() for seed, name in enumerate(names)}


def test_predictions_are_those_of_their_own_files():
    given = content("oneshot", "iterative")
    kept = archivable(study(), given)
    assert set(kept) == {f"{FOLDER}/images.csv", f"{FOLDER}/predictions.csv"}
    before, after = (Results(study(), Files(Path("x"), files)) for files in (given, kept))
    for name in ("oneshot", "iterative"):
        old, new = before.predictions(CELL, 0, name), after.predictions(CELL, 0, name)
        assert old and new and new.columns == ["age"]
        exact = ["name", "group", "actual", "predicted", "age"]
        pd.testing.assert_frame_equal(new.table[exact], old.table[exact])
        np.testing.assert_allclose(np.array(new.shares), np.array(old.shares), rtol=0.005)
        np.testing.assert_allclose(np.array(new.scores("a:b")), np.array(old.scores("a:b")), rtol=0.0005)
        assert endpoints.draws(after, CELL, 0, name, "auc") is not None
        assert new.source.endswith("evaluate/vgg16-digits-0.8-0/predictions.csv")
    assert after.predictions(CELL, 0, "random") is None


def test_what_was_kept_stays_and_new_networks_come_beside_it():
    first = archivable(study(), content("oneshot"))
    assert archivable(study(), first) == first
    newer = network(7).encode()
    both = archivable(study(), {**first, f"{FOLDER}/student-oneshot-predictions.csv": newer})
    assert table(both, "oneshot").equals(table(first, "oneshot"))
    predicted = [line.split(",")[3] for line in newer.decode().splitlines()[1:]]
    assert list(table(both, "student-oneshot")["predicted"]) == predicted != list(table(both, "oneshot")["predicted"])
    again = archivable(study(), {**both, f"{FOLDER}/oneshot-predictions.csv": newer})
    assert list(table(again, "oneshot")["predicted"]) == predicted, "what ran again counts"


def test_shares_of_an_auc_that_decides_nothing_are_left_out():
    kept = archivable(study(auc=False), content("oneshot"))
    assert kept[f"{FOLDER}/predictions.csv"].startswith(b"predicted:oneshot,score_a:b:oneshot\n")


def test_a_network_that_saw_other_images_keeps_its_own_file():
    given = {**content("oneshot"), f"{FOLDER}/random-predictions.csv": network(3, images=20).encode()}
    kept = archivable(study(), given)
    assert kept[f"{FOLDER}/random-predictions.csv"] == given[f"{FOLDER}/random-predictions.csv"]
    assert b"random" not in kept[f"{FOLDER}/predictions.csv"]


def test_files_that_do_not_belong_together_are_refused():
    kept = archivable(study(), content("oneshot"))
    kept[f"{FOLDER}/images.csv"] = b"name,group,actual\n1,1,NA\n"
    with pytest.raises(PrunescopeError, match=r"found 1 and 30 rows, wanted the same images; keep the study again"):
        joined.read(Files(Path("x"), kept), FOLDER)


def test_similarities_and_measures_by_class_have_four_digits():
    rows = b"class,images,auc\n1.23456789,100,0.123456\na,100,0.12\nb,100,\nc,100,1.2345678e-05\n"
    kept = archivable(
        study(),
        {f"{FOLDER}/oneshot-classes.csv": rows, "cka/a/dense--oneshot.csv": b",1\n1,-0.987654\n", "download/digits.csv": rows},
    )
    assert kept[f"{FOLDER}/oneshot-classes.csv"] == b"class,images,auc\n1.23456789,100,0.1235\na,100,0.12\nb,100,\nc,100,0.0\n"
    assert kept["cka/a/dense--oneshot.csv"] == b",1\n1,-0.9877\n" and kept["download/digits.csv"] == rows


def test_of_maps_of_many_layers_the_wanted_ones_are_kept_at_two_digits():
    layers = [f"layer.{number}" for number in range(41)]
    rows = "".join(f"{layer}{',0.98765' * 41}\n" for layer in layers)
    deep, small = f",{','.join(layers)}\n{rows}".encode(), b",1\n1,0.98765\n"
    names = [
        f"cka/densenet169-digits-0.8-{seed}/{pair}.csv" for seed in (0, 1) for pair in ("dense--random", "oneshot--iterative")
    ]
    given = {**dict.fromkeys(names, deep), "cka/vgg16-digits-0.8-1/dense--random.csv": small}
    assert set(archivable(study(), given)) == set(given)
    kept = archivable(study(), given, {0: [("random", "dense"), ("oneshot", "iterative")], 1: [("iterative", "oneshot")]})
    assert set(kept) == set(given) - {names[2]}, "the other way round is the same map"
    assert kept[names[0]].splitlines()[1] == f"layer.0{',0.99' * 41}".encode()
    assert kept["cka/vgg16-digits-0.8-1/dense--random.csv"] == b",1\n1,0.9877\n"
    assert archivable(study(), kept) == kept
    wide = f",{','.join(layers)}\n1{',0.98765' * 41}\n".encode()
    assert archivable(study(), {names[0]: wide}, {}) == {}, "a student's few layers beside many"
