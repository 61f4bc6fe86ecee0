"use strict";

// What if: forecasts on a grid of sizes and lengths, made when the report was.
{
  const held = document.getElementById("what-if-grid");
  if (held !== null) {
    const grid = JSON.parse(held.textContent);
    const choices = ["params", "tokens"].map((name) => document.getElementById(`what-if-${name}`));
    const told = document.getElementById("what-if-told");
    const planned = grid[2][2];
    const show = () => {
      const [size, length] = choices.map((choice) => Number(choice.value));
      const chosen = grid[size][length];
      for (const row of document.querySelectorAll("#what-if-table tbody tr")) {
        const place = Number(row.dataset.place);
        const part = (name) => row.querySelector(`[data-part="${name}"]`);
        const numbers = chosen[place];
        part("then").textContent = numbers === null ? "–" : `${numbers[0].toFixed(1)}%`;
        part("interval").textContent = numbers === null ? "–" : `${numbers[1].toFixed(1)}–${numbers[2].toFixed(1)}`;
        const change = numbers === null || planned[place] === null ? null : numbers[0] - planned[place][0];
        part("change").textContent = change === null ? "–" : `${change > 0 ? "+" : ""}${change.toFixed(1)}`;
      }
      const [params, tokens] = choices.map((choice) => choice.selectedOptions[0].textContent);
      told.textContent = size === 2 && length === 2 ? "" : `${params} on ${tokens} tokens`;
    };
    for (const choice of choices) choice.addEventListener("change", show);
    // A browser may restore an earlier choice when it comes back to the page.
    show();
  }
}
