"""How alike networks are: numbers with their yardsticks, against what stands in the files."""

import json

import numpy as np
import pytest

from prunescope.errors import PrunescopeError
from prunescope.evidence import likeness
from report_fakes import CELL, opened


def write_predictions(metrics, cell: str, name: str, predicted: str) -> None:
    path = metrics / "evaluate" / cell / f"{name}-predictions.csv"
    rows = [f"image-{number},{number},a,{label}" for number, label in enumerate(predicted)]
    path.write_text("name,group,actual,predicted\n" + "\n".join(rows) + "\n")


def test_pairs_have_intervals_agreement_and_overlap(tree):
    metrics, study = tree(models=("vgg16",))
    write_predictions(metrics, "vgg16-digits-0", "dense", "aabb")
    write_predictions(metrics, "vgg16-digits-0.8-0", "oneshot", "aaba")
    table = likeness.similarity_table(opened(metrics, study)).set_index("networks")
    row = table.loc["dense and oneshot"]
    assert str(row["same layers, mean CKA"]) == "0.900"
    assert str(row["same prediction %"]) == "75.0"
    assert table.loc["oneshot and layerwise", "kept weights shared (by chance)"] == "0.600 (0.111)"
    assert table.loc["dense and iterative", "kept weights shared (by chance)"] == "–"
    assert table.loc["dense and layerwise", "same prediction %"] == "–"
    assert table.loc["dense and untrained", "same layers, mean CKA"] == "0.300"
    assert not any("seeds" in name for name in table.index)
    each = likeness.seeds_table(opened(metrics, study)).set_index("networks")
    assert each.loc["dense and oneshot", "same layers, mean CKA"] == "0.900 (0.880 to 0.920)"
    [inside] = likeness.inside_table(opened(metrics, study)).to_dict("records")
    assert (inside["n"], inside["dense"], inside["layerwise"]) == ("1", "0.500", "0.520")


def test_seeds_are_taken_together_and_missing_cells_said(tree):
    metrics, study = tree(models=("vgg16",), seeds=(0, 1), sparsities=(0.8, 0.5))
    for path in metrics.glob("cka/vgg16-digits-0.5-*.json"):
        path.unlink()
    path = metrics / "cka/vgg16-digits-0.8-1.json"
    known = json.loads(path.read_text())
    known["diagonal"]["dense--oneshot"]["value"] = 0.8
    known["off_diagonal"]["dense"]["value"] = None
    path.write_text(json.dumps(known))
    table = likeness.similarity_table(opened(metrics, study))
    found = table[table["sparsity %"] == "80.0"].set_index("networks")
    assert (found.loc["dense and oneshot", "n"], found.loc["dense and oneshot", likeness.SAME]) == ("2", "0.850 ± 0.071")
    assert table[table["sparsity %"] == "50.0"]["networks"].tolist() == ["not run"]
    assert likeness.inside_table(opened(metrics, study))["n"].tolist() == ["2", "not run"]
    assert likeness.inside_table(opened(metrics, study))["dense"].tolist() == ["0.500", "–"]
    each = likeness.seeds_table(opened(metrics, study))
    assert len(each) == 2 * 7 + 1


def test_two_seeds_are_a_yardstick(tree):
    metrics, study = tree(models=("vgg16",), seeds=(0, 1))
    apart = opened(metrics, study).dense_seeds(CELL, 0, 1)
    assert apart is not None
    x, y = (np.load(metrics / "cka" / f"vgg16-digits-0.8-{seed}" / "dense.npz") for seed in (0, 1))
    weights = {"batch0": 7 / 5, "batch1": 6 / 4}  # 28 pairs are of 8 images, 21 of 7
    sums = [sum(w * (a[b] * c[b]).sum(1) for b, w in weights.items()) for a, c in ((x, y), (x, x), (y, y))]
    np.testing.assert_allclose(apart, sums[0] / np.sqrt(sums[1] * sums[2]), rtol=1e-5)
    table = likeness.similarity_table(opened(metrics, study))
    row = table[table["networks"] == "dense of two seeds"]
    assert row[["sparsity %", "n", "same layers, mean CKA"]].to_numpy().tolist() == [["0.0", "1 pairs", f"{np.mean(apart):.3f}"]]
    np.savez(metrics / "cka" / "vgg16-digits-0.8-1" / "dense.npz", batch0=np.ones((6, 28)))
    with pytest.raises(PrunescopeError, match="other layers or images"):
        opened(metrics, study).dense_seeds(CELL, 0, 1)


def test_predictions_of_other_images_are_refused(tree):
    metrics, study = tree(models=("vgg16",))
    write_predictions(metrics, "vgg16-digits-0", "dense", "aab")
    write_predictions(metrics, "vgg16-digits-0.8-0", "oneshot", "aabb")
    with pytest.raises(PrunescopeError, match="other test images"):
        likeness.similarity_table(opened(metrics, study))


def test_a_cell_without_similarity_has_no_rows(tree):
    metrics, study = tree(models=("vgg16",))
    (metrics / "cka/vgg16-digits-0.8-0.json").unlink()
    assert likeness.similarity_table(opened(metrics, study)).empty
    (metrics / "cka/vgg16-digits-0.8-0.json").write_text(json.dumps({"off_diagonal": {"dense": {"value": None}}}))
    assert likeness.inside_table(opened(metrics, study))["dense"].tolist() == ["–"]
