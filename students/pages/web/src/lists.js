// Any two lists of a query side by side: at first, the first stage's and the teacher's.
import { column, columns } from "./columns.js";
import { count, element } from "./dom.js";

const FEW = 20;
let all = false;
let chosenSides = null;

// Returns every list of the query: {name, items: [{document, rank, note}]}.
function listsOf(view, page) {
  const found = [];
  view.runs.forEach((run, number) => {
    if (!run) return;
    const order = run.before.join();
    if (run.before.length && !found.some((list) => list.order === order)) {
      const ranked = run.before.map((document, place) => ({ document, rank: run.before_ranks[place], note: null }));
      found.push({ key: `before-${number}`, name: run.compared_with, order, items: ranked });
    }
    if (run.after.length) {
      const items = run.after.map((document, place) => ({
        document,
        rank: place + 1,
        note: run.scores ? `score ${run.scores[place].toPrecision(4)}` : null,
      }));
      found.push({ key: `after-${number}`, name: page.runs[number], order: null, items });
    }
  });
  const firsts = found.filter((list) => list.key.startsWith("before-"));
  if (firsts.length > 1) {
    for (const list of firsts) list.name += ` of ${page.runs[Number(list.key.slice(7))]}`;
  }
  return found;
}

function withRises(left, right) {
  const rank = new Map(left.map((item) => [item.document, item.rank]));
  return right.map((item) => {
    const before = rank.get(item.document);
    const said = before === undefined ? null : `rank ${before} → ${item.rank}`;
    return { ...item, said, rise: before === undefined ? null : before - item.rank };
  });
}

function sidesOf(lists, view, runNumber) {
  const known = (key) => lists.find((list) => list.key === key);
  const after = known(`after-${runNumber}`) ?? lists.find((list) => list.key !== lists[0].key) ?? lists[0];
  const asked = chosenSides && chosenSides.run === runNumber ? chosenSides.sides.map(known) : [];
  const run = view.runs[runNumber];
  // Runs may share a first stage; where a run's is not known, its order stands alone.
  const before = run && !run.before.length ? after : (lists.find((list) => list.order === run?.before.join()) ?? lists[0]);
  return [asked[0] ?? before, asked[1] ?? after];
}

export function listsView(view, page, runNumber) {
  const lists = listsOf(view, page);
  const node = element("div", { class: "lists" });
  if (!lists.length) {
    node.append(element("p", { class: "note" }, "No list of this query is known."));
    return { node };
  }

  function draw() {
    const sides = sidesOf(lists, view, runNumber);
    const selector = (side, label) =>
      element(
        "select",
        {
          id: side ? "right-list" : "left-list",
          "aria-label": label,
          onchange: (event) => {
            const keys = sides.map((list) => list.key);
            keys[side] = event.target.value;
            chosenSides = { run: runNumber, sides: keys };
            draw();
          },
        },
        lists.map((list) => element("option", { value: list.key, selected: list === sides[side] }, list.name)),
      );
    const most = Math.max(...sides.map((list) => list.items.length));
    const more =
      most > FEW
        ? element(
            "button",
            {
              type: "button",
              id: "show-all",
              "aria-pressed": String(all),
              onclick: () => {
                all = !all;
                draw();
                document.getElementById("show-all").focus();
              },
            },
            all ? `Show the first ${FEW}` : `Show all ${count(most, "passage")}`,
          )
        : null;
    const [left, right] = sides.map((list) => list.items);
    const rows = all ? most : FEW;
    const heads = sides.map((list) => list.name);
    const shown =
      left === right
        ? column(view.documents, right, heads[1], "right", rows)
        : columns(view.documents, left, withRises(left, right), { heads, rows });
    node.replaceChildren(
      element("div", { class: "toolbar" }, selector(0, "List on the left"), selector(1, "List on the right"), more ?? ""),
      shown,
    );
  }
  draw();
  return { node };
}
