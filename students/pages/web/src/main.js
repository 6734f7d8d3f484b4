// Starts the page: the charts of its sections, then the browser of queries.
import { block, placeBlocks } from "./blocks.js";
import { startBrowser } from "./browser.js";
import { drawCharts } from "./charts/all.js";
import { listContents } from "./contents.js";
import { byId } from "./dom.js";

async function start() {
  const page = JSON.parse(byId("page").textContent);
  placeBlocks(page.beside);
  listContents();
  // A page of evaluations has a table of its queries instead.
  if (byId("query-list")) startBrowser(page, await block("index"));
  if (document.querySelector("[data-chart]")) drawCharts(await block("charts"));
}

start().catch((error) => {
  const told = document.createElement("p");
  told.className = "notice";
  told.setAttribute("role", "alert");
  told.textContent = `This page cannot show its data: ${error.message}`;
  document.querySelector("main").prepend(told);
});
