// The sections of the page as links, made of their headings.
import { byId, element } from "./dom.js";

export function listContents() {
  const sections = [...document.querySelectorAll("main > section[id]")];
  byId("contents")?.append(
    ...sections.map((section) =>
      element("li", {}, element("a", { href: `#${section.id}` }, section.querySelector("h2").textContent)),
    ),
  );
}
