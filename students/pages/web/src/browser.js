// The browser of queries: the list on one side, the chosen query on the other, the keys for both.
import { chosen, searchable } from "./choosing.js";
import { block } from "./blocks.js";
import { byId, element } from "./dom.js";
import { startKeys } from "./keys.js";
import { queryList } from "./list.js";
import { queryDetail } from "./detail.js";

const controls = { words: "query-search", filter: "query-filter", order: "query-sort", run: "query-run" };

function asked() {
  const given = Object.fromEntries(Object.entries(controls).map(([name, id]) => [name, byId(id).value]));
  return { ...given, run: Number(given.run) };
}

// Returns the id of the query that the address names; null where it names none.
function named() {
  if (!location.hash.startsWith("#q=")) return null;
  try {
    return decodeURIComponent(location.hash.slice(3));
  } catch {
    return null;
  }
}

function addRuns(names) {
  byId("query-run").append(...names.map((name, run) => element("option", { value: run }, name)));
  byId("run-field").hidden = names.length < 2;
}

export function startBrowser(page, index) {
  addRuns(page.runs);
  searchable(index);
  const detail = queryDetail(page, byId("query-detail"));
  let wanted = null;

  async function show(row, isByHand) {
    if (row === null) return detail.empty();
    wanted = row.id;
    const views = await block(row.block);
    // A quicker reader may have gone on meanwhile.
    if (wanted === row.id) detail.show(views[row.place], asked().run);
    if (isByHand) history.replaceState(null, "", `#q=${encodeURIComponent(row.id)}`);
    return undefined;
  }

  const list = queryList(page, byId("query-list"), asked, show);
  const refresh = () => list.fill(chosen(index, asked()));
  byId(controls.words).addEventListener("input", refresh);
  for (const name of ["filter", "order", "run"]) byId(controls[name]).addEventListener("change", refresh);
  list.fill(chosen(index, asked()), named());
  window.addEventListener("hashchange", () => {
    const id = named();
    if (id === null) return;
    byId(controls.words).value = "";
    byId(controls.filter).value = "all";
    list.fill(chosen(index, asked()), id);
    byId("queries").scrollIntoView();
  });
  startKeys(list, detail);
}
