"""The page as it is printed, in headless Chromium: told that it will be, and asked what it then shows."""

import pytest
from test_browser import LEAVE, made, probe, pytestmark, with_script

__all__ = ["made", "pytestmark"]  # the page there, and where there is a browser

PAPER = """
<script>
%s
const wait = (milliseconds) => new Promise((done) => setTimeout(done, milliseconds));
(async () => {
  await wait(1500);
  const folded = () => document.querySelectorAll("details:not([open])").length;
  const found = {faults, before: folded()};
  dispatchEvent(new Event("beforeprint"));
  await queue;
  found.folded = folded();
  found.panels = document.querySelectorAll("figure.plot .panel").length;
  found.drawn = document.querySelectorAll("figure.plot .panel svg").length;
  const wide = (one) => one.scrollWidth > one.clientWidth + 1;
  found.wide = [...document.querySelectorAll(".scroll")].filter(wide).map((one) => one.getAttribute("aria-label"));
  const unlike = (panel) => Math.abs(panel.querySelector("svg").getAttribute("width") - panel.clientWidth) > 1;
  found.unlike = [...document.querySelectorAll("figure.plot .panel")].filter(unlike).length;
  const names = (head) => getComputedStyle(head, "::before").content;
  found.heads = [...document.querySelectorAll("thead th")].filter((head) => !head.textContent || names(head) === "none").length;
  found.map = document.querySelector("figure.maps canvas") !== null;
  found.body = document.body.scrollWidth;
  dispatchEvent(new Event("afterprint"));
  await wait(500);
  found.after = folded();
  found.zoomed = [...document.querySelectorAll("table")].filter((table) => table.style.zoom).length;
  found.back = document.body.clientWidth;
  leave(found);
})();
</script></body>
"""


@pytest.mark.slow
def test_on_paper_all_is_open_drawn_for_its_width_and_named(made):
    """A table of one row has no buttons in its head, and needs no second name."""
    script = PAPER.replace("thead th", "table:has(tbody tr + tr) thead th") % LEAVE
    found = probe(made, with_script(made, script), "--window-size=1400,900")
    assert found["faults"] == [] and found["before"] > 10 and found["folded"] == 0
    assert found["panels"] == found["drawn"] > 20 and found["unlike"] == 0
    assert found["wide"] == [] and found["body"] <= 850 and found["map"]
    assert found["heads"] == 0, "columns have names where their buttons are hidden"
    assert (found["after"], found["zoomed"]) == (found["before"], 0) and found["back"] > 1300, "as it was"
