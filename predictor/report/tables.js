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
  // What a filter finds should be seen, also among the folded ones and below the first few on a phone.
  const firm = document.getElementById("firm-table");
  if (filtered && firm !== null) showAll(firm);
  if (fold !== null && foldedAtFirst) fold.open = filtered && unsure > 0;
  const figures = document.getElementById("unsure-figures");
  if (figures !== null) {
    figures.hidden = unsure === 0;
    if (filtered && unsure > 0) figures.open = true;
  }
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
