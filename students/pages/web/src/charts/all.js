// Every chart of the page, by the name that its place in the template has.
import { agreement } from "./agreement.js";
import { coverage } from "./coverage.js";
import { displacement } from "./displacement.js";
import { judged } from "./judged.js";
import { outcomes } from "./outcomes.js";
import { scores } from "./scores.js";

const CHARTS = { agreement, coverage, displacement, judged, outcomes, scores };

export function drawCharts(charts) {
  for (const place of document.querySelectorAll("[data-chart]")) {
    place.replaceChildren(...CHARTS[place.dataset.chart](charts));
  }
}
