"""The page in headless Chromium: no errors, no requests, figures that are drawn, tables that sort, nothing wider than a phone."""

import html
import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from prunescope.report import page
from report_fakes import make_study, opened, plant, plant_predictions

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="found no chromium, chromium-browser or google-chrome in the PATH"),
    pytest.mark.timeout(300),
]
FIRST = """<script>window.faults = []; window.addEventListener('error', (e) => faults.push(String(e.message)), true);
window.addEventListener('unhandledrejection', (e) => faults.push(String(e.reason)));</script>"""
LEAVE = """
window.leave = (found) => {
  const seen = document.createElement("pre"); seen.id = "probe"; seen.textContent = JSON.stringify(found);
  document.body.append(seen);
};
"""
TABLES = """
<script>
%s
const title = (one) => one.parentElement.getAttribute("aria-label");
const table = [...document.querySelectorAll("table")].find((one) => title(one).startsWith("%s"));
const column = (name) => [...table.tHead.rows[0].cells].findIndex((head) => head.textContent.trim() === name);
const read = (name) => [...table.tBodies[0].rows].map((row) => row.cells[column(name)].textContent.trim());
const press = (name) => table.tHead.rows[0].cells[column(name)].querySelector("button").click();
const found = {faults};
found.buttons = [...document.querySelectorAll("thead button")].filter((button) => button.tabIndex === 0).length;
found.links = document.querySelectorAll("button.csv").length === document.querySelectorAll("table").length;
found.named = "%s";
found.before = read(found.named);
press(found.named); found.up = read(found.named);
press(found.named); found.down = read(found.named);
found.sorted = table.tHead.rows[0].cells[column(found.named)].getAttribute("aria-sort");
leave(found);
</script></body>
"""
FIGURES = """
<script>
%s
const wait = (milliseconds) => new Promise((done) => setTimeout(done, milliseconds));
(async () => {
  document.querySelectorAll("details").forEach((one) => { one.open = true; });
  for (const figure of plots) await draw(figure);
  const found = {faults, panels: 0, drawn: 0, marks: 0, small: [], large: {}, maps: []};
  for (const panel of document.querySelectorAll("figure.plot .panel")) {
    found.panels += 1;
    found.drawn += panel.querySelector("svg") ? 1 : 0;
    found.marks += panel.querySelectorAll("svg .mark-symbol path, svg .mark-rect path, svg .mark-line path").length > 0 ? 1 : 0;
    const sizes = [...panel.querySelectorAll("svg text")].map((text) => parseFloat(getComputedStyle(text).fontSize));
    if (sizes.some((size) => size < 9)) found.small.push(Math.min(...sizes));
  }
  const button = document.querySelector("figure.plot button.open"), panels = button.parentElement.querySelector(".panels");
  if (getComputedStyle(button).display !== "none") {
    const before = panels.getBoundingClientRect().width;
    button.click();
    for (let turn = 0; turn < 100 && !dialog.open; turn += 1) await wait(20);
    found.large = {open: dialog.open, moved: dialog.contains(panels)};
    dialog.close();
    for (let turn = 0; turn < 100 && dialog.contains(panels); turn += 1) await wait(20);
    found.large.back = !dialog.contains(panels) && panels.getBoundingClientRect().width === before;
  }
  const maps = document.querySelector("figure.maps"), chosen = (name) => maps.querySelector(`select[name="${name}"]`);
  const choose = async (name, value) => {
    chosen(name).value = value;
    chosen(name).dispatchEvent(new Event("change", {bubbles: true}));
    view = await maps.shown;
  };
  let view = null;
  await choose("shown", "plain");
  const rows = () => view.data("source_0");
  const first = rows()[1];
  found.maps.push({cells: rows().length, row: first.row, column: first.column, cka: first.cka});
  await choose("second", "oneshot");
  found.maps.push({second: chosen("second").value, cka: rows()[1].cka});
  found.seeds = [...chosen("seed").options].map((option) => option.value);
  await choose("shown", "less");
  found.maps.push({less: rows()[1].cka});
  const box = maps.querySelector("canvas").getBoundingClientRect();
  const where = {clientX: box.left + box.width * 0.6, clientY: box.top + box.height * 0.3, bubbles: true, view: window};
  for (const kind of ["pointermove", "mousemove"]) maps.querySelector("canvas").dispatchEvent(new PointerEvent(kind, where));
  await wait(300);
  found.hover = document.querySelector("#vg-tooltip-element")?.textContent ?? "";
  const asked = performance.getEntriesByType("resource").map((entry) => entry.name);
  found.requests = asked.filter((name) => !name.startsWith("data:") && !name.startsWith("blob:"));
  const root = document.documentElement;
  found.width = root.clientWidth;
  found.wide = root.scrollWidth;
  const sections = document.querySelector("nav");
  found.sections = [sections.clientWidth, sections.scrollWidth];
  const aside = ".scroll, pre, nav, dialog, #vg-tooltip-element", right = (one) => one.getBoundingClientRect().right;
  const shown = [...document.body.querySelectorAll("*")].filter((one) => !one.closest(aside));
  found.elements = shown.length;
  const cut = (text) => right(text) > right(text.closest("svg")) + 2;
  found.cut = shown.filter((one) => one.closest("svg") && one.matches("text") && cut(one)).map((one) => one.textContent);
  const out = (one) => !one.closest("svg") && right(one) > root.clientWidth + 0.5;
  found.outside = shown.filter(out).map((one) => one.outerHTML.slice(0, 200));
  (window.parent === window ? leave : window.parent.leave)(found);
})();
</script></body>
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("browser")
    study = make_study(seeds=(0, 1, 2), sparsities=(0.8, 0.5))
    plant(folder / "metrics", study)
    plant_predictions(folder / "metrics", study)
    for seed in study.seeds:
        (folder / f"metrics/evaluate/densenet169-digits-0.8-{seed}/iterative.json").unlink()
    page.write(opened(folder / "metrics", study), folder, provenance={"commit": "c" * 40}, reproduce=["dvc repro"])
    return folder


def probe(made: Path, text: str, *flags: str) -> dict[str, Any]:
    """Open a page whose script leaves JSON in the element `probe`."""
    page = made / "probed.html"
    page.write_text(text, encoding="utf-8")
    assert CHROMIUM is not None
    quiet = ("--disable-gpu", "--disable-background-networking", "--disable-component-update", "--virtual-time-budget=60000")
    command = [
        CHROMIUM,
        "--headless",
        "--no-sandbox",
        *quiet,
        f"--user-data-dir={made / 'profile'}",
        *flags,
        "--dump-dom",
        page.as_uri(),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=240)
    [seen] = re.findall(r'<pre id="probe">(.*?)</pre>', done.stdout, re.DOTALL)
    return json.loads(html.unescape(seen))


def with_script(made: Path, script: str) -> str:
    text = (made / "report.html").read_text(encoding="utf-8")
    head, tail = text.rsplit("</body>", 1)  # what the drawing library says of bodies stays
    return head.replace("<head>", f"<head>{FIRST}", 1) + script + tail


def look(made: Path, table: str, column: str) -> dict[str, Any]:
    return probe(made, with_script(made, TABLES % (LEAVE, table, column)))


def require_all_is_drawn(found: dict[str, Any]) -> None:
    assert found["faults"] == [] and found["requests"] == []
    assert found["panels"] == found["drawn"] == found["marks"] > 20
    assert found["small"] == [], "text of less than 9 px"
    assert found["wide"] <= found["width"]
    assert found["elements"] > 100 and found["outside"] == []
    assert "; ".join(found["cut"]) == "", "words that leave the figure"


@pytest.mark.parametrize("look_of", ["light", "dark"])
def test_every_figure_is_drawn_without_errors_or_requests(made, look_of):
    flags = ["--window-size=1024,900", *(["--blink-settings=preferredColorScheme=0"] if look_of == "dark" else [])]
    found = probe(made, with_script(made, FIGURES % LEAVE), *flags)
    require_all_is_drawn(found)
    assert len({*found["sections"]}) == 1, "the bar of sections takes two lines before it scrolls"
    assert found["large"] == {"open": True, "moved": True, "back": True}


def test_heat_maps_are_chosen_and_name_their_layers(made):
    found = probe(made, with_script(made, FIGURES % LEAVE), "--window-size=1400,900")
    own, other, less = found["maps"]
    assert own["cells"] == 36 and (own["row"], own["column"]) == ("conv1_1", "conv1_2")
    assert own["cka"] == pytest.approx(0.607, abs=0.003), "exp(-3/6), a byte a cell"
    assert other["second"] == "oneshot" and other["cka"] == pytest.approx(own["cka"] - 0.05, abs=0.006)
    assert less["less"] == pytest.approx(-0.05, abs=0.006)
    assert found["seeds"] == ["mean", "0", "1", "2"]
    assert "conv" in found["hover"] and "cka" in found["hover"]


def test_nothing_is_wider_than_a_phone(made):
    """In a frame, as Chromium's own window is never narrower than 500 px; tables and commands scroll in boxes of their own."""
    text = html.escape(with_script(made, FIGURES % LEAVE), quote=True)
    frame = f'<iframe srcdoc="{text}" style="width: 390px; height: 844px; border: 0"></iframe>'
    found = probe(made, f"<!doctype html><body><script>{LEAVE}</script>{frame}</body>")
    assert 370 <= found["width"] <= 390, "390 px less a scroll bar"
    require_all_is_drawn(found)


def test_tables_sort_by_number_with_missing_last(made):
    found = look(made, "Accuracy of every network", "accuracy %")
    assert found["faults"] == [] and found["links"], "each table can be had as CSV"
    assert found["buttons"] > 50, "headers are buttons that the keyboard reaches"
    values = [text for text in found["before"] if text != "not run"]
    rising = sorted(values, key=lambda text: float(text.split()[0]))
    assert found["before"].count("not run") == 1
    assert found["up"] == [*rising, "not run"]
    assert [float(text.split()[0]) for text in found["down"][:-1]] == [float(text.split()[0]) for text in reversed(rising)]
    assert (found["down"][-1], found["sorted"]) == ("not run", "descending")


def test_tables_sort_by_text_and_by_negative_numbers(made):
    found = look(made, "Accuracy of every network", "method")
    assert found["up"] == sorted(found["before"])
    found = look(made, "Every difference", "balanced accuracy, points")
    numbers = [float(text.replace("−", "-").split()[0]) for text in found["up"] if text != "–"]
    assert numbers == sorted(numbers)
    assert numbers[0] < 0 < numbers[-1]
