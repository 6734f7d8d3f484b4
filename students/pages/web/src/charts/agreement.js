// Every two runs: tau, rank-biased overlap and the overlap at the top, as matrices.
import * as Plot from "@observablehq/plot";
import { FILL, figure } from "./figure.js";

const MEASURES = [
  ["tau", "Kendall’s τ"],
  ["rbo", "Rank-biased overlap"],
  ["top", "Overlap at the top"],
];

function matrix(charts, names, key, caption) {
  const cells = charts.agreement.flatMap((pair) => [
    { row: pair.one, column: pair.other, value: pair[key] },
    { row: pair.other, column: pair.one, value: pair[key] },
  ]);
  const side = Math.max(40, Math.min(64, 240 / names.length));
  // White is readable on the darkest cells only.
  const dark = (cell) => cell.value > 0.8;
  return figure(caption, `${caption} of every two runs; the table below has the numbers`, {
    width: 140 + side * names.length,
    height: 120 + 34 * names.length,
    marginLeft: 130,
    marginBottom: 100,
    x: { domain: names, label: null, tickRotate: -40, tickSize: 0 },
    y: { domain: names, label: null, tickSize: 0 },
    marks: [
      Plot.cell(cells, { x: "column", y: "row", fill: FILL, fillOpacity: (cell) => Math.max(0.04, cell.value), inset: 1 }),
      Plot.text(cells, {
        x: "column",
        y: "row",
        text: (cell) => (cell.value === null ? "-" : cell.value.toFixed(2)),
        fill: (cell) => (dark(cell) ? "var(--on-accent)" : "var(--ink)"),
      }),
    ],
  });
}

export function agreement(charts) {
  const names = charts.runs.map((run) => run.name);
  return MEASURES.map(([key, caption]) => matrix(charts, names, key, caption));
}
