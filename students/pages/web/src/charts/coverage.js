// Which pairs of ranks the windows showed together.
import * as Plot from "@observablehq/plot";
import { FILL, figure, percent, ranks } from "./figure.js";

function heat(run) {
  const depth = Math.max(...run.pairs.map((cell) => cell.low[1]));
  return figure(run.name, `Heat map of ${run.name}: share of pairs that one window showed, by their ranks`, {
    width: 370,
    height: 360,
    marginLeft: 46,
    marginBottom: 42,
    x: { domain: [0.5, depth + 0.5], label: "rank of the lower passage", labelAnchor: "center", labelArrow: "none" },
    y: { domain: [0.5, depth + 0.5], reverse: true, label: "rank of the higher one", labelAnchor: "center", labelArrow: "none" },
    marks: [
      Plot.rect(run.pairs, {
        x1: (cell) => cell.low[0] - 0.5,
        x2: (cell) => cell.low[1] + 0.5,
        y1: (cell) => cell.high[0] - 0.5,
        y2: (cell) => cell.high[1] + 0.5,
        fill: FILL,
        fillOpacity: (cell) => 0.04 + 0.96 * cell.seen,
        title: (cell) =>
          `ranks ${ranks(cell.high)} and ${ranks(cell.low)}:\n${percent(cell.seen)} compared,\n${percent(cell.implied)} implied`,
        tip: true,
      }),
      Plot.frame({ stroke: "var(--line-strong)" }),
    ],
  });
}

export const coverage = (charts) => charts.runs.filter((run) => run.pairs?.length).map(heat);
