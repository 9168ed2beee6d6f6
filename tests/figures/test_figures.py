import io

import numpy as np
import pandas as pd
import pytest
from PIL import Image

import drawn
from prunescope.errors import PrunescopeError
from prunescope.evidence import plotted
from prunescope.evidence.differences import between
from prunescope.figures import depth, forest, heatmaps, levels, look, training
from prunescope.figures.drawing import SCALE, WIDTH, Drawing
from prunescope.figures.names import known
from prunescope.results.curves import table
from report_fakes import CELL, accuracy_of, opened


def test_every_method_has_one_colour():
    found = look.colours(["oneshot", "layerwise", "iterative", "random", "lottery"])
    assert len(set(found.values())) == 6
    assert look.colours(["random", "oneshot"])["oneshot"] == found["oneshot"] == "#0072B2"


def test_a_forest_plot_has_a_point_a_seed_and_the_interval_of_the_table(tree):
    metrics, study = tree(seeds=(0, 1, 2))
    (metrics / "evaluate/vgg16-digits-0.8-0/iterative.json").unlink()
    results = opened(metrics, study)
    for seed in (1, 2):  # seeds that all differ alike show no spread
        mine = (results.summary["seed"] == seed) & (results.summary["method"] == "oneshot")
        results.summary.loc[mine, "balanced_accuracy"] -= 0.001 * seed
    means, seeds = plotted.to_dense(results, every_level=False)
    drawing = forest.forest(means, seeds, study.methods, 1.0, {"digits": "balanced accuracy"})
    assert drawn.titles(drawing) == ["digits, vgg16", "digits, densenet169"]
    points = drawn.rows(drawing, "circle")
    assert points.groupby("method").size().to_dict() == {"oneshot": 3, "layerwise": 3, "iterative": 2}
    found = between(results, CELL, "oneshot", "dense").judgement.estimate
    shown = drawn.rows(drawing, "point").set_index("method").loc["oneshot"]
    assert [shown[end] for end in ("mean", "low", "high")] == pytest.approx([found.mean, found.low, found.high], abs=1e-3)
    band = drawn.rows(drawing, "rect")
    assert band.to_dict("records") == [{"low": -1.0, "high": 1.0}]
    domains = [
        of["encoding"]["x"]["scale"]["domain"]
        for panel in (0, 1)
        for of in drawn.layers(drawing, panel)
        if of["mark"] == "circle"
    ]
    assert domains[0] == domains[1], "the models of a data set share their scale"
    assert domains[0][0] < min(points["difference"]) and domains[0][1] > 1


def test_curves_join_prune_and_finetune_and_have_the_control_beside_each_method(tree):
    metrics, study = tree(models=("vgg16",), seeds=(0, 1))
    drawing = training.training_curves(opened(metrics, study), "vgg16", "digits")
    assert drawing is not None and drawn.titles(drawing) == ["oneshot, 80 %", "layerwise, 80 %", "iterative, 80 %"]
    dense, iterative = (drawn.rows(drawing, "line", panel=2, number=number) for number in (0, 1))
    assert iterative["step"].iloc[[0, -1]].tolist() == [0, 40] and iterative["step"].is_monotonic_increasing
    ends = [accuracy_of("vgg16", "iterative", seed) * 100 for seed in (0, 1)]
    assert iterative["mean"].iloc[-1] == pytest.approx(np.mean(ends), abs=1e-3)
    assert iterative[["low", "high"]].iloc[-1].tolist() == pytest.approx([min(ends), max(ends)], abs=1e-3), "the seeds' range"
    assert dense["mean"].iloc[-1] == pytest.approx(
        100 * np.mean([accuracy_of("vgg16", "dense", seed) for seed in (0, 1)]), abs=1e-3
    )


def bars_of(drawing: Drawing) -> dict[str, pd.Series]:
    """By what is shown the accuracy by number of layers."""
    every = pd.concat([of["rows"] for of in drawn.layers(drawing)])
    return {str(what): of.set_index("layers")["accuracy"] for what, of in every.groupby("what", sort=False)}


