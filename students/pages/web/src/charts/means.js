// The mean of every system with its 95 % interval, a figure for each measure.
import * as Plot from "@observablehq/plot";
import { FILL, figure } from "./figure.js";
import { shortened } from "./names.js";

function chart(systems, measure) {
  const rows = systems.map((system) => ({
    name: system.name,
    mean: system.measures[measure],
    interval: system.intervals[measure],
  }));
  const whiskers = rows.filter((row) => row.interval);
  const told = (row) =>
    `${row.name}\n${row.mean.toFixed(4)}` +
    (row.interval ? `\n95 % interval ${row.interval[0].toFixed(4)} to ${row.interval[1].toFixed(4)}` : "");
  return figure(measure, `${measure} of ${rows.length} systems; the table below has the numbers`, {
    width: 520,
    height: 50 + 30 * rows.length,
    marginLeft: 190,
    marginRight: 24,
    x: { label: null, grid: true, nice: true },
    y: { domain: rows.map((row) => row.name), label: null, tickSize: 0, tickFormat: shortened },
    marks: [
      Plot.ruleY(whiskers, { y: "name", x1: (row) => row.interval[0], x2: (row) => row.interval[1], stroke: FILL, strokeWidth: 1.5 }),
      Plot.dot(rows, { x: "mean", y: "name", r: 5, fill: FILL, title: told, tip: true }),
    ],
  });
}

export const means = ({ evaluated }) => evaluated.measures.map((measure) => chart(evaluated.systems, measure));
