"""The page in headless Chromium: no errors, no requests, tables that sort, nothing wider than a phone."""

import html
import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from prunescope.report import page
from report_fakes import make_study, opened, plant

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="found no chromium, chromium-browser or google-chrome in the PATH"),
    pytest.mark.timeout(300),
]
FIRST = "<script>window.faults = []; window.addEventListener('error', (e) => faults.push(String(e.message)), true);</script>"
PROBE = """
<script>
const table = document.querySelectorAll("table")[%d];
const column = (name) => [...table.tHead.rows[0].cells].findIndex((head) => head.textContent.trim() === name);
const read = (name) => [...table.tBodies[0].rows].map((row) => row.cells[column(name)].textContent.trim());
const press = (name) => table.tHead.rows[0].cells[column(name)].querySelector("button").click();
const found = {faults};
const asked = performance.getEntriesByType("resource").map((entry) => entry.name);
found.requests = asked.filter((name) => !name.startsWith("data:"));
found.buttons = [...document.querySelectorAll("thead button")].filter((button) => button.tabIndex === 0).length;
found.named = "%s";
found.before = read(found.named);
press(found.named); found.up = read(found.named);
press(found.named); found.down = read(found.named);
found.sorted = table.tHead.rows[0].cells[column(found.named)].getAttribute("aria-sort");
const seen = document.createElement("pre"); seen.id = "probe"; seen.textContent = JSON.stringify(found);
document.body.append(seen);
</script></body>
"""

MEASURE = """
<script>
const measure = (frame) => {
  const page = frame.contentDocument, root = page.documentElement, all = [...page.body.querySelectorAll("*")];
  const shown = all.filter((one) => !one.closest(".scroll, pre") && !one.closest("details:not([open])"));
  const outside = shown.filter((one) => one.getBoundingClientRect().right > root.clientWidth + 0.5).map((one) => one.outerHTML);
  const found = {width: root.clientWidth, wide: root.scrollWidth, elements: shown.length, outside};
  const seen = document.createElement("pre"); seen.id = "probe"; seen.textContent = JSON.stringify(found);
  document.body.append(seen);
};
</script>
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("browser")
    study = make_study(seeds=(0, 1, 2))
    plant(folder / "metrics", study)
    (folder / "metrics/evaluate/densenet169-digits-0.8-0/iterative.json").unlink()
    (folder / "metrics/evaluate/densenet169-digits-0.8-1/iterative.json").unlink()
    (folder / "metrics/evaluate/densenet169-digits-0.8-2/iterative.json").unlink()
    page.write(opened(folder / "metrics", study), folder, provenance={"commit": "c" * 40}, reproduce=["dvc repro"])
    return folder


def probe(made: Path, text: str) -> dict[str, Any]:
    """Open a page whose script leaves JSON in the element `probe`."""
    page = made / "probed.html"
    page.write_text(text, encoding="utf-8")
    assert CHROMIUM is not None
    quiet = ("--disable-gpu", "--disable-background-networking", "--disable-component-update")
    command = [CHROMIUM, "--headless", "--no-sandbox", *quiet, f"--user-data-dir={made / 'profile'}", "--dump-dom", page.as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=240)
    [seen] = re.findall(r'<pre id="probe">(.*?)</pre>', done.stdout, re.DOTALL)
    return json.loads(html.unescape(seen))


def look(made: Path, table: int, column: str) -> dict[str, Any]:
    text = (made / "report.html").read_text(encoding="utf-8")
    return probe(made, text.replace("<head>", f"<head>{FIRST}", 1).replace("</body>", PROBE % (table, column)))


def test_loads_alone_without_errors_or_requests(made):
    found = look(made, 4, "accuracy %")
    assert found["faults"] == []
    assert found["requests"] == []
    assert found["buttons"] > 50, "headers are buttons that the keyboard reaches"


def test_nothing_is_wider_than_a_phone(made):
    """In a frame, as Chromium's own window is never narrower than 500 px; tables and commands scroll in boxes of their own."""
    text = html.escape((made / "report.html").read_text(encoding="utf-8"), quote=True)
    frame = f'<iframe srcdoc="{text}" style="width: 390px; height: 844px; border: 0" onload="measure(this)"></iframe>'
    found = probe(made, f"<!doctype html><body>{MEASURE}{frame}</body>")
    assert found["width"] >= 370, "390 px less a scroll bar"
    assert found["wide"] <= found["width"]
    assert found["elements"] > 100
    assert found["outside"] == []


def test_tables_sort_by_number_with_missing_last(made):
    found = look(made, 4, "accuracy %")
    values = [text for text in found["before"] if text != "not run"]
    rising = sorted(values, key=lambda text: float(text.split()[0]))
    assert found["before"].count("not run") == 1
    assert found["up"] == [*rising, "not run"]
    assert [float(text.split()[0]) for text in found["down"][:-1]] == [float(text.split()[0]) for text in reversed(rising)]
    assert (found["down"][-1], found["sorted"]) == ("not run", "descending")


def test_tables_sort_by_text_and_by_negative_numbers(made):
    assert look(made, 4, "method")["up"] == sorted(look(made, 4, "method")["before"])
    found = look(made, 5, "balanced accuracy, points")
    numbers = [float(text.replace("−", "-").split()[0]) for text in found["up"] if text != "–"]
    assert numbers == sorted(numbers)
    assert numbers[0] < 0 < numbers[-1]