def test_layers_pruned_shows_recovery_and_damage(tree):
    metrics, study = tree(models=("vgg16",), seeds=(0, 1))
    drawing = training.layers_pruned(opened(metrics, study), "vgg16", "digits")
    assert drawing is not None and drawn.titles(drawing) == ["layerwise, 80 %, n = 2"]
    shown = bars_of(drawing)
    assert set(shown) == {"after recovery", "right after pruning", "dense at the same step"}
    heights = shown["after recovery"]
    ends = np.mean([accuracy_of("vgg16", "layerwise", seed) for seed in (0, 1)])
    wanted = [100 * (ends - 0.02 * turn / 6) for turn in range(1, 6)] + [100 * ends]
    assert heights.loc[1:].tolist() == pytest.approx(wanted, abs=1e-3), "the last bar is the budget's end"
    assert heights.index[0] == 0, "before anything was pruned"
    assert len(shown["right after pruning"]) == 6 and (shown["right after pruning"] < heights.loc[1:]).all()
    dense = np.mean([accuracy_of("vgg16", "dense", seed) for seed in (0, 1)]) * 100
    steps = np.array([12, 16, 20])  # 24 of recovery for six layers; dense is first measured at 10, and rises by 0.2 in ten
    expected = np.interp(steps, [10, 20], dense + np.array([-0.6, -0.4]))
    assert shown["dense at the same step"].tolist() == pytest.approx(expected, abs=1e-3)


def test_both_states_of_batch_norm_are_drawn(tree):
    metrics, study = tree(models=("vgg16",))
    path = metrics / "prune/vgg16-digits-0.8-0/layerwise.csv"
    rows = pd.read_csv(path)
    again = rows[rows["event"] == "pruned"].assign(event="reestimated", accuracy=0.9)
    pd.concat([rows, again]).sort_values(["round", "step"], kind="stable").to_csv(path, index=False)
    results = opened(metrics, study)
    drawing = training.layers_pruned(results, "vgg16", "digits")
    assert drawing is not None and bars_of(drawing)["right after, re-estimated"].tolist() == [90.0] * 6
    joined = {name: rows for name, _, rows in results.curves(CELL)}["layerwise"]
    assert len(table(study, results.curves).query("method == 'layerwise'")) == len(joined) - 6, "curves are of what trains on"


def test_no_history_no_figure(tmp_path, tree):
    _, study = tree(models=("vgg16",))
    assert training.training_curves(opened(tmp_path / "empty", study), "vgg16", "digits") is None
    assert training.layers_pruned(opened(tmp_path / "empty", study), "vgg16", "digits") is None


def test_levels_have_the_control_as_a_band_and_what_is_safe_as_squares():
    keys = {"dataset": "digits", "model": "vgg16"}
    ends = [
        {"sparsity": level, "value": value, "low": value - 1, "high": value + 1} for level, value in ((0.5, 90.0), (0.9, 70.0))
    ]
    rows = [keys | of | {"method": "oneshot", "safe": of["sparsity"] < 0.8} for of in ends]
    dense = pd.DataFrame([keys | {"value": 91.0}])
    drawing = levels.against_sparsity(pd.DataFrame(rows), dense, ("oneshot",), 2.0, {"digits": "accuracy"})
    assert drawn.rows(drawing, "rect")[["low", "high"]].to_numpy().tolist() == [[89.0, 93.0]]
    marks = {of["look"]["shape"]: of["rows"]["removed"].tolist() for of in drawn.layers(drawing) if of["mark"] == "point"}
    assert marks == {"circle": [90.0], "square": [50.0]}


def test_the_front_has_what_nothing_beats_in_both():
    rows = pd.DataFrame({"network": list("abcd"), "megabytes": [1.0, 2.0, 3.0, 4.0], "value": [50.0, 49.0, 70.0, 70.0]})
    assert levels.front(rows, "megabytes")["network"].tolist() == ["a", "c"], "b is dearer and worse, d dearer and no better"


