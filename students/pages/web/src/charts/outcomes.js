// How the answers of every run were read, as shares of its calls.
import * as Plot from "@observablehq/plot";
import { figure, legend, percent } from "./figure.js";

const COLOURS = {
  clean: "var(--accent)",
  repaired: "var(--second)",
  truncated: "var(--third)",
  failed: "var(--bad)",
};

function bars(run) {
  const { windows, failed } = run.outcomes;
  const calls = {
    clean: windows.ok,
    repaired: windows.repaired,
    truncated: windows.truncated,
    failed: Object.values(failed).reduce((sum, many) => sum + many, 0),
  };
  const all = Object.values(calls).reduce((sum, many) => sum + many, 0) || 1;
  return Object.entries(calls).map(([outcome, many]) => ({ run: run.name, outcome, many, share: many / all }));
}

export function outcomes(charts) {
  const rows = charts.runs.filter((run) => run.outcomes).flatMap(bars);
  if (rows.every((row) => row.outcome === "clean" || row.many === 0)) return [];
  const names = new Set(rows.map((row) => row.run));
  return [
    legend(Object.entries(COLOURS)),
    figure("Calls by how they ended", "Shares of calls by how they ended; the table below has the numbers", {
      width: 760,
      height: 44 + 30 * names.size,
      marginLeft: 170,
      x: { percent: true, label: "share of calls (%)", domain: [0, 100] },
      y: { label: null, tickSize: 0 },
      marks: [
        Plot.barX(rows, {
          x: "share",
          y: "run",
          fill: (row) => COLOURS[row.outcome],
          order: (row) => Object.keys(COLOURS).indexOf(row.outcome),
          insetTop: 3,
          insetBottom: 3,
          channels: { calls: (row) => `${row.many.toLocaleString("en")} ${row.outcome}, ${percent(row.share)}` },
          tip: { format: { x: false, y: false, fill: false, order: false } },
        }),
      ],
    }),
  ];
}
