// The keyboard: / searches, j and k go through the queries, arrows step, Enter opens, Esc closes.
import { byId } from "./dom.js";

const isWriting = (target) => target.matches("input:not([type=range]), select, textarea");

function inList(list, key) {
  const moves = {
    ArrowDown: () => list.step(1),
    ArrowUp: () => list.step(-1),
    PageDown: () => list.turn(1),
    PageUp: () => list.turn(-1),
    Home: list.first,
    End: list.last,
    Enter: () => byId("query-detail").focus(),
  };
  return moves[key];
}

function anywhere(list, detail, key) {
  const moves = {
    "/": () => byId("query-search").focus(),
    j: () => list.step(1),
    k: () => list.step(-1),
    ArrowRight: detail.isStepping() ? () => detail.step(1) : undefined,
    ArrowLeft: detail.isStepping() ? () => detail.step(-1) : undefined,
    Escape: () => list.box.focus(),
  };
  return moves[key];
}

function inSearch(list, key) {
  const leave = () => list.box.focus();
  return { Escape: leave, Enter: leave, ArrowDown: leave }[key];
}

export function startKeys(list, detail) {
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || byId("passage").open) return;
    const { target, key } = event;
    let move;
    if (target === byId("query-search")) move = inSearch(list, key);
    else if (isWriting(target) || target.getAttribute("role") === "tab") move = undefined;
    else if (target.matches("input[type=range]") && key.startsWith("Arrow")) move = undefined;
    else move = (target === list.box && inList(list, key)) || anywhere(list, detail, key);
    if (!move) return;
    event.preventDefault();
    move();
  });
}
