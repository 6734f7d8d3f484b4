"""The rooms import one another one way, and no files of theirs import each other in a circle."""

from __future__ import annotations

import ast
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
MAY_IMPORT = {
    "manifests": {"manifests"},
    "retrieval": {"manifests", "retrieval"},
    "students": {"manifests", "retrieval", "students"},
    "generator": {"manifests", "retrieval", "generator"},
}
# Only the command line and the functions that it calls see every room.
SEE_ALL = {ROOT / "generator" / "commands", ROOT / "generator" / "api"}


def files_of(room: str) -> dict[str, Path]:
    """Returns the files of a room by the name that imports them."""
    names = {
        file: ".".join(file.relative_to(ROOT).with_suffix("").parts)
        for file in (ROOT / room).rglob("*.py")
    }
    return {f"rankgen.{name.removesuffix('.__init__')}": file for file, name in names.items()}


def imported(file: Path) -> set[tuple[str, str]]:
    """Returns (module, name in it) of what a file imports of ours, also inside functions."""
    nodes = ast.walk(ast.parse(file.read_text("utf-8")))
    imports = [node for node in nodes if isinstance(node, ast.ImportFrom)]
    named = [(node.module or "", alias.name) for node in imports for alias in node.names]
    return {(module, name) for module, name in named if module.startswith("rankgen.")}


@pytest.mark.parametrize("room", MAY_IMPORT)
def test_a_room_imports_only_those_below_it(room: str) -> None:
    for file in files_of(room).values():
        if SEE_ALL & {*file.parents}:
            continue
        assert {module.split(".")[1] for module, _ in imported(file)} <= MAY_IMPORT[room], file


@pytest.mark.parametrize("room", MAY_IMPORT)
def test_no_files_import_each_other(room: str) -> None:
    files = files_of(room)
    graph = {
        # A name of a package is a file of it, or what the package says itself.
        name: {f"{m}.{n}" if f"{m}.{n}" in files else m for m, n in imported(file)} & files.keys()
        for name, file in files.items()
    }
    assert len(list(TopologicalSorter(graph).static_order())) == len(files)
