// Elements whose texts are texts: nothing that a passage or an id holds is ever read as HTML.

// Returns an element; `given` holds attributes, and "on…" listeners; children are nodes or texts.
export function element(name, given = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(given)) {
    if (value === null || value === undefined || value === false) continue;
    if (key.startsWith("on")) made.addEventListener(key.slice(2), value);
    else made.setAttribute(key, value === true ? "" : value);
  }
  made.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return made;
}

// A control character would be drawn as nothing: its picture stands for it.
export function visible(text) {
  return text.replace(/[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f]/g, (one) =>
    one === "\u007f" ? "\u2421" : String.fromCharCode(0x2400 + one.charCodeAt(0)),
  );
}

// Text of a collection, in the direction of its own script.
export function foreign(name, text, given = {}) {
  return element(name, { dir: "auto", ...given }, visible(text));
}

export const byId = (id) => document.getElementById(id);

export function count(number, word, plural = `${word}s`) {
  return `${number.toLocaleString("en")} ${number === 1 ? word : plural}`;
}

export function signed(value, digits) {
  return (value < 0 ? "\u2212" : "+") + Math.abs(value).toFixed(digits);
}
