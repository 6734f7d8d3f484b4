// One passage in full, in a dialog of its own; a very long one is folded.
import { byId, element, foreign } from "./dom.js";

const FOLD = 4000;

function text(whole) {
  if (whole === null) return [element("p", { class: "note" }, "The run holds no text of it.")];
  if (whole.length <= FOLD) return [foreign("p", whole, { class: "whole" })];
  const body = foreign("p", `${whole.slice(0, FOLD)}…`, { class: "whole" });
  const more = element(
    "button",
    {
      type: "button",
      id: "passage-more",
      onclick: () => {
        body.replaceWith(foreign("p", whole, { class: "whole", id: "passage-text" }));
        more.remove();
      },
    },
    `Show all ${whole.length.toLocaleString("en")} characters`,
  );
  return [body, more];
}

export function openPassage(document, said) {
  const dialog = byId("passage");
  const close = element("button", { type: "button", id: "passage-close", onclick: () => dialog.close() }, "Close");
  dialog.replaceChildren(
    element("div", { class: "dialog-head" }, foreign("h3", document.doc_id, { id: "passage-title" }), close),
    element("p", { class: "note" }, [said, document.grade === null ? null : `judged ${document.grade}`].filter(Boolean).join(" · ")),
    ...(document.title ? [foreign("h4", document.title)] : []),
    ...text(document.text),
  );
  dialog.showModal();
}
