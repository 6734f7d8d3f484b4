// Data comes as blocks of gzipped JSON: in the page itself, or as scripts beside it, since a page
// that is opened as a file may load scripts but no other files.

const KEPT = 12;
const kept = new Map();
const waiting = new Map();
let addresses = {};

// A script beside the page calls this with its block.
globalThis.rankgenBlock = (name, packed) => {
  waiting.get(name)?.resolve(packed);
  waiting.delete(name);
};

async function unpacked(packed) {
  const bytes = Uint8Array.from(atob(packed), (character) => character.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Response(stream).json();
}

function besideThePage(name) {
  return new Promise((resolve, reject) => {
    waiting.set(name, { resolve });
    const script = document.createElement("script");
    script.src = addresses[name];
    script.onload = () => script.remove();
    script.onerror = () => reject(new Error(`${addresses[name]} is not beside this page`));
    document.head.append(script);
  });
}

async function read(name) {
  const held = document.getElementById(`block-${name}`);
  return unpacked(held ? held.textContent : await besideThePage(name));
}

// Says where the blocks are that the page does not hold.
export function placeBlocks(given) {
  addresses = given;
}

// Returns the value of a block; the last few are kept.
export function block(name) {
  const found = kept.get(name) ?? read(name);
  kept.delete(name);
  kept.set(name, found);
  found.catch(() => kept.delete(name));
  if (kept.size > KEPT) kept.delete(kept.keys().next().value);
  return found;
}
