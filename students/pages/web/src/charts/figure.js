// What all charts share: a caption, a picture with a name, and colours that follow the theme.
import * as Plot from "@observablehq/plot";
import { element, visible } from "../dom.js";

export const FILL = "var(--accent)";
export const ranks = ([first, last]) => (first === last ? `${first}` : `${first}–${last}`);
export const percent = (share) => `${(100 * share).toFixed(1)} %`;

// Returns a figure of a Plot; `told` is its name for those who do not see it.
export function figure(caption, told, options) {
  const svg = Plot.plot({ style: { background: "transparent", fontSize: "12px" }, ...options });
  const picture = svg.tagName === "FIGURE" ? svg.querySelector("svg:last-of-type") : svg;
  // Its parts have names too, which a part without a role may not have.
  for (const part of picture.querySelectorAll("[aria-label]")) part.removeAttribute("aria-label");
  picture.setAttribute("role", "img");
  picture.setAttribute("aria-label", told);
  return element("figure", {}, element("figcaption", { dir: "auto" }, visible(caption)), svg);
}

export function legend(entries) {
  return element(
    "p",
    { class: "legend" },
    entries.map(([name, colour, opacity]) => {
      const box = element("i");
      box.style.background = colour;
      if (opacity !== undefined) box.style.opacity = opacity;
      return element("span", {}, box, name);
    }),
  );
}
