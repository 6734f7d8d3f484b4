// The grades of what stands at which ranks, before the teacher and after.
import * as Plot from "@observablehq/plot";
import { figure, legend, percent, ranks } from "./figure.js";

function colourOf(grade) {
  if (grade === null) return "var(--line)";
  return grade > 0 ? "var(--accent)" : "var(--line-strong)";
}

const opacityOf = (grade, most) => (grade === null || grade <= 0 ? 1 : 0.3 + (0.7 * grade) / most);
const nameOf = (grade) => (grade === null ? "not judged" : `grade ${grade}`);

function bars(run, most) {
  const totals = new Map();
  const key = (row) => `${row.order} ${row.ranks}`;
  for (const row of run.judged.grades) totals.set(key(row), (totals.get(key(row)) ?? 0) + row.passages);
  const rows = run.judged.grades.map((row) => ({ ...row, share: row.passages / totals.get(key(row)) }));
  const orders = ["first stage", "teacher"].filter((order) => rows.some((row) => row.order === order));
  const of = orders.length > 1 ? `in the first stage and in ${run.name}` : `in ${run.name}`;
  const groups = [...new Set(rows.map((row) => ranks(row.ranks)))];
  return figure(`${run.name}: grades by rank`, `Grades by rank ${of}`, {
    width: 370,
    height: 270,
    marginBottom: 58,
    marginLeft: 46,
    marginTop: 34,
    fx: { domain: groups, label: null },
    x: { domain: orders, label: null, tickRotate: -50, tickSize: 0 },
    y: { percent: true, label: "share of passages (%)", labelAnchor: "center", labelArrow: "none", grid: true },
    marks: [
      Plot.barY(rows, {
        fx: (row) => ranks(row.ranks),
        x: "order",
        y: "share",
        fill: (row) => colourOf(row.grade),
        fillOpacity: (row) => opacityOf(row.grade, most),
        order: (row) => -(row.grade ?? -1),
        channels: { told: (row) => `${row.order}, ${nameOf(row.grade)}: ${percent(row.share)}` },
        tip: { format: { x: false, y: false, fx: false, fill: false, fillOpacity: false, order: false } },
      }),
    ],
  });
}

export function judged(charts) {
  const runs = charts.runs.filter((run) => run.judged);
  const grades = [...new Set(runs.flatMap((run) => run.judged.grades.map((row) => row.grade)))];
  grades.sort((one, other) => (other ?? -Infinity) - (one ?? -Infinity));
  const most = Math.max(1, ...grades.filter((grade) => grade !== null));
  const entries = grades.map((grade) => [nameOf(grade), colourOf(grade), opacityOf(grade, most)]);
  return [legend(entries), ...runs.map((run) => bars(run, most))];
}
