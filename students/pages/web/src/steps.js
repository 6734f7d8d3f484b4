// The calls for a query, one by one: what the model was shown, and what it made of it.
import { columns } from "./columns.js";
import { count, element, foreign } from "./dom.js";

const OUTCOMES = {
  ok: "clean answer",
  repaired: "repaired answer",
  truncated: "answer cut at the token limit",
  malformed: "unreadable answer",
  error: "no answer",
};

function faults(step) {
  const told = [
    [step.missing, "passage left out", "passages left out"],
    [step.duplicates, "named twice", "named twice"],
    [step.out_of_range, "number that no passage has", "numbers that no passage has"],
    [step.cut, "text shortened to fit", "texts shortened to fit"],
  ];
  return told.filter(([many]) => many).map(([many, one, more]) => element("span", { class: "fact" }, count(many, one, more)));
}

function tokens({ prompt_tokens: read, output_tokens: said }) {
  if (!read && !said) return null;
  return element("span", { class: "fact" }, `${count(read, "token")} in, ${said.toLocaleString("en")} out`);
}

function written(step) {
  if (step.answer === null) return null;
  const number = new Map(step.shown.map((document, place) => [document, place + 1]));
  return step.answer.slice(0, step.named).map((document) => `[${number.get(document)}]`).join(" > ");
}

function answerOf(step) {
  const read = written(step);
  return element(
    "div",
    { class: "answer" },
    step.output_text === null ? null : [element("h4", {}, "What it said"), foreign("pre", step.output_text, { tabindex: 0, id: "step-said", "aria-label": "What it said" })],
    read === null ? null : [element("h4", {}, step.output_text === null ? "What it said" : "As it was read"), element("p", { class: "read", id: "step-read" }, read)],
    step.reason === null ? null : element("p", { class: "notice" }, foreign("span", step.reason)),
  );
}

function track(step, length) {
  const share = (value) => `${(100 * value) / length}%`;
  const span = element("span", { class: "span" });
  span.style.left = share(step.start);
  span.style.width = share(step.end - step.start);
  return element("div", { class: "track", "aria-hidden": "true" }, span);
}

function stepNode(view, run, step) {
  const outcome = element("span", { class: `badge ${step.outcome}` }, OUTCOMES[step.outcome] ?? step.outcome);
  const place = new Map(step.shown.map((document, number) => [document, number]));
  const shown = step.shown.map((document, number) => ({ document, rank: `[${number + 1}]` }));
  const answer = (step.answer ?? []).map((document, number) => ({
    document,
    rank: number + 1,
    rise: place.get(document) - number,
    note: number >= step.named ? "not named" : null,
    said: `was shown as [${place.get(document) + 1}], put at ${number + 1}`,
  }));
  return element(
    "div",
    {},
    element("p", { class: "facts" }, outcome, faults(step), tokens(step)),
    track(step, run.before.length),
    answerOf(step),
    step.answer === null
      ? columns(view.documents, shown, [], { heads: ["What it was shown", "No order"], rows: shown.length })
      : columns(view.documents, shown, answer, { heads: ["What it was shown", "Its order"], rows: shown.length }),
  );
}

export function stepsView(view, run) {
  let place = 0;
  const total = run.steps.length;
  const status = element("p", { id: "step-status", role: "status", "aria-live": "polite" });
  const body = element("div", { id: "step" });
  const slider = element("input", {
    type: "range",
    id: "step-slider",
    min: 1,
    max: total,
    value: 1,
    "aria-label": "Call",
    oninput: (event) => go(Number(event.target.value) - 1),
  });
  const button = (id, text, name, by) =>
    element("button", { type: "button", id, "aria-label": name, onclick: () => go(place + by) }, text);
  const previous = button("step-previous", "←", "Previous call", -1);
  const next = button("step-next", "→", "Next call", 1);

  function go(to) {
    place = Math.max(0, Math.min(total - 1, to));
    const step = run.steps[place];
    slider.value = place + 1;
    previous.disabled = place === 0;
    next.disabled = place === total - 1;
    const again = step.attempt > 1 ? `, attempt ${step.attempt}` : "";
    status.textContent = `Call ${place + 1} of ${total}: pass ${step.pass_index + 1}, ranks ${step.start + 1} to ${step.end}${again}`;
    body.replaceChildren(stepNode(view, run, step));
  }

  go(0);
  const node = element("div", { class: "steps" }, element("div", { class: "stepper" }, previous, slider, next, status), body);
  return { node, step: (by) => go(place + by) };
}
