import json
import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from prunescope.evidence.claims import WORDS
from prunescope.evidence.verdicts import rules
from prunescope.report import page, records
from report_fakes import make_study, opened, plant, plant_predictions, write_json


class Reader(HTMLParser):
    """Collects the tags with their attributes and the cells of all tables."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        if data.strip():
            self.text.append(data.strip())

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


def make(folder: Path, study: Any, **changes: Any) -> tuple[str, str]:
    given: dict[str, Any] = {"provenance": {"commit": "0123abc"}, "reproduce": ["dvc repro"]}
    page.write(opened(folder / "metrics", study), folder / "out", **(given | changes))
    html = (folder / "out/report.html").read_text(encoding="utf-8")
    return html, (folder / "out/report.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> tuple[Path, str, str]:
    """A report of two models, one of them with students and layer similarity."""
    folder = tmp_path_factory.mktemp("whole")
    study = make_study()
    plant(folder / "metrics", study)
    shutil.rmtree(folder / "metrics/cka/densenet169-digits-0.8-0")
    return folder, *make(folder, study)


def test_the_page_needs_nothing_but_itself(made):
    _, html, _ = made
    reader = Reader(html)
    assert {str(attributes) for attributes in reader.all("script")} == {"{}", "{'type': 'application/json'}"}, "inline only"
    assert not reader.all("link")
    [library] = [text for text in re.findall(r"<script>(.*?)</script>", html, re.DOTALL) if "vegaEmbed=" in text[-300:]]
    assert 500_000 < len(library) < 1_000_000
    assert not re.search(r"(?:src|href|url\(|@import)\s*=?\s*[\"'(]?\s*(?:https?:)?//", html.replace(library, ""))
    for _, attributes in reader.tags:
        assert (attributes.get("src") or "data:").startswith("data:image/png;base64,") or "src" not in attributes
        assert (attributes.get("href") or "#").startswith("#")
    assert len(html) < 4_000_000


def test_every_picture_has_an_alternative_text_and_every_section_a_target(made):
    _, html, _ = made
    reader = Reader(html)
    figures = [figure for figure in reader.all("figure") if figure.get("class") == "plot"]
    assert len(figures) == 1 + 1 + 1 + 2 * 2 + 1  # forest; the paper's; costs; curves and layers; CKA by depth of one
    assert all(len(figure["aria-label"] or "") > 20 for figure in figures)
    assert [figure for figure in reader.all("figure") if figure.get("class") == "maps"], "heat maps to choose from"
    targets = {attributes["id"] for attributes in reader.all("h2")}
    assert {"#" + str(target) for target in targets} == {link["href"] for link in reader.all("a")}
    order = ["Answer", "Claims", "Accuracy", "Who pays", "Causes and controls", "Budgets and costs", "Training", "Students"]
    order += ["Layer similarity", "Data"]
    assert re.findall(r"<h2 id=[^>]*>(.*?)</h2>", html) == [*order, "Provenance", "How to reproduce"]


def test_numbers_on_the_page_are_those_of_the_files(made):
    folder, html, markdown = made
    cells = 0
    for path in sorted((folder / "metrics/evaluate").glob("*/*.json")):
        if path.stem.endswith("-latency"):
            continue
        accuracy = json.loads(path.read_text())["accuracy"]
        assert f"<td>{accuracy * 100:.1f}</td>" in html
        assert f" {accuracy * 100:.1f} " in markdown
        cells += 1
    assert cells == 2 * 5 + 5
    for text in ("1,077", "101 to 110", "0.520", "Example CPU", "0123abc", "ab" * 32, "debiased"):
        assert text in html + markdown, text
    assert records.STORAGE in html
    assert "None of the paper&#39;s accuracies belongs to a cell of this study." in html
    assert "iterative best in 7 of 8" in html and "layerwise worst in 5 of 8" in html, "the paper's own table"


def test_markdown_shows_the_pictures_that_were_written(made):
    folder, html, markdown = made
    names = re.findall(r"\]\(figures/([^)]+)\)", markdown)
    assert sorted(names) == sorted(path.name for path in (folder / "out/figures").iterdir())
    drawn_here = [name for name in names if not re.match("cka-(inside|between|students)", name)]
    assert len(drawn_here) == html.count('<figure class="plot"') and len(names) == len(drawn_here) + 3
    lines = markdown.splitlines()
    heads = [place for place, line in enumerate(lines) if line.startswith("| :--")]
    assert len(heads) > 10
    for place in heads:
        assert lines[place - 2] == "", "a table begins after an empty line"
        assert lines[place].count("|") == lines[place - 1].replace("\\|", "").count("|")


def test_the_rules_are_a_folded_list(made):
    _, html, markdown = made
    [rules] = re.findall(r"<summary>How it is decided\.</summary>\s*<ul class=\"bullets\">(.*?)</ul>", html, re.DOTALL)
    assert rules.count("<li><b>") > 10 and "<b>Better, worse</b>: shown to be unlike zero." in rules
    [listed] = re.findall(r"<summary>How it is decided\.</summary>\n\n(.*?)\n\n</details>", markdown, re.DOTALL)
    assert all(line.startswith("- ") for line in listed.splitlines()) and len(listed.splitlines()) == rules.count("<li>")


def test_what_has_not_changed_is_not_drawn_again(tmp_path):
    study = make_study(models=("vgg16",), seeds=(0, 1))
    plant(tmp_path / "metrics", study)
    make(tmp_path, study)
    before = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "out/figures").iterdir()}
    (tmp_path / "out/figures/left-over.png").write_bytes(b"of an earlier study")
    make(tmp_path, study)
    assert {path.name: path.stat().st_mtime_ns for path in (tmp_path / "out/figures").iterdir()} == before
    path = tmp_path / "metrics/cka/vgg16-digits-0.8-0/dense--oneshot.csv"
    path.write_text(path.read_text().replace("0.", "0.1", 3))
    make(tmp_path, study)
    after = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "out/figures").iterdir()}
    assert {name for name in before if before[name] != after[name]} >= {"cka-between-vgg16-digits-0.8-0.png"}
    assert before["forest.png"] == after["forest.png"]


def test_copies_of_figures_outlive_a_folder_that_is_emptied(tmp_path, monkeypatch):
    study = make_study(models=("vgg16",), seeds=(0, 1))
    plant(tmp_path / "metrics", study)
    make(tmp_path, study, figures=tmp_path / "copies")
    first = {path.name: path.read_bytes() for path in (tmp_path / "out/figures").iterdir()}
    shutil.rmtree(tmp_path / "out")
    monkeypatch.setattr("prunescope.report.drawn._png", lambda *_: pytest.fail("drawn again"))
    make(tmp_path, study, figures=tmp_path / "copies")
    assert {path.name: path.read_bytes() for path in (tmp_path / "out/figures").iterdir()} == first


def test_missing_cells_and_stages_are_said(tmp_path):
    study = make_study(models=("vgg16",), teachers=())
    plant(tmp_path / "metrics", study, cka=False)
    removed = sorted((tmp_path / "metrics").rglob("layerwise.*"))
    assert len(removed) == 5
    for path in removed:
        path.unlink()
    html, markdown = make(tmp_path, study)
    assert "<td>not run</td>" in html
    assert "Layer similarity (CKA): not run." in markdown
    assert "No model of this study teaches a student." in markdown
    assert "There is no answer yet" in markdown


def test_a_level_of_one_model_that_did_not_run(tmp_path):
    """Three seeds, and DenseNet169 at the first level alone: all sentences are of what ran."""
    study = make_study(seeds=(0, 1, 2), sparsities=(0.8, 0.5))
    plant(tmp_path / "metrics", study)
    plant_predictions(tmp_path / "metrics", study)
    for path in [*tmp_path.glob("metrics/*/densenet169-*-0.5-*")]:
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    _, markdown = make(tmp_path, study)
    assert "In 3 cells (model, data set, sparsity; 1 more did not run in full)" in markdown
    sections = dict(zip(*[iter(re.split(r"(?m)^## (.*)$", markdown)[1:])] * 2, strict=True))
    assert "Not run, and left out: densenet169 on digits at 50 %." in sections["Answer"]
    assert not re.search(r"\| densenet169 \| digits \| 50\.0 \|.*not run", markdown), "no row for what never ran"
    assert "that did not |" not in sections["Claims"], "one more level of a network that ran decides nothing"
    assert "•" in sections["Who pays"]
    assert not list(tmp_path.glob("out/figures/*densenet169-*-0.5*")), "no figure of what did not run"
    assert len(list(tmp_path.glob("out/figures/confusion-*"))) == 3


def test_nothing_run_still_makes_a_page(tmp_path):
    html, markdown = make(tmp_path, make_study(models=("vgg16",)))
    assert "There is no answer yet" in html
    assert markdown.count("not run") >= 4 + 5 + 4 + 4 + 1


def test_names_are_text_not_markup(tmp_path):
    study = make_study(models=("vgg16",), methods=("<b>$x$|_",), name="<script>alert(1)</script>")
    plant(tmp_path / "metrics", study, cka=False)
    html, markdown = make(tmp_path, study, provenance={"a|b": "<img src=x> & `c`"}, reproduce=["echo '<i>'"])
    reader = Reader(html)
    subjects = {rule.partition(": ")[0] for rule in rules(study)}
    assert set(re.findall(r"<b>(.*?)</b>", html)) <= {*WORDS, *subjects}, "verdicts and subjects of rules alone"
    assert not reader.all("i")
    assert "alert(1)</script>" not in html.lower()
    assert "<b>$x$|_" in reader.text
    assert "<img src=x> & `c`" in reader.text
    assert r"| \<b\>$x$\|\_ |" in markdown
    assert r"| a\|b | \<img src=x\> &amp; \`c\` |" in markdown
    assert "    echo '<i>'" in markdown


def test_lesion_groups_leak_and_unequal_budgets_are_said(tmp_path):
    study = make_study(models=("vgg16",), teachers=(), datasets=("digits", "ham10000-small"))
    plant(tmp_path / "metrics", study, cka=False)
    path = tmp_path / "metrics/download/ham10000-small.json"
    write_json(path, json.loads(path.read_text()) | {"groups": 1234, "random_split_leak": 0.386})
    path = tmp_path / "metrics/finetune/vgg16-digits-0/dense.json"
    write_json(path, json.loads(path.read_text()) | {"steps": 41, "base_sha256": "cd" * 32})
    _, markdown = make(tmp_path, study)
    assert "| ham10000-small | 1,077 | 360 | 360 | 10 | 101 to 110 | 1,234 | 38.6 |" in markdown
    assert "| digits | 1,077 | 360 | 360 | 10 | 101 to 110 | – | – |" in markdown
    assert "Attention: the arms of vgg16 on digits did not all train for the same number of steps." in markdown
    assert "Attention: the arms of vgg16-digits-0 started from different base checkpoints." in markdown


def test_layers_that_similarity_leaves_out_are_named(tmp_path):
    study = make_study(models=("vgg16",), teachers=())
    plant(tmp_path / "metrics", study)
    assert "leaves out" not in make(tmp_path, study)[0]
    path = tmp_path / "metrics/cka/vgg16-digits-0.8-0.json"
    unseen = {"dense": [f"block.{n}.in_proj" for n in range(8)], "student-oneshot": ["qkv"], "student-iterative": ["qkv"]}
    write_json(path, json.loads(path.read_text()) | {"left_out": unseen})
    html, markdown = make(tmp_path, study)
    assert "Similarity of vgg16 leaves out 8 layers" in html
    assert markdown.count("Similarity of the students of vgg16 leaves out 1 layer,") == 1
    assert "block.5.in_proj, ...." in markdown.replace("\\", "") and "block.6" not in markdown


def test_classes_conversions_and_duplicates_of_the_data_are_said(tmp_path):
    study = make_study(models=("vgg16",), teachers=(), datasets=("digits", "cifar100-small"))
    plant(tmp_path / "metrics", study, cka=False)
    path = tmp_path / "metrics/download/cifar100-small.json"
    even = {split: dict.fromkeys("abc", images) for split, images in (("train", 450), ("val", 50), ("test", 1100))}
    more = {"converted_images": {"CMYK": 1, "grayscale": 1200}, "duplicates_across_splits": 12, "duplicates_across_classes": 0}
    write_json(path, json.loads(path.read_text()) | {"images_per_class": even} | more)
    _, markdown = make(tmp_path, study)
    assert "| cifar100-small | 1,077 | 360 | 360 | 10 | 450 | 1 CMYK, 1,200 grayscale | 12 |" in markdown
    assert "| digits | 1,077 | 360 | 360 | 10 | 101 to 110 | – | – |" in markdown
    assert "| cifar100-small | each of 3: a, b, c | 450 | 50 | 1,100 |" in markdown
    assert "| digits | 0 | 101 | 34 | 36 |\n| digits | 1 | 110 | 36 | 36 |" in markdown
    assert "have the same pixels as one there" in markdown


def test_the_report_never_imports_torch():
    code = "import sys, prunescope.report.page; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
