// The chosen query: its facts, and below them its lists or its windows.
import { element, foreign, count } from "./dom.js";
import { listsView } from "./lists.js";
import { stepsView } from "./steps.js";

const STATUS = {
  complete: "every answer was clean",
  degraded: "some answers were repaired",
  quarantined: "quarantined: no ranking",
};

const withArticle = (name) => (name === "first stage" ? "the first stage" : name);

function facts(run) {
  const told = STATUS[run.status] ? [element("span", { class: `badge ${run.status}` }, STATUS[run.status])] : [];
  const moved = run.movement;
  if (moved) {
    told.push(
      fact(`Kendall’s τ with ${withArticle(run.compared_with)}`, moved.tau.toFixed(3)),
      fact("top 10 kept", `${Math.round(moved.top * 100)} %`),
      fact("largest rise", `${moved.largest_rise} ranks`),
    );
  }
  if (run.prompt_tokens)
    told.push(fact("tokens", `${run.prompt_tokens.toLocaleString("en")} in, ${run.output_tokens.toLocaleString("en")} out`));
  return element("p", { class: "facts" }, told);
}

const fact = (name, value) => element("span", { class: "fact" }, `${name} `, element("b", {}, value));

function tabs(views, chosenTab, choose) {
  const names = Object.keys(views);
  const buttons = names.map((name) =>
    element(
      "button",
      {
        type: "button",
        role: "tab",
        id: `tab-${name}`,
        "aria-selected": String(name === chosenTab),
        "aria-controls": "query-panel",
        tabindex: name === chosenTab ? 0 : -1,
        onclick: () => choose(name),
        onkeydown: (event) => {
          const by = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
          if (!by) return;
          choose(names[(names.indexOf(name) + by + names.length) % names.length]);
          document.querySelector("[role=tab][aria-selected=true]").focus();
        },
      },
      views[name].label,
    ),
  );
  return element("div", { role: "tablist", "aria-label": "What to show of the query" }, buttons);
}

export function queryDetail(page, place) {
  let tab = "lists";
  let stepper = null;

  function show(view, runNumber) {
    const run = view.runs[runNumber] ?? view.runs.find(Boolean) ?? null;
    const views = { lists: { label: "Lists", make: () => listsView(view, page, runNumber) } };
    if (run?.steps.length) {
      const calls = count(run.steps.length, "call");
      views.windows = { label: `Windows (${calls})`, make: () => stepsView(view, run) };
    }
    const current = tab in views ? tab : "lists";
    const made = views[current].make();
    stepper = made.step ? made : null;
    const panel = element("div", { role: "tabpanel", id: "query-panel", "aria-labelledby": `tab-${current}` }, made.node);
    const choose = (name) => {
      tab = name;
      show(view, runNumber);
    };
    const parts = [
      foreign("h3", view.text ?? "(this run holds no text of its queries)", { id: "query-title" }),
      element("p", { class: "note" }, "query ", foreign("span", view.query_id, { class: "id" }), run ? " · " : null, run ? foreign("span", run.run) : null),
      run ? facts(run) : null,
      run?.reason ? element("p", { class: "notice" }, "Quarantined: ", foreign("span", run.reason)) : null,
      tabs(views, current, choose),
      panel,
    ];
    place.replaceChildren(...parts.filter(Boolean));
  }

  return {
    show,
    empty() {
      stepper = null;
      place.replaceChildren(element("p", { class: "note" }, "No query is like that."));
    },
    isStepping: () => stepper !== null,
    step: (by) => stepper?.step(by),
  };
}
