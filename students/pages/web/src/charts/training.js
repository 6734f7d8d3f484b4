// Loss and validation of every student, step by step.
import * as Plot from "@observablehq/plot";
import { FILL, figure } from "./figure.js";

const axes = {
  width: 370,
  height: 240,
  marginLeft: 52,
  marginBottom: 42,
  x: { label: "step", labelAnchor: "center", labelArrow: "none" },
};
const told = (point) => `step ${point.step}\n${point.value.toPrecision(4)}`;

function loss(student) {
  return figure(`${student.name}: loss`, `Loss of ${student.name} by step`, {
    ...axes,
    y: { label: null, grid: true },
    marks: [
      Plot.lineY(student.loss, { x: "step", y: "value", stroke: FILL, strokeWidth: 1.6 }),
      Plot.tip(student.loss, Plot.pointerX({ x: "step", y: "value", title: told })),
    ],
  });
}

function validation(student) {
  const best = student.validation.filter((point) => point.step === student.best_step);
  return figure(`${student.name}: validation nDCG@10`, `Validation of ${student.name} by step`, {
    ...axes,
    y: { label: null, grid: true },
    marks: [
      student.first_stage === null ? null : Plot.ruleY([student.first_stage], { stroke: "var(--line-strong)", strokeDasharray: "5 4" }),
      student.first_stage === null
        ? null
        : Plot.text([student.first_stage], { y: (value) => value, text: () => "first stage", frameAnchor: "right", textAnchor: "end", dy: -7, fill: "var(--dim)" }),
      Plot.lineY(student.validation, { x: "step", y: "value", stroke: FILL, strokeWidth: 1.6, marker: "dot" }),
      Plot.dot(best, { x: "step", y: "value", r: 6, stroke: FILL, strokeWidth: 2, fill: "var(--paper)" }),
      Plot.tip(student.validation, Plot.pointerX({ x: "step", y: "value", title: told })),
    ],
  });
}

export const training = ({ trainings }) =>
  trainings.flatMap((student) => [loss(student), ...(student.validation.length ? [validation(student)] : [])]);
