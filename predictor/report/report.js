"use strict";

// Sorting and filtering of the tables --------------------------------------------------------------------------------

const rows = [...document.querySelectorAll("table.forecasts tbody tr")];
const articles = new Map([...document.querySelectorAll(".figures article")].map((one) => [one.id, one]));
const searchable = new Map(rows.map((row) => [row, `${row.dataset.name} ${row.dataset.why}`.toLowerCase()]));
const filter = document.getElementById("filter");
const chips = [...document.querySelectorAll(".chip")];
const fold = document.getElementById("unsure-fold");
const foldedAtFirst = fold !== null && !fold.open;

function applyFilter() {
  const words = filter.value.toLowerCase().split(/\s+/).filter(Boolean);
  const grades = new Set(chips.filter((chip) => chip.getAttribute("aria-pressed") === "true").map((chip) => chip.dataset.grade));
  let shown = 0;
  let unsure = 0;
  for (const row of rows) {
    const fits = (grades.size === 0 || grades.has(row.dataset.grade)) && words.every((word) => searchable.get(row).includes(word));
    row.hidden = !fits;
    articles.get(row.dataset.anchor).hidden = !fits;
    shown += fits ? 1 : 0;
    unsure += fits && row.dataset.grade === "F" ? 1 : 0;
  }
  const filtered = words.length > 0 || grades.size > 0;
  document.getElementById("shown").textContent = filtered ? `${shown} of ${rows.length} shown` : "";
  // What a filter finds among the folded ones should be seen.
  if (fold !== null && foldedAtFirst) fold.open = filtered && unsure > 0;
  for (const divider of document.querySelectorAll(".divider")) divider.hidden = unsure === 0;
}

function valueOf(row, key, kind) {
  const text = row.dataset[key] ?? "";
  return kind === "text" ? text.toLowerCase() : text === "" ? NaN : Number(text);
}

function sortTable(table, key, kind, descending) {
  const body = table.tBodies[0];
  const sign = descending ? -1 : 1;
  const place = (row) => Number(row.dataset.place);
  const sorted = [...body.rows].sort((one, other) => {
    const [a, b] = [valueOf(one, key, kind), valueOf(other, key, kind)];
    // What is unknown comes last in either direction; equals keep the order of the page.
    if (Number.isNaN(a) || Number.isNaN(b)) return Number.isNaN(a) - Number.isNaN(b) || place(one) - place(other);
    const order = kind === "text" ? a.localeCompare(b, "en", { numeric: true }) : a - b;
    return sign * order || place(one) - place(other);
  });
  body.append(...sorted);
  for (const button of table.querySelectorAll("button.sort")) {
    const heading = button.closest("th");
    if (button.dataset.key === key) heading.setAttribute("aria-sort", descending ? "descending" : "ascending");
    else heading.removeAttribute("aria-sort");
  }
}

// Scores are looked at from the highest, everything else from the smallest.
const highestFirst = new Set(["median", "largest", "chance"]);

for (const table of document.querySelectorAll("table.forecasts")) {
  table.addEventListener("click", (event) => {
    const button = event.target.closest("button.sort");
    if (button === null) return;
    const { key, kind } = button.dataset;
    const state = button.closest("th").getAttribute("aria-sort");
    const descending = state === null ? highestFirst.has(key) : state === "ascending";
    sortTable(table, key, kind, descending);
  });
}
document.getElementById("sort-by").addEventListener("change", (event) => {
  const key = event.target.value;
  for (const table of document.querySelectorAll("table.forecasts")) {
    sortTable(table, key, key === "name" ? "text" : "number", highestFirst.has(key));
  }
});
filter.addEventListener("input", applyFilter);
for (const chip of chips) {
  chip.addEventListener("click", () => {
    chip.setAttribute("aria-pressed", chip.getAttribute("aria-pressed") === "true" ? "false" : "true");
    applyFilter();
  });
}
// A link to a folded row's figure works by itself; one to the folded table has to open it.
document.querySelector('nav a[href="#unsure"]')?.addEventListener("click", () => (fold.open = true));

// Figures ------------------------------------------------------------------------------------------------------------

