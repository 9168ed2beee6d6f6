"use strict";
// Figures: each panel as its specification says, drawn when it comes near the screen, or before printing.
const embedded = new WeakMap(), views = new WeakMap();
let queue = Promise.resolve();
const embed = async (place, spec, fixed) => {
  views.get(place)?.finalize();
  views.set(place, await vegaEmbed(place, fixed ? { ...spec, width: place.clientWidth } : spec, { actions: false, renderer: "svg" }));
};
const draw = (figure, fixed = false) => {
  if (embedded.has(figure) && !fixed) return embedded.get(figure);
  const specs = JSON.parse(figure.querySelector("script").textContent);
  const places = figure.querySelectorAll(".panel");
  const all = specs.reduce((before, spec, number) => before.then(() => embed(places[number], spec, fixed)), queue);
  queue = all;
  embedded.set(figure, all);
  return all;
};
const plots = [...document.querySelectorAll("figure.plot")];
const near = new IntersectionObserver((seen) => {
  for (const one of seen) if (one.isIntersecting) { near.unobserve(one.target); draw(one.target); }
}, { rootMargin: "600px" });
plots.forEach((figure) => near.observe(figure));

// A figure opens large in a dialog, and goes back to its place.
const dialog = document.querySelector("dialog");
let home = null;
for (const figure of plots) {
  const button = document.createElement("button");
  Object.assign(button, { type: "button", className: "open", textContent: "large" });
  button.setAttribute("aria-label", "open the figure large");
  button.addEventListener("click", async () => {
    await draw(figure);
    const panels = figure.querySelector(".panels");
    home = { figure, panels, mark: document.createComment("") };
    panels.before(home.mark);
    dialog.querySelector(".large").append(panels);
    dialog.showModal();
    dispatchEvent(new Event("resize"));
  });
  figure.append(button);
}
dialog.addEventListener("close", () => {
  if (!home) return;
  home.mark.replaceWith(home.panels);
  home = null;
  dispatchEvent(new Event("resize"));
});

// Tables sort by a click on a column's name, or Enter when it has the focus. Numbers are read from the start of a cell; cells
// without one come last, whichever way. On a narrow screen what names a row best and the numbers come first. Each table as CSV.
const number = (text) => {
  const found = text.replace("\u2212", "-").replace(/(\d),(?=\d{3})/g, "$1").match(/^[+-]?\d+(\.\d+)?(?=$|[\s×%–])/);
  return found ? Number(found[0]) : NaN;
};
const narrow = matchMedia("(max-width: 700px)").matches;
for (const table of document.querySelectorAll("table")) {
  const labels = Number(table.dataset.labels);
  const rows = [...table.tBodies[0].rows];
  if (narrow && labels > 1 && labels < table.tHead.rows[0].cells.length) {
    for (const row of table.rows) row.append(...[...row.cells].slice(0, labels - 1));
  }
  const csv = document.createElement("button");
  Object.assign(csv, { type: "button", className: "csv", textContent: "CSV" });
  csv.setAttribute("aria-label", "download the table as CSV");
  csv.addEventListener("click", () => {
    const quoted = (cell) => `"${cell.textContent.trim().replaceAll('"', '""')}"`;
    const text = [...table.rows].map((row) => [...row.cells].map(quoted).join(",")).join("\r\n");
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([text], { type: "text/csv" }));
    link.download = `${table.closest("section").querySelector("h2").id}.csv`;
    link.click();
    URL.revokeObjectURL(link.href);
  });
  table.parentElement.after(csv);
  if (rows.length < 2) continue;
  [...table.tHead.rows[0].cells].forEach((head, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = head.textContent;
    head.dataset.name = head.textContent.trim(); // for paper, where a button is not repeated on the next page
    head.replaceChildren(button);
    button.addEventListener("click", () => {
      const way = head.getAttribute("aria-sort") === "ascending" ? -1 : 1;
      const keys = new Map(rows.map((row) => [row, row.cells[column].textContent.trim()]));
      const known = [...keys.values()].filter((text) => !["–", "not run"].includes(text));
      const numeric = known.every((text) => !Number.isNaN(number(text)));
      rows.sort((a, b) => {
        const [x, y] = [keys.get(a), keys.get(b)];
        if (!numeric) return way * x.localeCompare(y);
        const [m, n] = [number(x), number(y)];
        if (Number.isNaN(m) || Number.isNaN(n)) return Number.isNaN(m) - Number.isNaN(n);
        return way * (m - n);
      });
      for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", way === 1 ? "ascending" : "descending");
      table.tBodies[0].append(...rows);
    });
  });
}

