"""The page's section on subgroups: there with columns, not there without; a kept study says the same."""

from typing import Any

import pytest

import drawn
from prunescope.report import page, subgroups
from prunescope.report.blocks import Plot, Section, Table, Text, to_html, to_markdown
from prunescope.results.kept import archived, pack
from prunescope.results.results import Results
from report_fakes import opened
from subgroup_fakes import images_of, planted

COLUMNS = ["age", "sex", "site"]


def harmed(**changes: Any) -> Results:
    return planted(images_of(400, each=2), {"layerwise": lambda of: 0.4 * (of["sex"] == "female").to_numpy()}, **changes)


def test_a_sentence_a_table_and_the_rules_in_both_forms():
    sentence, plot, table, rules = subgroups.blocks(harmed())
    assert isinstance(sentence, Text) and isinstance(plot, Plot) and isinstance(table, Table) and isinstance(rules, Text)
    shown = drawn.rows(plot.drawing, "point")
    [most] = shown[shown["subgroup"].str.startswith("sex female: balanced") & (shown["method"] == "layerwise")].to_dict("records")
    assert most["shown"] and most["change"] < -20 and most["low"] < most["change"] < most["high"]
    assert "sex: female" in sentence.text and "fewer than 30 groups" in rules.text
    assert len(table.frame) == 2 * (1 + 4 + 2 + 4), "both measures of all images, ages, sexes and sites"
    section = [Section("Who pays, by subgroup", [sentence, table, rules])]
    assert "| vgg16 | digits | 80.0 | sex: female | balanced accuracy |" in to_markdown("", "", section)
    assert '<td class="label">sex: female</td>' in to_html("", "", section)


@pytest.mark.parametrize("columns", [True, False])
def test_the_section_stands_where_columns_are(tree, columns):
    metrics, study = tree(models=("vgg16",), seeds=(0, 1, 2))
    images = images_of(60) if columns else images_of(60).drop(columns=COLUMNS)
    for name, content in (planted(images).files.content or {}).items():
        assert isinstance(content, bytes)
        (metrics / name).write_bytes(content)
    titles = [section.title for section in page.sections(opened(metrics, study), provenance={}, reproduce=[])]
    place = titles.index("Who pays") + 1
    assert titles[place] == ("Who pays, by subgroup" if columns else "Causes and controls")


def test_a_kept_study_says_the_same(tmp_path):
    results = harmed()
    pack({name: content for name, content in (results.files.content or {}).items() if isinstance(content, bytes)},
         tmp_path / "metrics.tar.xz")  # fmt: skip
    again = Results(results.grid, archived(tmp_path))
    assert to_markdown("", "", [Section("", list(subgroups.blocks(again)))]) == to_markdown(
        "", "", [Section("", list(subgroups.blocks(results)))]
    )


def test_predictions_that_were_kept_without_columns_are_read():
    assert not list(subgroups.blocks(planted(images_of(60).drop(columns=COLUMNS))))
