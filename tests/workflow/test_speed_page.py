"""docs/speed.md quotes the table of file sizes in benchmarks/README.md, and what the benchmark measures is what it names."""

import re
import sys

from graph import ROOT

sys.path.append(str(ROOT / "benchmarks"))

import sizes

SPEED = (ROOT / "docs" / "speed.md").read_text(encoding="utf-8")
MEASURED = (ROOT / "benchmarks" / "README.md").read_text(encoding="utf-8").split("## File sizes")[1].split("\n## ")[0]


def rows(text: str) -> list[list[str]]:
    """Cells of the rows of all tables, without heads."""
    lines = re.findall(r"^\| (.*) \|$", text, re.MULTILINE)
    return [cells for line in lines if not (cells := line.split(" | "))[0].startswith((":", "network", "file", "--"))]


def trained() -> dict[str, list[str]]:
    """Network and file: bytes, times smaller, lossless, ... of the first table, the trained network's."""
    found: dict[str, list[str]] = {}
    for network, file, *numbers in rows(MEASURED):
        found.setdefault(f"{network}: {file}", numbers)
    return found


def test_the_page_quotes_what_was_measured() -> None:
    quoted = rows(SPEED.split("## Who uses")[0])
    assert len(quoted) == 8
    for label, times, lossless in quoted:
        assert [times, lossless] == trained()[label][1:3], label


def test_the_sentence_about_int8() -> None:
    """Of both networks, the trained and the large one."""
    found = [float(numbers[1]) for _, file, *numbers in rows(MEASURED) if file == "packed, int8"]
    assert len(found) == 2
    said = re.search(r"int8 reaches (\d+) to (\d+) times here, not 20", SPEED)
    assert said and [int(number) for number in said.groups()] == [round(min(found)), round(max(found))]


def test_the_table_has_a_row_for_each_format_that_is_measured() -> None:
    files = {file for _, file, *_ in rows(MEASURED)}
    assert {"safetensors"} | {f"safetensors, {form}" for form in sizes.COMPRESSED if form != "as it is"} <= files
    assert {f"packed, {form}" for form in sizes.VALUES} <= files
    for _, file, size, times, *_ in rows(MEASURED):
        assert int(size.replace(",", "")) > 1000 and float(times) > 0.9, file


def test_the_page_is_short() -> None:
    assert len(SPEED.splitlines()) <= 120