// Heat maps of similarity: bytes of each map, deflated; chosen by data set, networks and seed.
const unpacked = new Map(); // kept, so that a map is there at once when the page is printed
const bytes = async (text) => {
  if (unpacked.has(text)) return unpacked.get(text);
  const packed = Uint8Array.from(atob(text), (one) => one.charCodeAt(0));
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("deflate"));
  unpacked.set(text, new Uint8Array(await new Response(stream).arrayBuffer()));
  return unpacked.get(text);
};
const UNKNOWN = 255, LOWEST = -0.1, STEP = 1.1 / 254;
const value = (byte) => (byte === UNKNOWN ? NaN : LOWEST + byte * STEP);
const PAPER = { "--text": "#1c2026", "--soft": "#59616b" }; // as the styles for print say
let printing = false;
const shade = (name) => (printing ? PAPER[name] : getComputedStyle(document.documentElement).getPropertyValue(name).trim());
const maps = [];
for (const figure of document.querySelectorAll("figure.maps")) {
  const cells = JSON.parse(figure.querySelector("script").textContent);
  const form = figure.querySelector("form");
  const select = (title, name) => {
    const label = document.createElement("label"), list = document.createElement("select");
    list.name = name;
    label.append(`${title} `, list);
    form.append(label);
    return list;
  };
  const fill = (list, options) => {
    const kept = list.value;
    list.replaceChildren(...options.map(([text, key]) => new Option(text, key)));
    if (options.some(([, key]) => key === kept)) list.value = kept;
  };
  const [cell, first, second, seed, shown] = [
    select("of", "cell"), select("rows", "first"), select("columns", "second"), select("seed", "seed"), select("show", "shown"),
  ];
  fill(cell, Object.keys(cells).map((name) => [name, name]));
  fill(shown, [["similarity", "plain"], ["less the dense network's own", "less"]]);
  const of = async (known, a, b, which) => {
    const turned = !(`${a}|${b}` in known.maps), found = known.maps[turned ? `${b}|${a}` : `${a}|${b}`];
    if (!found) return null;
    const wanted = which === "mean" ? Object.keys(found) : [which];
    const all = await Promise.all(wanted.filter((one) => one in found).map((one) => bytes(found[one])));
    if (!all.length) return null;
    const [m, n] = [known.layers[a].length, known.layers[b].length];
    const at = (i, j) => all.reduce((sum, one) => sum + value(one[turned ? j * m + i : i * n + j]), 0) / all.length;
    return { m, n, at };
  };
  const choose = () => {
    const known = cells[cell.value];
    const pairs = Object.keys(known.maps).map((pair) => pair.split("|"));
    fill(first, Object.keys(known.layers).filter((name) => pairs.some((pair) => pair.includes(name))).map((name) => [name, name]));
    const partners = new Set(pairs.filter((pair) => pair.includes(first.value)).flatMap(([a, b]) => (a === first.value ? [b] : [a])));
    fill(second, [...partners].map((name) => [name, name]));
    const seeds = [...new Set(Object.values(known.maps).flatMap((found) => Object.keys(found)))];
    fill(seed, [...(seeds.length > 1 ? [["mean of seeds", "mean"]] : []), ...seeds.map((one) => [one, one])]);
  };
  const redraw = async () => {
    choose();
    const known = cells[cell.value], [a, b] = [first.value, second.value];
    const map = await of(known, a, b, seed.value);
    const alike = known.layers[a].length === known.layers[b].length;
    const base = shown.value === "less" && alike ? await of(known, "dense", "dense", seed.value) : null;
    const rows = [];
    for (let i = 0; map && i < map.m; i += 1) {
      for (let j = 0; j < map.n; j += 1) {
        const cka = map.at(i, j) - (base ? base.at(i, j) : 0);
        if (!Number.isNaN(cka)) rows.push({ i, j, row: known.layers[a][i], column: known.layers[b][j], cka });
      }
    }
    const words = { labelColor: shade("--text"), titleColor: shade("--soft"), domain: false, ticks: false, grid: false, labelFontSize: 11 };
    const axis = (names, angle) => ({ ...words, labelExpr: `${JSON.stringify(names)}[datum.value]`, labelOverlap: true, labelAngle: angle });
    const scale = base ? { domain: [-0.5, 0.5], scheme: "redblue", clamp: true } : { domain: [0, 1], scheme: "viridis", clamp: true };
    const side = Math.min(560, figure.clientWidth - 16);
    const spec = {
      width: side, height: Math.round((side * (map ? map.m / map.n : 1))), autosize: { type: "fit", contains: "padding" }, background: "transparent",
      data: { values: rows }, mark: "rect", config: { view: { stroke: null } },
      encoding: {
        x: { field: "j", type: "ordinal", title: b, axis: axis(known.layers[b], -60) },
        y: { field: "i", type: "ordinal", title: a, axis: axis(known.layers[a], 0) },
        color: { field: "cka", type: "quantitative", scale, legend: { title: base ? "CKA, change" : "CKA", orient: "bottom", labelColor: shade("--text"), titleColor: shade("--text") } },
        tooltip: [{ field: "row", title: a }, { field: "column", title: a === b ? "and" : b }, { field: "cka", format: base ? "+.3f" : ".3f" }],
      },
    };
    const made = await vegaEmbed(figure.querySelector(".panel"), spec, { actions: false, renderer: "canvas" });
    return made.view;
  };
  const show = () => { figure.shown = redraw(); };
  form.addEventListener("change", show);
  const once = new IntersectionObserver((seen) => { if (seen.some((one) => one.isIntersecting)) { once.disconnect(); show(); } }, { rootMargin: "600px" });
  once.observe(figure);
  setTimeout(() => { if (!figure.shown) show(); }, 1000); // printing does not wait until it is unpacked
  maps.push(show);
}

