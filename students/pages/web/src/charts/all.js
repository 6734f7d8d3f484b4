// Every chart of the page, by the name that its place in the template has.
import { agreement } from "./agreement.js";
import { cost } from "./cost.js";
import { coverage } from "./coverage.js";
import { differences } from "./differences.js";
import { displacement } from "./displacement.js";
import { judged } from "./judged.js";
import { means } from "./means.js";
import { outcomes } from "./outcomes.js";
import { scores } from "./scores.js";
import { training } from "./training.js";

const CHARTS = {
  agreement,
  cost,
  coverage,
  differences,
  displacement,
  judged,
  means,
  outcomes,
  scores,
  training,
};

export function drawCharts(charts) {
  for (const place of document.querySelectorAll("[data-chart]")) {
    place.replaceChildren(...CHARTS[place.dataset.chart](charts));
  }
}
