// From first-stage ranks, across, to the teacher's ranks, down: the darker, the more went there.
import * as Plot from "@observablehq/plot";
import { FILL, figure, percent, ranks } from "./figure.js";

function heat(run) {
  const { cells, depth } = run.displacement;
  const most = Math.max(...cells.map((cell) => cell.share));
  return figure(run.name, `Heat map of ${run.name}: first-stage rank against the teacher's rank`, {
    width: 370,
    height: 360,
    marginLeft: 46,
    marginBottom: 42,
    x: { domain: [0.5, depth + 0.5], label: "first-stage rank", labelAnchor: "center", labelArrow: "none" },
    y: { domain: [0.5, depth + 0.5], reverse: true, label: "teacher’s rank", labelAnchor: "center", labelArrow: "none" },
    marks: [
      Plot.rect(cells, {
        x1: (cell) => cell.before[0] - 0.5,
        x2: (cell) => cell.before[1] + 0.5,
        y1: (cell) => cell.after[0] - 0.5,
        y2: (cell) => cell.after[1] + 0.5,
        fill: FILL,
        // The root, so that the few passages that went far are seen too.
        fillOpacity: (cell) => Math.sqrt(cell.share / most),
        title: (cell) =>
          `first-stage ranks ${ranks(cell.before)}\nto the teacher’s ${ranks(cell.after)}:\n` +
          `${percent(cell.share)}, ${cell.passages.toLocaleString("en")} passages`,
        tip: true,
      }),
      Plot.frame({ stroke: "var(--line-strong)" }),
    ],
  });
}

export const displacement = (charts) => charts.runs.filter((run) => run.displacement).map(heat);
