"""Planted studies with a known answer: the page says that answer. Accuracies, and predictions that fit them, by seed."""

import re
from pathlib import Path

import numpy as np
import pytest

from prunescope.report import page
from prunescope.results.results import Results
from report_fakes import make_study, opened, plant

SEEDS, IMAGES, CLASSES = (0, 1, 2, 3), 1000, "abcd"
NETWORKS = ("dense", "oneshot", "layerwise", "iterative")
LAYERS = {"vgg16": 3, "densenet169": 3}


def planted(folder: Path, lost: dict[str, float], *, noise: float = 0.004, harmed: tuple[str, float] | None = None) -> str:
    """The page (Markdown) of two models and levels whose networks lose these shares of accuracy, with noise between seeds.

    harmed: a class of which layerwise loses this share of recall instead.
    """
    study = make_study(seeds=SEEDS, sparsities=(0.8, 0.5), primary={"digits": "accuracy"})
    plant(folder / "metrics", study, LAYERS, cka=False)
    generator = np.random.default_rng(7)
    results = opened(folder / "metrics", study)
    summary = results.summary
    actual = np.array(list(CLASSES * (IMAGES // len(CLASSES))))
    for number, of in summary[summary["kind"] != "student"].iterrows():
        level = "" if of["method"] in ("base", "dense") else f"{of['sparsity']}-"
        order = np.random.default_rng(int(of["seed"])).permutation(IMAGES)  # networks of a seed lose the same images first
        right = order >= IMAGES * (0.1 + lost.get(of["method"], 0.0) + noise * generator.normal())
        if harmed and of["method"] == "layerwise":
            right &= (actual != harmed[0]) | (generator.random(IMAGES) > harmed[1])
        predicted = np.where(right, actual, np.where(actual == "a", "b", "a"))
        summary.loc[number, ["accuracy", "balanced_accuracy"]] = right.mean()  # type: ignore[index]
        rows = "".join(
            f"{place},{place},{one},{other}\n" for place, (one, other) in enumerate(zip(actual, predicted, strict=True))
        )
        path = folder / f"metrics/evaluate/{of['model']}-digits-{level}{of['seed']}/{of['method']}-predictions.csv"
        path.write_text(f"name,group,actual,predicted\n{rows}", encoding="utf-8")
    page.write(Results(study, results.files, summary), folder / "out", provenance={}, reproduce=[], html=False)
    return (folder / "out/report.md").read_text(encoding="utf-8")


def verdict(text: str, number: int) -> str:
    """Of a conclusion, in these networks."""
    [found] = re.findall(
        rf"(?m)^\| {number} \| ([a-z ]+) \| [a-z –]+ \| [A-Z]", text.split("## Claims")[1].split("<details>")[0]
    )[:1]
    return found


def first_screen(text: str) -> str:
    return text.split("## Claims")[0].replace("\\", "")


def pairs(text: str) -> list[str]:
    """The verdicts of the table of differences."""
    text = text.split("## Causes and controls")[0]
    return re.findall(
        r"(?m)^\| \w+ \| digits \| [\d.]+ \| \w+ − \w+ \| .*? \| (better|worse|equal within the margin|not enough data) \|", text
    )


@pytest.fixture(autouse=True)
def no_pictures(monkeypatch):
    monkeypatch.setattr("prunescope.report.drawn._png", lambda *_: b"")


def test_nothing_differs(tmp_path):
    text = planted(tmp_path, {})
    assert "it is not shown that the way of pruning matters" in text
    assert set(pairs(text)) <= {"equal within the margin", "not enough data"} and len(pairs(text)) == 24
    assert "no class is shown to lose recall" in text
    assert "Losses, shown" not in first_screen(text)
    assert verdict(text, 1) in ("equal within the margin", "not enough data")


def test_layerwise_is_worse(tmp_path):
    text = planted(tmp_path, {"layerwise": 0.05})
    assert "The way of pruning matters in 4 of 4 cells" in text and "from layerwise" in text
    assert re.search(
        r"Losses, shown to be below dense, .* 12 comparisons: \w+ on digits at \d+ % layerwise −\d\.\d points of accuracy; ",
        first_screen(text),
    )
    assert "oneshot" not in first_screen(text).split("Losses, shown")[1].split("\n")[0], "it loses nothing"
    assert verdict(text, 2) == "holds"
    assert verdict(text, 1) in ("does not hold", "not enough data"), "iterative is no better than one-shot"
    assert pairs(text).count("worse") == 8 and pairs(text).count("better") == 4, "than dense and one-shot; iterative than it"


def test_a_difference_that_is_certain_and_does_not_matter(tmp_path):
    """0.4 points between networks that hardly vary: certain, and less than the margin of 1."""
    text = planted(tmp_path, {"oneshot": 0.004, "layerwise": 0.004}, noise=0.0005)
    assert set(pairs(text)) == {"equal within the margin"}
    safe = "every method of " + ", ".join([r"\S+ on digits at 50 and 80 %"] * 2)
    assert re.search(rf"allowing for all 12 comparisons: {safe}\.", first_screen(text))
    assert re.search(r"layerwise − dense \| 4 \| accuracy \| −0\.\d\d \\\[−0\.\d\d, −0\.\d\d\\\]", text), "without zero"
    assert [verdict(text, number) for number in (1, 2)] == ["equal within the margin"] * 2


def test_iterative_is_best_and_layerwise_worst(tmp_path):
    text = planted(tmp_path, {"oneshot": 0.05, "layerwise": 0.1})
    assert [verdict(text, number) for number in (1, 2)] == ["holds", "holds"]


def test_one_class_is_harmed(tmp_path):
    text = planted(tmp_path, {}, harmed=("c", 0.4))
    pays = r"Who pays, points of a class's recall: shown: c −\d\d\.\d with layerwise of \w+ on digits at \d+ %; c −"
    assert re.search(pays, first_screen(text))
    assert re.search(r"4 losses of a class are shown .* the largest that of c, which layerwise costs \d\d\.\d points", text)
    marked = re.findall(r"(?m)^\| \w+ \| digits \| [\d.]+ \| (\w) \| 250 \|.*••.*$", text)
    assert marked == ["c"] * 4