def test_each_runtime_has_a_front_of_its_own_in_time():
    """Its times are to the dense network in the same runtime: between two of them they say nothing."""
    keys = {"dataset": "digits", "model": "vgg16", "method": "oneshot", "megabytes": 3.0}
    rows = pd.DataFrame([
        keys | {"network": name, "value": value, "times": times, "format": form}
        for name, value, times, form in (("a", 90.0, 1.0, "torch, fp32"), ("b", 91.0, 0.5, "int8"), ("c", 90.5, 1.0, "fp32"))
    ])  # fmt: skip
    sizes, times = levels.trade_off(rows, ("oneshot",), {"digits": "accuracy"}).specs()
    assert [layer["mark"]["type"] for layer in sizes["layer"]] == ["line", "point"]
    assert [layer["mark"]["type"] for layer in times["layer"]] == ["line", "line", "point"]


def test_networks_that_were_not_timed_are_in_the_figure_of_sizes_alone():
    keys = {"dataset": "digits", "model": "vgg16", "network": "dense", "method": "dense", "value": 90.0, "format": "torch, fp32"}
    rows = pd.DataFrame([keys | {"megabytes": 3.0, "times": np.nan}])
    drawing = levels.trade_off(rows, ("oneshot",), {"digits": "accuracy"})
    assert [panel["layer"][0]["encoding"]["x"]["field"] for panel in drawing.specs()] == ["megabytes"]


def test_a_history_without_its_columns_is_named(tree):
    metrics, study = tree(models=("vgg16",))
    (metrics / "prune/vgg16-digits-0.8-0/layerwise.csv").write_text("step,accuracy\n1,0.5\n")
    with pytest.raises(PrunescopeError, match=r"layerwise\.csv: found no column event"):
        training.layers_pruned(opened(metrics, study), "vgg16", "digits")


def test_a_matrix_is_turned_when_it_lies_the_other_way(tree):
    metrics, study = tree(models=("vgg16",))
    results = opened(metrics, study)
    wide = results.similarity_map(CELL, 0, "student-oneshot", "oneshot")
    tall = results.similarity_map(CELL, 0, "oneshot", "student-oneshot")
    assert wide is not None
    assert tall is not None and wide.shape == (4, 6)
    pd.testing.assert_frame_equal(tall, wide.T)
    assert results.similarity_map(CELL, 0, "dense", "absent") is None
    assert wide.index[0] == "features.0"
    (metrics / "cka/vgg16-digits-0.8-0/dense--dense.csv").write_text(",a\na,high\n")
    with pytest.raises(PrunescopeError, match="dense--dense"):
        heatmaps.inside(opened(metrics, study), CELL, 0, "title", "note")


def test_heat_maps_share_one_scale_and_show_what_is_undefined(tree):
    results = opened(*tree(models=("vgg16",)))
    figure = heatmaps.inside(results, CELL, 0, "title", "n = 256")
    assert figure is not None
    images = [axis.images[0] for axis in figure.axes if axis.images]
    assert len(images) == 4
    assert {image.get_clim() for image in images} == {(0, 1)}
    assert all(axis.get_aspect() == 1 for axis in figure.axes[:4])
    assert np.ma.getmaskarray(np.ma.asarray(images[2].get_array()))[2].all()
    assert figure.get_suptitle() == "title\nn = 256"
    pixels = np.asarray(Image.open(io.BytesIO(look.png(figure, heatmaps.palette(), dpi=60))).convert("RGB"))
    colours = {tuple(pixel) for pixel in pixels.reshape(-1, 3).tolist()}
    assert any(abs(r - 0xB3) < 6 and r == g == b for r, g, b in colours)
    assert min(abs(r - 253) + abs(g - 231) + abs(b - 37) for r, g, b in colours) < 8  # viridis at 1, the diagonal
    panels = heatmaps.between(results, CELL, 0, "", "").axes[:-1]  # type: ignore[union-attr]
    named = [(bool(axis.get_yticklabels()), bool(axis.get_xticklabels())) for axis in panels]
    assert named == [(True, False), (False, False), (False, False), (True, True), (False, True), (False, True)]
    assert heatmaps.pairs("abcde", "between") == [*(("dense", name) for name in "abcde"), *map(tuple, ("ab", "ac", "bc"))]
    assert heatmaps.students(opened(*tree(models=("vgg16",), teachers=())), CELL._replace(sparsity=0.5), 0, "", "") is None


