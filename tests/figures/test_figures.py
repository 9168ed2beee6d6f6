import io

import matplotlib
import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex
from matplotlib.container import BarContainer
from PIL import Image

from prunescope.errors import PrunescopeError
from prunescope.figures import bars, curves, depth, heatmaps, look
from prunescope.results.curves import table
from report_fakes import CELL, accuracy_of, opened


def test_every_method_has_one_colour():
    found = look.colours(["oneshot", "layerwise", "iterative", "random", "lottery"])
    assert len(set(found.values())) == 6
    assert look.colours(["random", "oneshot"])["oneshot"] == found["oneshot"] == "#0072B2"


def test_bars_are_as_high_as_the_numbers(tree):
    metrics, study = tree(seeds=(0, 1))
    (metrics / "evaluate/vgg16-digits-0.8-0/iterative.json").unlink()
    (metrics / "evaluate/vgg16-digits-0.8-1/iterative.json").unlink()
    before = dict(matplotlib.rcParams)
    figure = bars.accuracy_bars(opened(metrics, study))
    assert dict(matplotlib.rcParams) == before
    axis = figure.axes[0]
    assert axis.get_title() == "vgg16 on digits"
    shown = [bar for bar in axis.containers if isinstance(bar, BarContainer)]
    wanted = [np.mean([accuracy_of("vgg16", m, seed) for seed in (0, 1)]) * 100 for m in ("dense", "oneshot", "layerwise")]
    assert [bar.patches[0].get_height() for bar in shown] == pytest.approx(wanted)
    assert [to_hex(bar.patches[0].get_facecolor()).upper() for bar in shown] == [look.DENSE, "#0072B2", "#D55E00"]
    assert all(bar.errorbar is not None for bar in shown)
    assert "not run" in [text.get_text() for text in axis.texts]


def test_curves_join_prune_and_finetune_and_mark_the_prunings(tree):
    metrics, study = tree(models=("vgg16",))
    figure = curves.training_curves(opened(metrics, study), "vgg16", "digits")
    assert figure is not None
    lines = {to_hex(line.get_color()).upper(): line for line in figure.axes[0].lines if line.get_linestyle() != "None"}
    iterative = np.asarray(lines["#009E73"].get_xdata(), dtype=float)
    assert iterative[0] == 0
    assert iterative[-1] == 40
    assert (np.diff(iterative) >= 0).all()
    assert np.asarray(lines["#009E73"].get_ydata())[-1] == pytest.approx(accuracy_of("vgg16", "iterative", 0) * 100)
    assert np.asarray(lines[look.DENSE].get_ydata())[-1] == pytest.approx(97.5)
    triangles = [line for line in figure.axes[0].lines if line.get_marker() == "v"]
    marks = {to_hex(line.get_color()).upper(): np.size(line.get_xdata()) for line in triangles}
    assert marks == {look.DENSE: 0, "#0072B2": 1, "#D55E00": 6, "#009E73": 8}


def test_layers_pruned_shows_recovery_and_damage(tree):
    metrics, study = tree(models=("vgg16",), seeds=(0, 1))
    figure = bars.layers_pruned(opened(metrics, study), "vgg16", "digits")
    assert figure is not None
    heights = [patch.get_height() for patch in figure.axes[0].patches]  # type: ignore[attr-defined]
    ends = [accuracy_of("vgg16", "layerwise", seed) for seed in (0, 1)]
    recovered = [np.mean(ends) - 0.02 * turn / 6 for turn in range(1, 6)]
    assert heights == pytest.approx([100 * value for value in (*recovered, np.mean(ends))]), "the last bar is the budget's end"
    marks = np.asarray(figure.axes[0].lines[0].get_ydata())
    assert len(marks) == 6
    assert (marks < heights).all()
    lines = {str(line.get_label()): line for line in figure.axes[0].lines}
    assert set(lines) == {"right after pruning", "dense at the same step", "before pruning"}
    ends = np.mean([accuracy_of("vgg16", "dense", seed) for seed in (0, 1)]) * 100
    steps = np.arange(6) * 4  # 24 steps of recovery for six layers; dense rises by 0.2 points in ten steps
    expected = np.interp(steps, [0, 10, 20, 30], ends + np.array([-1, -0.6, -0.4, -0.2]))
    assert np.asarray(lines["dense at the same step"].get_ydata()) == pytest.approx(expected)


