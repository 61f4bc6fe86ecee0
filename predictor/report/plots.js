"use strict";

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
  // Nothing hovers on a touch screen: the buttons would lie over the figure for good.
  ...(touch.matches ? { displayModeBar: false } : {}),
};
// A page that is served names where plotly is; one that is a file carries it.
const served = document.getElementById("plots")?.dataset.plotly;
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
    const [data, pairs] = await Promise.all(["packed-figures", "packed-colours"].map(unpack));
    const script = document.createElement("script");
    if (served !== undefined) {
      await new Promise((done, failed) => {
        script.onload = done;
        script.onerror = failed;
        script.src = served;
        document.head.append(script);
      });
    } else {
      script.textContent = await unpack("packed-plotly");
      document.head.append(script);
    }
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
  // A figure that is there keeps its zoom and what was hidden of it.
  if (!plot.classList.contains("drawn")) plot.replaceChildren();
  Plotly.react(plot, data, layout, config);
  plot.classList.add("drawn");
}

// The data was replaced in the page: figures that are drawn follow it.
async function renewFigures() {
  if (figures === null) return;
  figures = JSON.parse(await unpack("packed-figures"));
  for (const plot of document.querySelectorAll(".plot")) {
    if (plot.classList.contains("drawn")) draw(plot);
    else watcher.observe(plot);
  }
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
addEventListener("beforeprint", () => {
  if (figures === null) return;
  printing = true;
  for (const plot of plots) {
    if (plot.closest("[hidden]") !== null) continue;
    erase(plot);
    draw(plot);
  }
});
addEventListener("afterprint", () => {
  printing = false;
  eraseAll();
});
