// Bundles src/ with the libraries it uses into bundle/page.js, beside their licences and the
// digests by which a test tells whether the bundle belongs to its sources and to the lock.
import { createHash } from "node:crypto";
import { readFileSync, readdirSync, writeFileSync, mkdirSync, existsSync } from "node:fs";
import { join } from "node:path";
import { build } from "esbuild";

const sha256 = (content) => createHash("sha256").update(content).digest("hex");

function sources(folder) {
  return readdirSync(folder, { withFileTypes: true })
    .flatMap((entry) => {
      const path = `${folder}/${entry.name}`;
      return entry.isDirectory() ? sources(path) : [path];
    })
    .sort();
}

// "node_modules/@scope/name/…" or "node_modules/name/…" -> the package's folder.
function packageFolder(input) {
  const parts = input.split("/");
  const start = parts.lastIndexOf("node_modules") + 1;
  const length = parts[start].startsWith("@") ? 2 : 1;
  return parts.slice(0, start + length).join("/");
}

function licences(inputs) {
  const folders = new Set(inputs.filter((path) => path.includes("node_modules/")).map(packageFolder));
  return [...folders].sort().map((folder) => {
    const { name, version, license } = JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));
    const file = readdirSync(folder).find((entry) => /^(un)?licen[cs]e/i.test(entry));
    if (file === undefined) throw new Error(`${name} comes without the text of its licence`);
    const text = readFileSync(join(folder, file), "utf8").trim();
    return `${name} ${version} (${license})\n\n${text}\n`;
  });
}

const result = await build({
  entryPoints: ["src/main.js"],
  bundle: true,
  minify: true,
  format: "iife",
  target: "es2022",
  charset: "ascii",
  legalComments: "none",
  metafile: true,
  write: false,
});
if (!existsSync("bundle")) mkdirSync("bundle");
const script = result.outputFiles[0].contents;
writeFileSync("bundle/page.js", script);
const texts = licences(Object.keys(result.metafile.inputs));
writeFileSync("bundle/LICENSES.txt", texts.join(`\n${"-".repeat(80)}\n\n`));
const made = Object.fromEntries(
  [...sources("src"), "build.mjs", "package-lock.json"].map((path) => [path, sha256(readFileSync(path))]),
);
writeFileSync("bundle/made_of.json", `${JSON.stringify({ made_of: made, "page.js": sha256(script) }, null, 2)}\n`);
