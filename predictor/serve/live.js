"use strict";

// A page follows the results without being loaded again: what changed is put in its place, figures keep zoom and toggles.
const PERIOD = 5000;
let tag = null;

async function follow() {
  if (document.hidden) return;
  const main = document.getElementById("main");
  // Whoever types or chooses keeps what was typed.
  if (main === null || main.contains(document.activeElement?.closest("input, select, textarea") ?? null)) return;
  try {
    const answer = await fetch(location.href, tag === null ? {} : { headers: { "If-None-Match": tag } });
    if (answer.status !== 200) return;
    const first = tag === null;
    tag = answer.headers.get("ETag");
    if (!first) await replace(main, new DOMParser().parseFromString(await answer.text(), "text/html"));
  } catch {
    // The server is away: the page stays as it is.
  }
}

async function replace(main, fresh) {
  const next = fresh.getElementById("main");
  if (next === null) return;
  const open = new Set([...main.querySelectorAll("details[open][id]")].map((part) => part.id));
  for (const plot of next.querySelectorAll(".plot[data-figure]")) {
    const drawn = main.querySelector(`.plot.drawn[data-figure="${CSS.escape(plot.dataset.figure)}"]`);
    if (drawn !== null) plot.replaceWith(drawn);
  }
  for (const chips of next.querySelectorAll(".sizes")) {
    const used = main.querySelector(".sizes");
    if (used !== null && used.textContent === chips.textContent) chips.replaceWith(used);
  }
  main.replaceChildren(...next.childNodes);
  for (const id of open) document.getElementById(id)?.setAttribute("open", "");
  const data = fresh.getElementById("packed-figures");
  const held = document.getElementById("packed-figures");
  if (data !== null && held !== null && data.textContent !== held.textContent) {
    held.textContent = data.textContent;
    await renewFigures();
    for (const chip of document.querySelectorAll('.sizes .chip[aria-pressed="false"]')) applySize(chip);
  }
  // Figures that were not drawn yet are new elements.
  if (typeof watcher !== "undefined") for (const plot of main.querySelectorAll(".plot:not(.drawn)")) watcher.observe(plot);
}

setInterval(follow, PERIOD);
follow();

// The runs of one size are shown or hidden together.
document.addEventListener("click", (event) => {
  const chip = event.target.closest(".sizes .chip");
  if (chip === null) return;
  chip.setAttribute("aria-pressed", chip.getAttribute("aria-pressed") === "true" ? "false" : "true");
  applySize(chip);
});

function applySize(chip) {
  const plot = document.querySelector(`.plot.drawn[data-figure="${chip.dataset.figure}"]`);
  if (plot === null) return;
  const lines = plot.data.flatMap((trace, place) => (trace.meta === chip.dataset.size ? [place] : []));
  const shown = chip.getAttribute("aria-pressed") === "true";
  if (lines.length > 0) Plotly.restyle(plot, { visible: shown ? true : "legendonly" }, lines);
}
