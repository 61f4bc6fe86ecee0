"use strict";

// What is open ----------------------------------------------------------------------------------------------------------

// A wide screen shows everything but what is worked with; a narrow one shows each part when it is asked for.
const narrow = matchMedia("(max-width: 48rem)").matches;
if (!narrow) for (const part of document.querySelectorAll("details.wide-open")) part.open = true;

function openTarget() {
  const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (target === null) return;
  // A link to a section opens its part; one to something inside opens all around it.
  const part = target.matches("details") ? target : target.querySelector(":scope > details");
  for (let around = part ?? target.closest("details"); around !== null; around = around.parentElement.closest("details")) {
    around.open = true;
  }
  target.scrollIntoView();
}

addEventListener("hashchange", openTarget);
// The same link a second time changes no hash.
document.addEventListener("click", (event) => {
  const link = event.target.closest('a[href^="#"]');
  if (link !== null && link.getAttribute("href") === location.hash) openTarget();
});
if (location.hash.length > 1) openTarget();

// A long table of cards is cut short on a phone until all of it is asked for.
const SHORT = 6;
for (const button of document.querySelectorAll("button.show-all")) {
  const table = document.getElementById(button.dataset.table);
  if (!narrow || table.tBodies[0].rows.length <= SHORT + 2) continue;
  table.classList.add("short");
  button.hidden = false;
  button.addEventListener("click", () => showAll(table));
}

function showAll(table) {
  table.classList.remove("short");
  const button = document.querySelector(`button.show-all[data-table="${table.id}"]`);
  if (button !== null) button.hidden = true;
}

// On paper nothing is folded, but for what is worked with.
let closed = [];
addEventListener("beforeprint", () => {
  closed = [...document.querySelectorAll("details:not([open], #what-if)")];
  for (const part of closed) part.open = true;
  for (const table of document.querySelectorAll("table.short")) showAll(table);
});
addEventListener("afterprint", () => closed.forEach((part) => (part.open = false)));
