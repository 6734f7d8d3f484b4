// How a teacher's scores are spread, and how they fall from rank to rank.
import * as Plot from "@observablehq/plot";
import { FILL, figure } from "./figure.js";

const unit = (run) => run.scores.unit ?? "score";

function spread(run) {
  return figure(`${run.name}: all scores`, `Histogram of the scores of ${run.name}`, {
    width: 370,
    height: 230,
    marginBottom: 42,
    marginLeft: 46,
    x: { label: unit(run), labelAnchor: "center", labelArrow: "none" },
    y: { label: "passages", grid: true, tickFormat: "s" },
    marks: [
      Plot.rectY(run.scores.bars, {
        x1: "start",
        x2: "end",
        y: "passages",
        fill: FILL,
        title: (bar) => `${bar.start.toPrecision(4)} to ${bar.end.toPrecision(4)}:\n${bar.passages.toLocaleString("en")} passages`,
        tip: true,
      }),
      Plot.ruleY([0], { stroke: "var(--line-strong)" }),
    ],
  });
}

function fall(run) {
  const at = { x: "rank" };
  return figure(`${run.name}: scores by rank`, `Scores of ${run.name} from rank to rank`, {
    width: 370,
    height: 230,
    marginBottom: 42,
    marginLeft: 46,
    x: { label: "teacher’s rank", labelAnchor: "center", labelArrow: "none" },
    y: { label: unit(run), grid: true },
    marks: [
      Plot.areaY(run.scores.ranks, { ...at, y1: "low", y2: "high", fill: FILL, fillOpacity: 0.14 }),
      Plot.areaY(run.scores.ranks, { ...at, y1: "lower", y2: "upper", fill: FILL, fillOpacity: 0.3 }),
      Plot.lineY(run.scores.ranks, { ...at, y: "median", stroke: FILL, strokeWidth: 2 }),
      Plot.tip(
        run.scores.ranks,
        Plot.pointerX({ ...at, y: "median", title: (row) => `rank ${row.rank}\nmedian ${row.median.toPrecision(4)}` }),
      ),
    ],
  });
}

export const scores = (charts) =>
  charts.runs.filter((run) => run.scores).flatMap((run) => [spread(run), fall(run)]);
