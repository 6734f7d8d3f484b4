// What a query costs against what it brings, for the systems that were timed.
import * as Plot from "@observablehq/plot";
import { FILL, figure } from "./figure.js";
import { shortened } from "./names.js";

export function cost({ evaluated }) {
  const measure = evaluated.measures[0];
  const rows = evaluated.systems.map((system) => ({
    name: system.name,
    mean: system.measures[measure],
    ms: system.cost?.ms_per_query,
  }));
  const timed = rows.filter((row) => row.ms !== undefined);
  const others = rows.filter((row) => row.ms === undefined);
  return [
    figure(`${measure} against milliseconds per query`, `${measure} against milliseconds per query; the first table has the numbers`, {
      width: 620,
      height: 320,
      marginLeft: 50,
    marginBottom: 44,
      marginRight: 120,
      x: { type: "log", label: "milliseconds per query of 100 passages", labelAnchor: "center", labelArrow: "none", grid: true, nice: true },
      y: { label: measure, labelAnchor: "center", labelArrow: "none", grid: true, nice: true },
      marks: [
        Plot.ruleY(others, { y: "mean", stroke: "var(--line-strong)", strokeDasharray: "5 4" }),
        Plot.text(others, { y: "mean", text: (row) => shortened(row.name), frameAnchor: "left", textAnchor: "start", dx: 4, dy: -7, fill: "var(--dim)" }),
        Plot.dot(timed, { x: "ms", y: "mean", r: 6, fill: FILL, title: (row) => `${row.name}\n${row.mean.toFixed(4)}, ${row.ms.toFixed(1)} ms`, tip: true }),
        Plot.text(timed, { x: "ms", y: "mean", text: (row) => shortened(row.name), textAnchor: "start", dx: 10 }),
      ],
    }),
  ];
}
