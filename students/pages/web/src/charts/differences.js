// Every query as a dot: by how much a system is better or worse on it than the first system.
import * as Plot from "@observablehq/plot";
import { figure } from "./figure.js";

function chart(evaluated, system, domain) {
  const measure = evaluated.measures[0];
  const first = evaluated.per_query[evaluated.systems[0].name][measure];
  const own = evaluated.per_query[system.name][measure];
  const rows = evaluated.query_ids.map((id, place) => ({ id, own: own[place], first: first[place], by: own[place] - first[place] }));
  rows.sort((one, other) => one.by - other.by);
  const better = rows.filter((row) => row.by > 0).length;
  const worse = rows.filter((row) => row.by < 0).length;
  const colour = (row) => (row.by > 0 ? "var(--accent)" : row.by < 0 ? "var(--fall)" : "var(--line-strong)");
  const made = figure(
    `${system.name}: better on ${better}, worse on ${worse} of ${rows.length}`,
    `Differences of ${system.name} by query in ${measure}: better on ${better}, worse on ${worse} of ${rows.length}`,
    {
      width: 370,
      height: 240,
      marginLeft: 56,
      x: { axis: null, inset: 8 },
      y: { domain, inset: 8, label: `difference in ${measure}`, labelAnchor: "center", labelArrow: "none", grid: true },
      marks: [
        Plot.ruleY([0], { stroke: "var(--line-strong)" }),
        Plot.dot(rows, {
          x: (row, place) => place,
          y: "by",
          r: rows.length > 300 ? 2 : 4,
          fill: colour,
          fillOpacity: 0.85,
          href: (row) => `#q=${encodeURIComponent(row.id)}`,
          title: (row) => `query ${row.id}\n${row.first.toFixed(4)} → ${row.own.toFixed(4)}`,
          tip: true,
        }),
      ],
    },
  );
  // A picture holds no links: a thousand are no way for a keyboard, and the list of queries below is.
  for (const link of made.querySelectorAll("a")) {
    const dot = link.firstElementChild;
    dot.style.cursor = "pointer";
    // Else the dot's tip stays, over the dot, and gets the click.
    dot.addEventListener("pointerdown", (event) => event.stopPropagation());
    dot.addEventListener("click", () => {
      location.hash = link.href.baseVal;
    });
    link.replaceWith(dot);
  }
  return made;
}

// All charts have one axis, so that their heights compare.
function domainOf({ systems, measures, per_query: values }) {
  const first = values[systems[0].name][measures[0]];
  const all = systems.slice(1).flatMap((system) => values[system.name][measures[0]].map((value, place) => value - first[place]));
  return [all.reduce((one, other) => Math.min(one, other), 0), all.reduce((one, other) => Math.max(one, other), 0)];
}

export function differences({ evaluated }) {
  const domain = domainOf(evaluated);
  return evaluated.systems.slice(1).map((system) => chart(evaluated, system, domain));
}
