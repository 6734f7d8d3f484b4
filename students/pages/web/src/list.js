// The list of queries: a listbox, a page at a time.
import { PAGE } from "./choosing.js";
import { byId, count, element, foreign, signed } from "./dom.js";

function marks(row, run, measure) {
  const seen = row.runs[run];
  if (!seen) return [element("span", { class: "mark" }, "not ranked")];
  const made = [];
  if (seen.status === "quarantined") made.push(element("span", { class: "mark bad" }, "quarantined"));
  if (seen.repaired) made.push(element("span", { class: "mark warn" }, `${seen.repaired} repaired`));
  if (seen.failed) made.push(element("span", { class: "mark warn" }, count(seen.failed, "failed call")));
  if (seen.tau !== null) made.push(element("span", { class: "mark" }, `τ ${seen.tau.toFixed(2)}`));
  if (seen.gain !== undefined) made.push(element("span", { class: "mark" }, `${measure} ${signed(seen.gain, 3)}`));
  return made;
}

export function queryList(page, box, asked, show) {
  let rows = [];
  let place = 0;

  function option(row, number) {
    return element(
      "li",
      {
        role: "option",
        id: `query-${number}`,
        "data-query": row.id,
        "aria-selected": number === place ? "true" : "false",
        onclick: () => choose(number),
      },
      foreign("span", row.text || "(no text)", { class: "query-text" }),
      element("span", { class: "query-marks" }, foreign("span", row.id, { class: "id" }), marks(row, asked().run, page.measure)),
    );
  }

  function draw() {
    const start = Math.floor(place / PAGE) * PAGE;
    const end = Math.min(rows.length, start + PAGE);
    box.replaceChildren(...rows.slice(start, end).map((row, number) => option(row, start + number)));
    if (rows.length) box.setAttribute("aria-activedescendant", `query-${place}`);
    else box.removeAttribute("aria-activedescendant");
    byId("page-status").textContent = rows.length
      ? `${(start + 1).toLocaleString("en")}–${end.toLocaleString("en")} of ${rows.length.toLocaleString("en")}`
      : "no query";
    byId("page-previous").disabled = start === 0;
    byId("page-next").disabled = end >= rows.length;
    const current = byId(`query-${place}`);
    // Only the list scrolls, never the page.
    if (current && current.offsetTop < box.scrollTop) box.scrollTop = current.offsetTop;
    else if (current && current.offsetTop + current.offsetHeight > box.scrollTop + box.clientHeight)
      box.scrollTop = current.offsetTop + current.offsetHeight - box.clientHeight;
  }

  function choose(number) {
    if (!rows.length) return;
    place = Math.max(0, Math.min(rows.length - 1, number));
    draw();
    show(rows[place], true);
  }

  const turn = (pages) => choose((Math.floor(place / PAGE) + pages) * PAGE);
  byId("page-previous").addEventListener("click", () => turn(-1));
  byId("page-next").addEventListener("click", () => turn(1));
  return {
    box,
    step: (by) => choose(place + by),
    turn,
    first: () => choose(0),
    last: () => choose(rows.length - 1),
    // Lists other rows; the query of the given id is chosen, or else the first one.
    fill(found, id = null) {
      rows = found;
      place = Math.max(0, id === null ? 0 : rows.findIndex((row) => row.id === id));
      draw();
      box.scrollTop = 0;
      show(rows[place] ?? null, false);
    },
  };
}
