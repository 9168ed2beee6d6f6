"""docs/architectures.md: its names are those that may be used, and its figures those of the networks."""

import re

import pytest

import write_architecture_docs as docs
from prunescope.study.architectures import ARCHITECTURES
from variants import TRIED

WRITTEN = docs.PAGE.read_text(encoding="utf-8")
ROWS = {name: row for row, name in re.findall(r"^(\| `(\w+)` \|.*)$", WRITTEN, re.MULTILINE)}


def test_the_page_is_what_the_script_writes_for_all_names():
    assert list(ROWS) == list(ARCHITECTURES)
    assert docs.HEAD + "\n".join(ROWS.values()) + "\n" == WRITTEN


@pytest.mark.parametrize("name", ["alexnet", "squeezenet1_0", "swin_t", "vgg16_bn", "vit_b_16"])
def test_its_figures_are_those_of_the_networks(name):
    assert docs.row(name) == ROWS[name]


@pytest.mark.slow
@pytest.mark.parametrize("name", TRIED)
def test_all_its_figures(name):
    assert docs.row(name) == ROWS[name]
