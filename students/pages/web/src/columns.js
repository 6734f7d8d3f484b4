// Two orders side by side, each passage a row, and a line from where it was to where it went.
import * as Plot from "@observablehq/plot";
import { element, foreign } from "./dom.js";
import { openPassage } from "./passage.js";

export const ROW = 48;
const GAP = 96;

function label(rise) {
  if (rise === null || rise === undefined) return null;
  const text = rise > 0 ? `▲ ${rise}` : rise < 0 ? `▼ ${-rise}` : "=";
  const said = rise > 0 ? `rose ${rise} ranks` : rise < 0 ? `fell ${-rise} ranks` : "kept its rank";
  const way = rise > 0 ? "rise" : rise < 0 ? "fall" : "stay";
  return element("span", { class: `move ${way}`, title: said, "aria-label": said, role: "img" }, text);
}

function row(item, document) {
  const grade = document.grade;
  return element(
    "li",
    { "data-document": item.document },
    element(
      "button",
      { type: "button", class: "passage-row", onclick: () => openPassage(document, item.said) },
      element("span", { class: "rank" }, item.rank),
      element(
        "span",
        { class: "passage-body" },
        element(
          "span",
          { class: "passage-head" },
          foreign("span", document.doc_id, { class: "id" }),
          grade === null ? null : element("span", { class: `grade ${grade > 0 ? "relevant" : ""}` }, `grade ${grade}`),
          item.note ? element("span", { class: "mark" }, item.note) : null,
          label(item.rise),
        ),
        foreign("span", (document.title ? `${document.title} — ` : "") + (document.text ?? "(no text)").slice(0, 300), {
          class: "passage-text",
        }),
      ),
    ),
  );
}

function lines(left, right, height) {
  const places = new Map(right.map((item, place) => [item.document, place]));
  const middle = (place, rows) => (place < rows ? place * ROW + ROW / 2 : height);
  const drawn = [];
  left.forEach((item, place) => {
    const to = places.get(item.document);
    if (to === undefined) return;
    const from = middle(place, height / ROW);
    const end = middle(to, height / ROW);
    if (from < height || end < height) drawn.push({ document: item.document, from, end, by: place - to });
  });
  const svg = Plot.plot({
    width: GAP,
    height,
    margin: 0,
    x: { domain: [0, 1], range: [0, GAP], axis: null },
    y: { domain: [0, height], range: [0, height], axis: null },
    marks: [
      Plot.link(drawn, {
        x1: 0,
        x2: 1,
        y1: "from",
        y2: "end",
        curve: "bump-x",
        stroke: (line) => (line.by > 0 ? "var(--accent)" : line.by < 0 ? "var(--fall)" : "var(--line-strong)"),
        strokeWidth: (line) => (Math.abs(line.by) >= 10 ? 2.2 : 1.3),
        strokeOpacity: 0.8,
      }),
    ],
  });
  svg.setAttribute("aria-hidden", "true");
  // A narrow page has a narrower gap, but rows of the same height.
  svg.setAttribute("preserveAspectRatio", "none");
  svg.style.height = `${height}px`;
  svg.classList.add("lines");
  svg.querySelectorAll("g[aria-label=link] path").forEach((path, number) => {
    if (drawn[number]) path.dataset.document = drawn[number].document;
  });
  return svg;
}

function follow(node) {
  const mark = (event) => {
    const found = event.target.closest?.("[data-document]")?.dataset.document;
    for (const part of node.querySelectorAll("[data-document]")) {
      part.classList.toggle("followed", event.type !== "mouseleave" && part.dataset.document === found);
    }
  };
  for (const type of ["mouseover", "focusin", "mouseleave"]) node.addEventListener(type, mark);
}

// Items are {document, rank, rise?, note?, said?}; `documents` is the query's table.
export const column = (documents, items, head, side, rows) =>
  element(
    "div",
    { class: `column ${side}` },
    element("h4", {}, head),
    element("ol", { "aria-label": head }, items.slice(0, rows).map((item) => row(item, documents[item.document]))),
  );

export function columns(documents, left, right, { heads, rows }) {
  const shown = Math.min(rows, Math.max(left.length, right.length));
  const list = (items, head, side) => column(documents, items, head, side, rows);
  const node = element(
    "div",
    { class: "columns" },
    list(left, heads[0], "left"),
    element("div", { class: "gap" }, lines(left, right, shown * ROW)),
    list(right, heads[1], "right"),
  );
  follow(node);
  return node;
}