const scheme = matchMedia("(prefers-color-scheme: dark)");
// Read once and then only from its event: Chromium drops the event of a change that was read before.
let dark = scheme.matches;
const touch = matchMedia("(pointer: coarse)");
const plots = [...document.querySelectorAll(".plot")];
const config = {
  displaylogo: false,
  // Plotly offers to upload a chart to its cloud: nothing of a report leaves the browser.
  showSendToCloud: false,
  plotlyServerURL: "",
  responsive: true,
  modeBarButtonsToRemove: ["select2d", "lasso2d", "autoScale2d"],
  doubleClick: "reset",
};
let figures = null;
let colours = null;
let loading = null;
let printing = false;

async function unpack(id) {
  const bytes = Uint8Array.from(atob(document.getElementById(id).textContent), (letter) => letter.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Response(stream).text();
}

// Plotly is inflated once, when the first figure comes near or the page has nothing else to do.
function load() {
  loading ??= (async () => {
    const [plotly, data, pairs] = await Promise.all(["packed-plotly", "packed-figures", "packed-colours"].map(unpack));
    const script = document.createElement("script");
    script.textContent = plotly;
    document.head.append(script);
    colours = new Map(Object.entries(JSON.parse(pairs)));
    figures = JSON.parse(data);
  })();
  return loading;
}

function recoloured(value) {
  if (typeof value === "string") return colours.get(value) ?? value;
  if (Array.isArray(value)) return value.map(recoloured);
  if (value !== null && typeof value === "object") {
    return Object.fromEntries(Object.entries(value).map(([name, part]) => [name, recoloured(part)]));
  }
  return value;
}

function draw(plot) {
  const figure = figures[plot.dataset.figure];
  const { data, layout } = dark && !printing ? recoloured(figure) : structuredClone(figure);
  // A finger that moves over a figure scrolls the page.
  if (touch.matches) layout.dragmode = false;
  if (printing) Object.assign(layout, { width: 330, height: 250, autosize: false });
  plot.replaceChildren();
  Plotly.newPlot(plot, data, layout, config);
  plot.classList.add("drawn");
}

const waiting = new Set();
let busy = false;

// One figure per frame: many at once would freeze the page while it is scrolled.
async function drawWaiting() {
  if (busy) return;
  busy = true;
  try {
    await load();
    for (const plot of waiting) {
      waiting.delete(plot);
      draw(plot);
      await new Promise((done) => setTimeout(done, 0));
    }
  } catch (error) {
    console.error(error);
    for (const pending of document.querySelectorAll(".pending")) {
      pending.textContent = "This browser cannot draw the figure; its numbers stand below.";
    }
  } finally {
    busy = false;
  }
}

const watcher = new IntersectionObserver(
  (entries) => {
    for (const { target, isIntersecting } of entries) {
      if (!isIntersecting) waiting.delete(target);
      else if (!target.classList.contains("drawn")) waiting.add(target);
    }
    if (waiting.size > 0) drawWaiting();
  },
  { rootMargin: "500px 0px" },
);
for (const plot of plots) watcher.observe(plot);
(window.requestIdleCallback ?? setTimeout)(() => load().catch(() => {}), { timeout: 3000 });

// Only what is in view is drawn anew, where changing all would freeze the page; plotly also keeps a figure's first size.
function eraseAll() {
  for (const plot of document.querySelectorAll(".plot.drawn")) erase(plot);
}

function erase(plot) {
  if (plot.classList.contains("drawn")) Plotly.purge(plot);
  plot.classList.remove("drawn");
  // Observing it again reports whether it is in view.
  watcher.unobserve(plot);
  watcher.observe(plot);
}

scheme.addEventListener("change", (event) => {
  dark = event.matches;
  eraseAll();
});

// Paper is light, narrow, and shows figures nobody has scrolled to.
let openBeforePrint = true;
addEventListener("beforeprint", () => {
  if (fold !== null) [openBeforePrint, fold.open] = [fold.open, true];
  if (figures === null) return;
  printing = true;
  for (const plot of plots) {
    if (plot.closest("article").hidden) continue;
    erase(plot);
    draw(plot);
  }
});
addEventListener("afterprint", () => {
  if (fold !== null) fold.open = openBeforePrint;
  printing = false;
  eraseAll();
});