def test_many_labels_are_thinned_out_and_shortened():
    names = [f"features.denseblock3.denselayer{i}.conv2" for i in range(1, 170)]
    matrix = pd.DataFrame(np.eye(169), index=names, columns=names)
    figure = heatmaps.heatmaps([("a", matrix)], "", "")
    assert figure is not None
    labels = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert labels[0] == "b3.l1.conv2" and 10 <= len(labels) <= 20


def test_the_same_numbers_give_the_same_bytes_and_fit_a_page(tree):
    metrics, study = tree(models=("vgg16",))
    drawing = training.layers_pruned(opened(metrics, study), "vgg16", "digits")
    assert drawing is not None
    first, second = (drawing.png() for _ in range(2))
    assert first == second
    assert Image.open(io.BytesIO(first)).size[0] <= 1.1 * WIDTH * SCALE


def test_curves_by_depth_show_every_pair_and_yardstick(tree):
    metrics, study = tree(models=("vgg16",), seeds=(0, 1))
    results = opened(metrics, study)
    drawing = depth.by_depth(results, CELL, 0)
    assert drawing is not None
    left, right = (drawn.rows(drawing, "line", panel) for panel in (0, 1))
    yardsticks = ["dense, untrained", "dense, other seed"]
    assert list(dict.fromkeys(left["what"])) == [*study.methods, *yardsticks]
    pairs = ["oneshot and layerwise", "oneshot and iterative", "layerwise and iterative"]
    assert list(dict.fromkeys(right["what"])) == [*pairs, *yardsticks]
    hues = drawn.layers(drawing)[-1]["encoding"]["color"]["scale"]["range"]
    assert len({*hues}) == len(hues) == 5, "a legend shows no dashes"
    curve = pd.read_csv(metrics / "cka/vgg16-digits-0.8-0/depth.csv").query("pair == 'dense--layerwise'")
    assert left[left["what"] == "layerwise"]["cka"].tolist() == pytest.approx(curve["cka"].tolist(), abs=1e-4)
    assert left["layer"].iloc[0] == "conv1_1"
    assert depth.by_depth(results, CELL._replace(sparsity=0.5), 0) is None


def test_of_many_layers_every_curve_is_smoothed_alike():
    """The yardsticks too: a curve that is smoother than its yardstick looks more alike than it is."""
    rough = pd.DataFrame({"place": range(60), "layer": "x", "cka": [0.2, 0.8] * 30})
    assert depth.smooth(rough, 60)["cka"].std() < 0.1 and len(depth.smooth(rough.head(20), 20)) == 20
    assert depth.smooth(rough.head(20), 20)["cka"].tolist() == [0.2, 0.8] * 10


@pytest.mark.parametrize(("indices", "wanted"), [
    ([0, 3, 7, 10, 14, 17, 20], ["conv1_1", "conv1_2", "conv2_1", "conv2_2", "conv3_1", "conv3_2", "conv3_3"]),  # vgg16_bn
    ([0, 2, 5, 7, 10], ["conv1_1", "conv1_2", "conv2_1", "conv2_2", "conv3_1"]),  # vgg16
    ([0, 4, 8, 11, 15, 18], ["conv1_1", "conv2_1", "conv3_1", "conv3_2", "conv4_1", "conv4_2"]),  # vgg11_bn
])  # fmt: skip
def test_layers_have_the_names_of_papers(indices, wanted):
    names = [f"features.{index}" for index in indices]
    assert known([*names, "classifier.0", "classifier.6"]) == [*wanted, "fc1", "fc2"]
    assert known(["features.0", "features.3.squeeze", "classifier.1"]) == ["0", "3.squeeze", "classifier.1"], "SqueezeNet's"
    assert known(["features.denseblock3.denselayer12.conv2", "classifier"]) == ["denseblock3.layer12.conv2", "classifier"]


def test_names_are_those_of_the_real_networks():
    from torchvision.models import vgg16_bn

    layers = [name for name, module in vgg16_bn().named_modules() if type(module).__name__ in ("Conv2d", "Linear")]
    assert known(layers)[-6:] == ["conv5_1", "conv5_2", "conv5_3", "fc1", "fc2", "fc3"]
    assert len(set(known(layers))) == 16