def test_both_states_of_batch_norm_are_drawn(tree):
    metrics, study = tree(models=("vgg16",))
    path = metrics / "prune/vgg16-digits-0.8-0/layerwise.csv"
    rows = pd.read_csv(path)
    again = rows[rows["event"] == "pruned"].assign(event="reestimated", accuracy=0.9)
    pd.concat([rows, again]).sort_values(["round", "step"], kind="stable").to_csv(path, index=False)
    results = opened(metrics, study)
    figure = bars.layers_pruned(results, "vgg16", "digits")
    assert figure is not None
    [drawn] = [line for line in figure.axes[0].lines if line.get_label() == "re-estimated"]
    assert np.asarray(drawn.get_ydata()).tolist() == [90.0] * 6
    joined = {name: rows for name, _, rows in results.curves(CELL)}["layerwise"]
    assert len(table(study, results.curves).query("method == 'layerwise'")) == len(joined) - 6, "curves are of what trains on"
    results.summary.loc[results.summary["method"] == "layerwise", "accuracy_after_reestimation"] = 0.8
    axis = bars.accuracy_bars(results).axes[0]
    [mark] = [line for line in axis.lines if line.get_marker() == "^" and np.isfinite(np.asarray(line.get_ydata())).all()]
    assert np.asarray(mark.get_ydata()).tolist() == [80.0]


def test_no_history_no_figure(tmp_path, tree):
    _, study = tree(models=("vgg16",))
    assert curves.training_curves(opened(tmp_path / "empty", study), "vgg16", "digits") is None
    assert bars.layers_pruned(opened(tmp_path / "empty", study), "vgg16", "digits") is None


def test_a_history_without_its_columns_is_named(tree):
    metrics, study = tree(models=("vgg16",))
    (metrics / "prune/vgg16-digits-0.8-0/layerwise.csv").write_text("step,accuracy\n1,0.5\n")
    with pytest.raises(PrunescopeError, match=r"layerwise\.csv: found no column event"):
        bars.layers_pruned(opened(metrics, study), "vgg16", "digits")


def test_a_matrix_is_turned_when_it_lies_the_other_way(tree):
    metrics, study = tree(models=("vgg16",))
    results = opened(metrics, study)
    wide = results.similarity_map(CELL, 0, "student-oneshot", "oneshot")
    tall = results.similarity_map(CELL, 0, "oneshot", "student-oneshot")
    assert wide is not None
    assert tall is not None
    assert wide.shape == (4, 6)
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
    assert len(heatmaps.between(results, CELL, 0, "", "").axes) == 6 + 1  # type: ignore[union-attr]
    assert heatmaps.students(opened(*tree(models=("vgg16",), teachers=())), CELL._replace(sparsity=0.5), 0, "", "") is None


def test_many_labels_are_thinned_out_and_shortened():
    names = [f"features.denseblock3.denselayer{i}.conv2" for i in range(1, 170)]
    matrix = pd.DataFrame(np.eye(169), index=names, columns=names)
    figure = heatmaps.heatmaps([("a", matrix)], "", "", columns=1)
    assert figure is not None
    labels = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert labels[0] == "b3.l1.conv2"
    assert 10 <= len(labels) <= 20


def test_the_same_numbers_give_the_same_bytes(tree):
    metrics, study = tree(models=("vgg16",))
    results = opened(metrics, study)
    first, second = (look.png(bars.accuracy_bars(results)) for _ in range(2))
    assert first == second
    assert Image.open(io.BytesIO(first)).size[0] <= 1152


def test_curves_by_depth_show_every_pair_and_yardstick(tree):
    metrics, study = tree(models=("vgg16",), seeds=(0, 1))
    figure = depth.by_depth(opened(metrics, study), CELL, 0, "n = 256")
    assert figure is not None
    left, right = figure.axes
    labels = [[line.get_label() for line in axis.get_lines()] for axis in (left, right)]
    assert labels[0][:3] == ["dense and oneshot", "dense and layerwise", "dense and iterative"]
    assert labels[1][:3] == ["oneshot and layerwise", "oneshot and iterative", "layerwise and iterative"]
    for shown in labels:
        assert shown[3:] == ["dense and untrained", "dense of two seeds"]
    curve = pd.read_csv(metrics / "cka/vgg16-digits-0.8-0/depth.csv").query("pair == 'dense--layerwise'")
    assert list(np.asarray(left.get_lines()[1].get_ydata())) == curve["cka"].tolist()
    assert "n = 256" in str(figure.get_suptitle())
    assert depth.by_depth(opened(metrics, study), CELL._replace(sparsity=0.5), 0, "") is None