// On paper all is open, figures and tables are laid out for its width, and maps have its colours.
let folded = [];
const SMALLEST = 0.7; // before cells get several lines
const fit = (table) => { // a table that is too wide would make the whole page small
  const box = table.parentElement, share = () => Math.min(1, box.clientWidth / box.scrollWidth);
  if (!table.querySelector("td.wide")) {
    table.classList.add("whole");
    const whole = share();
    table.classList.toggle("whole", whole >= SMALLEST);
    table.style.zoom = Math.max(whole, SMALLEST);
  }
  table.style.zoom = share() * (table.style.zoom || 1);
};
addEventListener("beforeprint", () => {
  folded = [...document.querySelectorAll("details:not([open])")];
  folded.forEach((one) => { one.open = true; });
  document.documentElement.classList.add("paper");
  document.querySelectorAll("table").forEach(fit);
  plots.forEach((figure) => draw(figure, true));
  printing = true;
  maps.forEach((show) => show());
});
addEventListener("afterprint", () => {
  document.documentElement.classList.remove("paper");
  for (const figure of plots) { embedded.delete(figure); near.unobserve(figure); near.observe(figure); }
  document.querySelectorAll("table").forEach((table) => { table.classList.remove("whole"); table.style.zoom = ""; });
  folded.forEach((one) => { one.open = false; });
  printing = false;
  maps.forEach((show) => show());
});
