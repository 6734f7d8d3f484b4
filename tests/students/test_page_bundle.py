"""The committed script of the pages belongs to its sources and its lock, and has its licences."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from rankgen.students.pages.template import WEB

MADE_OF = json.loads((WEB / "bundle" / "made_of.json").read_text())


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_the_script_was_built_from_these_sources() -> None:
    sources = [p for p in (WEB / "src").rglob("*") if p.is_file()]
    named = [*sources, WEB / "build.mjs", WEB / "package-lock.json"]
    # Else: npm ci && npm run build in students/pages/web.
    assert MADE_OF["made_of"] == {str(p.relative_to(WEB)): sha256(p) for p in named}
    assert MADE_OF["page.js"] == sha256(WEB / "bundle" / "page.js")


def test_the_lock_pins_what_the_package_asks_for_and_names_no_registry() -> None:
    text = (WEB / "package-lock.json").read_text()
    assert "://" not in re.sub(r'"url": "[^"]*"', "", text)
    lock, asked = json.loads(text), json.loads((WEB / "package.json").read_text())
    assert lock["packages"][""]["devDependencies"] == asked["devDependencies"]
    for name, version in asked["devDependencies"].items():
        assert lock["packages"][f"node_modules/{name}"]["version"] == version
    assert all("integrity" in entry for name, entry in lock["packages"].items() if name)


def test_every_bundled_package_has_its_licence() -> None:
    text = (WEB / "bundle" / "LICENSES.txt").read_text()
    lock = json.loads((WEB / "package-lock.json").read_text())["packages"]
    named = re.findall(r"^((?:@[\w-]+/)?[\w.-]+) (\S+) \(([^)]+)\)$", text, re.MULTILINE)
    assert {"@observablehq/plot", "d3-shape"} <= {name for name, _, _ in named}
    for name, version, licence in named:
        assert lock[f"node_modules/{name}"]["version"] == version
        assert licence in ("ISC", "MIT", "BSD-3-Clause", "Unlicense")


def test_no_part_of_the_script_can_end_it_early_or_ask_a_network() -> None:
    script = (WEB / "bundle" / "page.js").read_text(encoding="utf-8")
    assert "</script" not in script.lower()
    assert "<!--" not in script
    own = "".join(path.read_text(encoding="utf-8") for path in (WEB / "src").rglob("*.js"))
    for word in ("innerHTML", "insertAdjacentHTML", "eval(", "fetch(", "XMLHttpRequest", "http"):
        assert word not in own, word


@pytest.mark.skipif(shutil.which("node") is None, reason="needs node")
def test_queries_are_chosen_and_sorted_by_the_script() -> None:
    program = """
import { chosen, searchable } from "./src/choosing.js";
const row = (id, text, run) => ({ id, text, runs: [run] });
const index = searchable([
  row("a/1", "Cats and dogs", { status: "complete", tau: 0.9, rise: 3, gain: -0.5 }),
  row("b", "dogs", { status: "degraded", tau: -0.2, rise: 90, gain: 0.25, failed: 1 }),
  row("c", "\\u65e5\\u672c", null),
  row("d", "cats", { status: "quarantined", tau: null, rise: 0, failed: 2 }),
]);
const ids = (asked) => chosen(index, asked).map((one) => one.id).join(" ");
console.log(JSON.stringify([
  ids({}), ids({ words: "DOGS cats" }), ids({ words: "a/1" }), ids({ words: "\\u65e5" }),
  ids({ filter: "quarantined" }), ids({ filter: "failed" }), ids({ filter: "absent" }),
  ids({ order: "moved" }), ids({ order: "rise" }), ids({ order: "loss" }), ids({ order: "gain" }),
  ids({ words: "nothing" }),
]));
"""
    done = subprocess.run(
        ["node", "--input-type=module", "-e", program],
        cwd=WEB,
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(done.stdout) == [
        "a/1 b c d",
        "a/1",
        "a/1",
        "c",
        "d",
        "b d",
        "c",
        "b a/1 c d",
        "b a/1 d c",
        "a/1 b c d",
        "b a/1 c d",
        "",
    ]
